"""How the runs of a process end, and how the process does where it is one of several."""

import os
import sys
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from stopping import FAILED, LOST

from hackmatrix.tracking import FinishReport, Tracker
from hackmatrix.tracking.protocol import Status

AT_ONCE = 16  # runs that finish at once
_leaving = threading.Lock()


def leave(lost: str | None) -> None:
    """End at once: an ordinary end would wait for those that are gone, or let them wait for this one."""
    _leaving.acquire()  # for ever: who comes second has nothing to add
    if lost is None:
        traceback.print_exc()
    else:
        print(f"error: {lost}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(FAILED if lost is None else LOST)


def finish_all(trackers: Sequence[Tracker], status: Status, timeout: float) -> list[FinishReport]:
    """End all runs, at once where there are several: each may wait for its backends."""
    if len(trackers) == 1:
        return [trackers[0].finish(status, timeout=timeout)]
    with ThreadPoolExecutor(min(len(trackers), AT_ONCE)) as pool:
        return list(pool.map(lambda tracker: tracker.finish(status, timeout=timeout), trackers))


def is_one_of_several() -> bool:
    """Whether others train the same run; asks no device where there are none."""
    import jax  # noqa: PLC0415 - after the processes were connected

    return jax.distributed.is_initialized() and jax.process_count() > 1
