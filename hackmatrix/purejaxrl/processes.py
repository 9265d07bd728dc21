"""Several processes that train one run: how they start, and what the first tells the others.

All of them run the same command and the same program. Only the first has files, trackers and a name to give.
"""

import importlib.util
import inspect
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hackmatrix.purejaxrl.presence import SILENT_S, Presence

BUSY_S = (
    5.0  # the others are told that the first is still busy; collectives on CPU wait for 30 seconds at most
)
HEARTBEAT_S = (
    20  # JAX aborts a process that lost another; after ours, which ends it properly. Its default is 100
)
_presence: Presence | None = None  # of this process among several, as JAX's own connection is
_SIGNS = ("gloo", "connection", "peer", "heartbeat", "coordination", "unavailable", "deadline", "aborted")
_AGAIN = "start the same command again on every host"


class LeadError(RuntimeError):
    """The first process could not go on; it has told why."""


def on_tpu_slice() -> bool:
    """Whether this host has TPU chips, which may be a part of a slice; asks no device."""
    has_library = importlib.util.find_spec("libtpu") is not None
    return has_library and (Path("/dev/accel0").exists() or Path("/dev/vfio/0").exists())


def start_processes(
    coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Connect this process with the others. Call it before anything touches a device.

    Args:
        coordinator: ``host:port`` of the first process; None: what the cluster says (TPU, Slurm, Open MPI).
        num_processes: of the run; None: likewise.
        process_id: of this one, from 0; None: likewise.
    """
    more: dict[str, Any] = {}
    if "heartbeat_timeout_seconds" in inspect.signature(jax.distributed.initialize).parameters:
        more["heartbeat_timeout_seconds"] = HEARTBEAT_S
    jax.distributed.initialize(coordinator, num_processes, process_id, **more)
    from jax._src.distributed import global_state  # noqa: PLC0415 - JAX gives its key-value store no public name

    global _presence  # noqa: PLW0603 - JAX keeps the connection so, too
    _presence = Presence(
        global_state.client,
        global_state.process_id,
        global_state.num_processes,
        str(global_state.coordinator_address),
    )


def is_one_of_several() -> bool:
    """Whether others train the same run; asks no device where there are none."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def share(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Let the first process make something that JSON has, and give it to all.

    Raises:
        LeadError: on the others, where it failed; the first raises what it met.
    """
    if jax.process_count() == 1:
        return make()
    if jax.process_index() != 0:
        while not _share_number(0):
            pass
        said: dict[str, Any] = json.loads(share_bytes(b""))
        if "error" in said:
            raise LeadError(said["error"])
        return said
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(make)
        while not wait([made], BUSY_S).done:
            _share_number(0)
    _share_number(1)
    error = made.exception()
    share_bytes(json.dumps(made.result() if error is None else {"error": str(error)}).encode())
    return made.result()


def share_bytes(content: bytes) -> bytes:
    """Give what the first process has to all of them. As bytes: a sum of floats would lose the sign of zero."""
    if jax.process_count() == 1:
        return content
    from jax.experimental import multihost_utils  # noqa: PLC0415 - slow, and needed by few

    length = _share_number(len(content))
    padded = np.zeros((length,), np.uint8)
    if jax.process_index() == 0:
        padded[:] = np.frombuffer(content, np.uint8)
    return bytes(np.asarray(multihost_utils.broadcast_one_to_all(padded)).tobytes())


def _share_number(number: int) -> int:
    from jax.experimental import multihost_utils  # noqa: PLC0415 - as above

    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def watched(on_silence: Callable[[str], None]) -> AbstractContextManager[None]:
    """While the block runs, say from another thread who hangs, once, if a process does; harmless with one process."""
    if _presence is None or jax.process_count() == 1:
        return nullcontext()

    def tell(silent: list[int]) -> None:
        on_silence(f"{_named(silent)} did not answer for {SILENT_S:.0f} s; {_AGAIN}")

    return _presence.watched(tell)


def lost_process(error: BaseException) -> str | None:
    """Say who is gone, where an error came from a process that went away; None where it did not.

    The error itself cannot tell: with more than two processes it may name one that left because of another. So it
    takes some seconds to see who counts no more.
    """
    text = str(error).lower()
    count = jax.process_count()
    if count == 1 or not any(sign in text for sign in _SIGNS):
        return None
    gone = [1 - jax.process_index()] if count == 2 else _presence.missing() if _presence is not None else []
    who = _named(gone) if gone else f"one of the {count - 1} other processes (it cannot be known which)"
    return f"{who} went away; {_AGAIN}"


def farewell() -> None:
    """Call it just before leaving because of a process that is gone: JAX may end others that have not said so yet."""
    if _presence is not None:
        _presence.farewell()


def _named(processes: list[int]) -> str:
    word = "process" if len(processes) == 1 else "processes"
    return f"{word} {' and '.join(map(str, processes))}"
