"""The W&B client as one process-wide thing: whether it can be reached, what its errors mean, when it is revived.

The client is a Python package in front of a process of its own, which all runs of this process share. Three of
its habits are met here. A server out of reach and a refused key raise the same error, so a socket is opened
first. After an ``init`` that failed, the run's id stays blocked until ``wandb.teardown()``, which ends every
other run too. And ``finish`` knows one time limit only, which is set at ``init``.
"""

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import wandb

from hackmatrix.tracking.errors import BackendSetupError, BackendUnreachableError, RunConflictError

OLDEST = (0, 29)  # the first that says that an id was deleted
PROBE_S, API_S = 3, 5  # a socket opens in milliseconds, an answer comes in tenths of a second, or not at all
_T = TypeVar("_T")
_log = logging.getLogger("hackmatrix.tracking")
_told: set[str] = set()
_live: set[str] = set()
_leaving: dict[str, threading.Thread] = {}
lock = threading.RLock()  # held while a run is started or the client is torn down

# What the client says -> what it means, in a sentence; the first that fits. Seen with wandb 0.31.
_MEANINGS: list[tuple[re.Pattern[str], type[Exception], str]] = [
    (re.compile(said, re.IGNORECASE), kind, sentence)
    for said, kind, sentence in (
        (
            r"no api key",
            BackendSetupError,
            "not logged in to W&B; run `wandb login`, or set WANDB_API_KEY",
        ),
        (
            r"api_key invalid|api key must",
            BackendSetupError,
            "{text}; run `wandb login --relogin`, or set WANDB_API_KEY to a whole key",
        ),
        (
            r"previously created and deleted",
            RunConflictError,
            "a run of this name was deleted at W&B, and its id can never be used again",
        ),
        (
            r"permission denied|forbidden|\b403\b|not found during upsertbucket|entity \S+ (was )?not found",
            BackendSetupError,
            "W&B gives {user} no access to entity {entity!r} ({text}); say `--entity YOU`",
        ),
        (
            r"did not respond in time|deadline exceeded|timed out|giving up|retrying|unreachable|no such host",
            BackendUnreachableError,
            "W&B does not answer: {text}",
        ),
        (
            r"connection (refused|reset)|\bEOF\b|(HTTP|error) (429|5\d\d)",
            BackendUnreachableError,
            "W&B does not answer: {text}",
        ),
        (
            r"not logged in|unauthori[sz]ed|\b401\b|invalid (api )?key|verify credentials",
            BackendSetupError,
            "W&B refuses the key ({text}); run `wandb login --relogin`",
        ),
        (
            r"upgrade",
            BackendSetupError,
            "W&B refuses wandb {version} ({text}); run `pip install -U wandb`",
        ),
    )
]


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
    """Refuse a client whose habits are not known, and variables that would make another run of this one."""
    if tuple(int(part) for part in wandb.__version__.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise BackendSetupError(
            f"wandb {wandb.__version__} is too old, {oldest} is needed; run `pip install -U 'hackmatrix[wandb]'`"
        )
    for name in ("WANDB_SWEEP_ID", "WANDB_LAUNCH", "WANDB_RESUME_FROM", "WANDB_FORK_FROM"):
        if os.environ.get(name):
            raise BackendSetupError(f"{name} is set, and would make another run of this one; unset it")


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
    address = str(settings().base_url)
    url = urlsplit(address)
    proxy = None if proxy_bypass(url.hostname or "") else getproxies().get(url.scheme)
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
    with translated():
        return bounded(lambda: wandb.Api(timeout=API_S), API_S + PROBE_S, "asking W&B")


def default_entity(asked: wandb.Api) -> str:
    """Who is logged in; runs without an entity are theirs."""
    return str(asked.default_entity)


@contextmanager
def translated(entity: str | None = None) -> Iterator[None]:
    """Raise what an error of the client means, in a sentence."""
    try:
        yield
    except Exception as error:
        meant = meaning(error, entity)
        if meant is error:
            raise
        raise meant from error


def meaning(error: Exception, entity: str | None = None) -> Exception:
    """What an error of the client says, as one of ours."""
    text = _words(error)
    if isinstance(error, BackendUnreachableError | BackendSetupError | RunConflictError):
        return error
    if died(error):
        return BackendUnreachableError(f"W&B's client has died: {text}")
    if isinstance(error, TimeoutError):
        return BackendUnreachableError(f"W&B does not answer: {text}")
    for pattern, kind, sentence in _MEANINGS:
        if pattern.search(text):
            user = _user() if "{user}" in sentence else ""
            return kind(sentence.format(text=text, user=user, entity=entity, version=wandb.__version__))
    if isinstance(error, wandb.errors.Error):
        return BackendUnreachableError(f"W&B does not take the run: {text}")
    return error


def _words(error: BaseException | None) -> str:
    """What the error says, and what its causes add: some versions of the client put the reason there."""
    said: list[str] = []
    while error is not None:
        words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if not any(words in earlier for earlier in said):
            said.append(words)
        error = error.__cause__
    return ": ".join(said)


def _user() -> str:
    with suppress(Exception):
        return f"user {wandb.Api(timeout=API_S).viewer.username!r}"
    return "you"


def died(error: BaseException | None) -> bool:
    """Whether the client's own process is gone; it says so in several ways, some of them inside another error."""
    while error is not None:
        gone = isinstance(error, ConnectionError | EOFError) and not isinstance(
            error, BackendUnreachableError
        )
        if (
            gone
            or type(error).__name__ == "MailboxClosedError"
            or "service process is not running" in str(error)
        ):
            return True
        error = error.__cause__
    return False


def with_living_client(call: Callable[[], _T]) -> _T:
    """The call's result; if the client's process turns out to be dead, from a second try with a new one."""
    try:
        return call()
    except Exception as error:
        if not died(error):
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
            held = int(api().run(f"{entity}/{project}/{run_id}").lastHistoryStep)
        late = time.monotonic() + 0.5 > deadline
        if late or (held is not None and held >= (at_least if at_least is not None else -1)):
            return None if held is None or held < 0 else held
        time.sleep(0.5)


def environment_mode() -> str:
    """``WANDB_MODE``, with the client's two older words."""
    said = os.environ.get("WANDB_MODE", "").strip().lower() or "online"
    return {"dryrun": "offline", "run": "online"}.get(said, said)
