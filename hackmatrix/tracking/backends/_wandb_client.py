"""The W&B client as one process-wide thing: how it is reached, shared and revived.

The client is a Python package in front of a process of its own, which all runs of this process share. Three of
its habits are met here. A server out of reach and a refused key raise the same error, so a socket is opened
first. After an ``init`` that failed, the run's id stays blocked until ``wandb.teardown()``, which ends every
other run too. And ``finish`` knows one time limit only, which is set at ``init``.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import wandb

from hackmatrix.tracking.backends import _wandb_errors as meanings
from hackmatrix.tracking.errors import BackendSetupError, BackendUnreachableError

OLDEST = (0, 29)  # the first that says that an id was deleted
PROBE_S, API_S = 3, 5  # a socket opens in milliseconds, an answer comes in tenths of a second, or not at all
_T = TypeVar("_T")
_log = logging.getLogger("hackmatrix.tracking")
_told: set[str] = set()
_live: set[str] = set()
_leaving: dict[str, threading.Thread] = {}
lock = threading.RLock()  # held while a run is started or the client is torn down


def tell_once(cause: str, message: str, *arguments: object) -> None:
    """Warn, unless this process did so before for this cause."""
    if cause not in _told:
        _told.add(cause)
        _log.warning(message, *arguments)


def bounded(call: Callable[[], _T], timeout: float, what: str) -> _T:
    """The call's result; it goes on in the background if it is late.

    Raises:
        TimeoutError: it took longer than ``timeout`` seconds.
    """
    result: list[_T] = []
    error: list[BaseException] = []

    def work() -> None:
        try:
            result.append(call())
        except BaseException as raised:  # noqa: BLE001 - raised again by whoever waits
            error.append(raised)

    thread = threading.Thread(target=work, name="hackmatrix-wandb-call", daemon=True)
    thread.start()
    thread.join(max(0.0, timeout))
    if error:
        raise error[0]
    if not result:
        raise TimeoutError(f"{what} took longer than {timeout:.0f} s")
    return result[0]


def check() -> None:
    """Refuse a client whose habits are not known."""
    if tuple(int(part) for part in wandb.__version__.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise BackendSetupError(
            f"wandb {wandb.__version__} is too old, {oldest} is needed; run `pip install -U 'hackmatrix[wandb]'`"
        )


def settings() -> wandb.Settings:
    """The client's own settings, once it has been told to keep the terminal clean.

    A person who set WANDB_SILENT, or who has a run of their own in this process, has decided that already.
    """
    found = wandb.setup().settings
    if "WANDB_SILENT" not in os.environ and wandb.run is None:
        wandb.termsetup(wandb.Settings(silent=True), None)
    return found


def reach() -> None:
    """Open a socket to the server, or to the proxy that leads there.

    Raises:
        BackendUnreachableError: nobody listens there.
    """
    said = settings()
    address = str(said.base_url)
    url = urlsplit(address)
    own = said.https_proxy if url.scheme == "https" else said.http_proxy
    proxy = own or (None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme))
    place = urlsplit(proxy) if proxy else url
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        socket.create_connection((place.hostname or "", port), timeout=PROBE_S).close()
    except OSError as error:
        # No cause: a refused socket is not the client's death, which also is a ConnectionError.
        raise BackendUnreachableError(f"W&B at {address} cannot be reached: {error}") from None


def api() -> wandb.Api:
    """A new ``wandb.Api``, which sees news; one that was used before shows what it saw then."""
    reach()
    with meanings.translated():
        return bounded(lambda: wandb.Api(timeout=API_S), API_S + PROBE_S, "asking W&B")


def default_entity(asked: wandb.Api) -> str:
    """Whose runs those without an entity are: the variable's, else those of who is logged in."""
    found = settings().entity or asked.default_entity
    if not found:
        raise BackendSetupError("W&B knows no default entity for this login; say `--entity YOU`")
    return str(found)


def with_living_client(call: Callable[[], _T]) -> _T:
    """The call's result; if the client's process turns out to be dead, from a second try with a new one."""
    try:
        return call()
    except Exception as error:
        if not meanings.died(error):
            raise
        with lock:
            _tear_down()
        return call()


def unblock(run_id: str) -> None:
    """Free an id that an ``init`` blocked when it failed.

    Raises:
        BackendUnreachableError: other runs of this process live in the client, and would be ended with it.
    """
    if _live - {run_id} or wandb.run is not None or getattr(wandb.setup(), "most_recent_active_run", None):
        raise BackendUnreachableError(
            f"run {run_id} is blocked in this process since W&B could not be reached, until its other runs have ended"
        )
    _tear_down()


def _tear_down() -> None:
    # It passes on the exit code of a process that was killed, as SystemExit.
    with suppress(Exception, SystemExit):
        wandb.teardown()


def arrive(run_id: str) -> None:
    """Wait for an earlier object of this run to leave the client; note that the run lives."""
    thread = _leaving.get(run_id)
    if thread is not None:
        thread.join(PROBE_S)
        if thread.is_alive():
            raise BackendUnreachableError(f"the earlier connection of run {run_id} is still ending")
    _live.add(run_id)


def leave(run_id: str, finish: Callable[[], Any], timeout: float) -> None:
    """End a run in the client, waiting up to ``timeout`` seconds; afterwards it goes on in the background."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            finish()
        except Exception as error:  # noqa: BLE001 - raised again below, if somebody still waits
            errors.append(error)
        finally:
            _live.discard(run_id)

    thread = threading.Thread(target=work, name="hackmatrix-wandb-finish", daemon=True)
    _leaving[run_id] = thread
    thread.start()
    thread.join(max(0.0, timeout))
    if errors:
        raise errors[0]


def forget(run_id: str) -> None:
    """The run did not come to life after all."""
    _live.discard(run_id)


def last_step(entity: str, project: str, run_id: str, *, at_least: int | None, deadline: float) -> int | None:
    """The last step that the server itself holds, asked until it is ``at_least`` or time is up.

    Returns:
        None if the server did not answer, or holds no row.
    """
    while True:
        held = None
        with suppress(Exception):
            held = bounded(
                lambda: int(api().run(f"{entity}/{project}/{run_id}").lastHistoryStep),
                max(0.5, deadline - time.monotonic()),
                "asking W&B",
            )
        late = time.monotonic() + 0.5 > deadline
        if late or (held is not None and held >= (at_least if at_least is not None else -1)):
            return None if held is None or held < 0 else held
        time.sleep(0.5)
