"""How the runs of a process end, with it or before it."""

import os
import sys
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from stopping import FAILED, LOST

from hackmatrix.purejaxrl.processes import farewell
from hackmatrix.tracking import FinishReport, Tracker
from hackmatrix.tracking.protocol import Status

AT_ONCE = 16  # runs that finish at once
LOST_FINISH_S = (
    6.0  # where another process is gone or hangs: JAX aborts this one some 10 s after that was noticed
)
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
    if lost is not None:
        farewell()
    os._exit(FAILED if lost is None else LOST)


def finish_all(trackers: Sequence[Tracker], status: Status, timeout: float) -> list[FinishReport]:
    """End all runs, at once where there are several: each may wait for its backends."""
    if len(trackers) == 1:
        return [trackers[0].finish(status, timeout=timeout)]
    with ThreadPoolExecutor(min(len(trackers), AT_ONCE)) as pool:
        return list(pool.map(lambda tracker: tracker.finish(status, timeout=timeout), trackers))
