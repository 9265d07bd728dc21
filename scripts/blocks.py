"""Training under a tracker and under ``null`` by turns, block by block, and what each block took."""

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from overhead import Pair
from processor_time import TrackerTime

from hackmatrix.purejaxrl import ChunkReport
from hackmatrix.tracking import Tracker
from hackmatrix.tracking.null import NullTracker
from hackmatrix.tracking.protocol import Scalar

SHORTEST_BLOCK = 3  # chunks; the first of them, in which the other block's work may end, is no part of A/B
BLOCK_S = 1.0  # ten ticks of the tracker's thread, so that few of them fall into the other block
_UNCOUNTED = 2  # chunks at the beginning of the loop, whose rhythm is another
FEWEST_BLOCKS = 8


def block_length(chunk_s: float, chunks: int | None, budget_s: float) -> int:
    """Chunks in a block, so that there are at least 8 pairs of blocks where that can be.

    Args:
        chunk_s: wall seconds of one chunk.
        chunks: to be measured under the tracker; None: as many as the budget allows.
        budget_s: wall seconds for all blocks.
    """
    wanted = max(SHORTEST_BLOCK, math.ceil(BLOCK_S / chunk_s))
    affordable = chunks if chunks is not None else int(budget_s / (2 * chunk_s))
    return max(SHORTEST_BLOCK, min(wanted, affordable // FEWEST_BLOCKS))


class Calls(NamedTuple):
    """Calls of a tracker."""

    number: int = 0
    wall: float = 0.0  # seconds inside
    processor: float = 0.0  # of the calling thread, inside; the rest of the wall is waiting

    def less(self, earlier: "Calls") -> "Calls":
        """What came since ``earlier``."""
        return Calls(
            self.number - earlier.number, self.wall - earlier.wall, self.processor - earlier.processor
        )


class Switched(NullTracker):
    """Passes rows on to one tracker or to the other, and times each call. Keeps no files."""

    def __init__(self, null: Tracker) -> None:
        super().__init__(null.run)
        self.to = null
        self.calls = Calls()

    def log(self, metrics: Mapping[str, Scalar], *, step: int) -> None:
        """Pass a row on."""
        processor, began = time.thread_time(), time.perf_counter()
        self.to.log(metrics, step=step)
        self._note(began, processor)

    def log_series(
        self,
        columns: Mapping[str, Scalar] | Scalar,
        *,
        steps: Sequence[int],
        present: Mapping[str, Sequence[bool]] | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        """Pass rows on."""
        processor, began = time.thread_time(), time.perf_counter()
        self.to.log_series(columns, steps=steps, present=present, tags=tags)
        self._note(began, processor)

    def log_histogram(
        self, tag: str, values: Scalar, *, step: int, bins: int = 64, edges: Scalar | None = None
    ) -> None:
        """Pass a histogram on."""
        processor, began = time.thread_time(), time.perf_counter()
        self.to.log_histogram(tag, values, step=step, bins=bins, edges=edges)
        self._note(began, processor)

    def _note(self, began: float, processor: float) -> None:
        wall = time.perf_counter() - began
        number, total, used = self.calls
        self.calls = Calls(number + 1, total + wall, used + time.thread_time() - processor)


class _Block(NamedTuple):
    wall: float
    settled: float  # without the first chunk
    calls: Calls
    background: float


class Blocks:
    """Cuts a training loop into pairs of blocks; ``chunk`` and ``enough`` are given to ``train``.

    Args:
        tracker: the one that is measured.
        null: what it is compared with.
        background: processor time of the tracker's threads and children.
        length: chunks in a block.
        until: told the number of pairs; true when they suffice.
        seed: of the lot that decides which block of a pair comes first.
    """

    def __init__(
        self,
        tracker: Tracker,
        null: Tracker,
        background: TrackerTime,
        *,
        length: int,
        until: Callable[[int], bool],
        seed: int = 0,
    ) -> None:
        self.switched = Switched(null)
        self.pairs: list[Pair] = []
        self.tracker_calls, self.null_calls = Calls(), Calls()
        self._trackers = {"tracker": tracker, "null": null}
        self._background, self._length, self._until = background, length, until
        self._lot = random.Random(seed)  # noqa: S311 - an order, not a secret
        self._left = _UNCOUNTED  # chunks of the block that is running
        self._order: list[str] = []  # blocks of the pair that is running, the one now at the end
        self._done: dict[str, _Block] = {}
        self._enough = False
        self._begin(background.seconds())

    def enough(self) -> bool:
        """Whether the loop may end."""
        return self._enough

    def chunk(self, report: ChunkReport) -> None:
        """A chunk is finished and its rows are logged."""
        del report
        now = time.perf_counter()
        self._left -= 1
        if self._left == self._length - 1:
            self._settled_at = now
        if self._left == 0 and not self._enough:
            self._close(now)

    def end(self) -> None:
        """Count what the tracker still does about the last rows; its threads may be ended afterwards."""
        if self.pairs:
            self._trackers["tracker"].flush(10.0)
            late = self._background.seconds() - self._used
            last = self.pairs[-1].__dict__
            self.pairs[-1] = Pair(**{**last, "background": last["background"] + late})

    def _close(self, now: float) -> None:
        used = self._background.seconds()
        if self._order:
            self._done[self._order.pop()] = _Block(
                wall=now - self._began,
                settled=now - self._settled_at,
                calls=self.switched.calls.less(self._calls),
                background=used - self._used,
            )
        if not self._order:
            if self._done:
                self._pair(self._done["tracker"], self._done["null"])
            self._enough = self._until(len(self.pairs))
            self._order = ["tracker", "null"]
            self._lot.shuffle(self._order)
        self._left = self._length
        self.switched.to = self._trackers["null" if self._enough else self._order[-1]]
        self._begin(used)

    def _begin(self, used: float) -> None:
        self._calls, self._used = self.switched.calls, used
        self._began = self._settled_at = time.perf_counter()

    def _pair(self, tracker: _Block, null: _Block) -> None:
        self.pairs.append(
            Pair(
                chunks=self._length,
                inside_tracker=tracker.calls.wall,
                inside_null=null.calls.wall,
                background=tracker.background + null.background,
                background_in_null=null.background,
                wall_null=null.wall,
                settled_tracker=tracker.settled,
                settled_null=null.settled,
            )
        )
        self.tracker_calls = _sum(self.tracker_calls, tracker.calls)
        self.null_calls = _sum(self.null_calls, null.calls)


def _sum(one: Calls, other: Calls) -> Calls:
    return Calls(one.number + other.number, one.wall + other.wall, one.processor + other.processor)
