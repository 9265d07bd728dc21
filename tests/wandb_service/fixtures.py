"""The fixture ``wandb_service``: a service, and a client that is set to it; for a ``conftest.py`` to import."""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from .client import client_environment
from .server import WandbService


@pytest.fixture
def wandb_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbService]:
    """A running service; the environment leads the client to it. Fails if the client asked for the unknown."""
    wandb = pytest.importorskip("wandb", reason="the package wandb is not installed")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    # What pytest captures, it keeps: with an error of the client also the client.
    monkeypatch.setattr(logging.getLogger("wandb"), "propagate", False)
    service = WandbService(tmp_path / "service").start()
    for name, value in client_environment(service, tmp_path / "client").items():
        monkeypatch.setenv(name, value)
    _tear_down(wandb)  # the client reads its environment once a session
    yield service
    service.heal()
    _tear_down(wandb)
    service.stop()
    if service.unknown:
        pytest.fail("the client asked for what the stand-in does not know:\n" + "\n".join(service.unknown))


def _tear_down(wandb: ModuleType) -> None:
    with suppress(Exception, SystemExit):  # its process may have been killed by the test
        wandb.teardown()
