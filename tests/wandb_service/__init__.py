"""A stand-in for the W&B service, against which the unmodified client runs online.

It answers what the client asks while a tracker works: starting and resuming a run, its history, summary and
end (the file stream), artifacts up, down, named and deleted, look-ups through ``wandb.Api``. It holds what it
was sent and gives it back; it draws no conclusions that the real service would draw.

::

    service = WandbService(folder).start()
    os.environ.update(client_environment(service, tmp_path))
    ...                                                  # the client, in this or another process
    service.history("team", "project", "id")             # rows in the order of the service's lines
    service.fault("500", "/file_stream", times=3)        # the next three requests of that path fail
    service.stop(); service.start()                      # an outage; same port, same contents
    assert service.unknown == []

A GraphQL field, argument, filter or path that it does not know is recorded in ``unknown``, and the fixture
``wandb_service`` (``tests/wandb_service/fixtures.py``) fails the test for it: a new client that asks for more is
noticed.

``python -m tests.wandb_service --port 8765 --state DIR`` serves as a process of its own, whose contents survive
SIGKILL: every answered request is on disk. ``WandbService(DIR)`` without ``start`` reads them. ``--fault KIND=PATH``
lets requests fail there.
"""

from .client import client_environment
from .faults import Fault
from .server import WandbService

__all__ = ["Fault", "WandbService", "client_environment"]
