"""Several processes that train one run: how they start, and what the first tells the others.

All of them run the same command and the same program. Only the first has files, trackers and a name to give.
"""

import importlib.util
import inspect
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import jax
import numpy as np

BEAT_S = (
    5.0  # the others are told that the first is still busy; collectives on CPU wait for 30 seconds at most
)
HEARTBEAT_S = 10  # a process that is silent for so long is given up; JAX's own default is 100
_SIGNS = ("gloo", "connection", "peer", "heartbeat", "coordination", "unavailable", "deadline", "aborted")


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
        while not wait([made], BEAT_S).done:
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


def lost_process(error: BaseException) -> str | None:
    """Say who is gone, where an error came from a process that went away; None where it did not."""
    text = str(error).lower()
    if jax.process_count() == 1 or not any(sign in text for sign in _SIGNS):
        return None
    who = f"process {1 - jax.process_index()}" if jax.process_count() == 2 else "another process"
    return f"{who} went away; start the same command again on every host"
