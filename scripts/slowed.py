"""A tracker that is slow on purpose: the known cost by which the benchmark is tested."""

import time
from collections.abc import Mapping, Sequence

from hackmatrix.tracking import FinishReport, Tracker
from hackmatrix.tracking.null import NullTracker
from hackmatrix.tracking.protocol import Scalar, Status

SHARE = 0.02
SLOWED = "slow"


class Slowed(NullTracker):
    """Passes rows on, and holds the caller in each call.

    Args:
        to: what the rows are passed on to.
        chunk_s: wall seconds of a chunk, which logs with one call.
    """

    def __init__(self, to: Tracker, chunk_s: float) -> None:
        super().__init__(to.run)
        self._to, self._seconds = to, SHARE * chunk_s

    def log(self, metrics: Mapping[str, Scalar], *, step: int) -> None:
        """Pass a row on, slowly."""
        self._to.log(metrics, step=step)
        self._hold()

    def log_series(
        self,
        columns: Mapping[str, Scalar] | Scalar,
        *,
        steps: Sequence[int],
        present: Mapping[str, Sequence[bool]] | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        """Pass rows on, slowly."""
        self._to.log_series(columns, steps=steps, present=present, tags=tags)
        self._hold()

    def log_histogram(
        self, tag: str, values: Scalar, *, step: int, bins: int = 64, edges: Scalar | None = None
    ) -> None:
        """Pass a histogram on; the row of its chunk was held already."""
        self._to.log_histogram(tag, values, step=step, bins=bins, edges=edges)

    def flush(self, timeout: float = 30.0) -> bool:
        """As what the rows are passed on to."""
        return self._to.flush(timeout)

    def finish(self, status: Status = "finished", *, timeout: float = 60.0) -> FinishReport:
        """As what the rows are passed on to."""
        super().finish(status)
        return self._to.finish(status, timeout=timeout)

    def _hold(self) -> None:
        until = time.perf_counter() + self._seconds
        while time.perf_counter() < until:
            pass
