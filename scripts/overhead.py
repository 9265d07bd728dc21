"""What tracking costs, as a share of training: the statistic, its interval, the verdict.

Training runs in blocks, one under the tracker and one under ``null`` by turns, two of them to a pair. For each
pair is known: the wall time inside tracker calls in both blocks, the processor time of the tracker's threads and
child processes in both (its late work, too), and the wall time of both.

    S      = Σ (inside_tracker - inside_null + background) / Σ wall_null
    inside = Σ (inside_tracker - inside_null) / Σ wall_null
    A/B    = median of wall_tracker / wall_null, less 1, by pairs

``inside`` is a lower bound of what the loop is slowed by where nothing overlaps; S is an upper bound of what it
can be slowed by: it counts background work as if no core had been free for it.
"""

import dataclasses
import math
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import scipy.special
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 4000
LEVEL = 0.95
FEWEST_PAIRS = 8  # below it the bootstrap's intervals are too narrow: 89% of 5 pairs' hold the truth


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A block under the tracker and a block under ``null``, of equally many chunks. Times in seconds."""

    chunks: int  # of each of the two blocks
    inside_tracker: float  # wall, inside calls of the tracker
    inside_null: float  # the same of the null tracker
    background: float  # processor time of the tracker's threads and children, during both blocks
    background_in_null: float  # the part of it during the null block: late work and idling
    wall_null: float  # of the whole null block
    settled_tracker: float  # wall of the block without its first chunk, in which the other one's work may end
    settled_null: float


@dataclasses.dataclass(frozen=True)
class Interval:
    """A share of training time with its 95% interval; 0.01 is one percent."""

    center: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{percent(self.center)}% [{percent(self.low)}, {percent(self.high)}]"


def percent(share: float) -> str:
    """A share in percent, with as many places as are worth reading."""
    number = 100 * share
    text = f"{number:.2f}" if abs(number) < 10 else f"{number:.0f}"
    return text.removeprefix("-") if float(text) == 0 else text


class Verdict(IntEnum):
    """Its value is the exit code."""

    UNDER = 0
    OVER = 1
    UNDECIDED = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overhead:
    """What a tracker costs."""

    pairs: int
    chunks: int  # under the tracker; as many again ran under null
    upper: Interval  # S
    inside: Interval
    wall: Interval  # A/B
    late_share: float  # of the background's processor time, what fell into null blocks


def measure_overhead(pairs: Sequence[Pair], seed: int = 0) -> Overhead:
    """The three estimates with their intervals.

    Args:
        pairs: at least two.
        seed: of the bootstrap, so that equal timings give equal intervals.
    """
    inside = np.array([pair.inside_tracker - pair.inside_null for pair in pairs])
    background = np.array([pair.background for pair in pairs])
    null = np.array([pair.wall_null for pair in pairs])
    ratios = np.array([math.log(pair.settled_tracker / pair.settled_null) for pair in pairs])
    drawn = np.random.default_rng(seed).integers(0, len(pairs), (RESAMPLES, len(pairs)))
    total = float(background.sum())
    late = sum(pair.background_in_null for pair in pairs)
    return Overhead(
        pairs=len(pairs),
        chunks=sum(pair.chunks for pair in pairs),
        upper=_share(inside + background, null, drawn),
        inside=_share(inside, null, drawn),
        wall=_interval(np.expm1(np.median(ratios)), np.expm1(np.median(ratios[drawn], axis=1)), len(pairs)),
        late_share=late / total if total else 0.0,
    )


def median_interval(values: Sequence[float], seed: int = 0) -> Interval:
    """The median with its interval, of figures of any unit; of ratios, the logarithms' median."""
    found = np.asarray(values, float)
    drawn = np.random.default_rng(seed).integers(0, len(found), (RESAMPLES, len(found)))
    return _interval(float(np.median(found)), np.median(found[drawn], axis=1), len(found))


def _share(costs: Floats, null: Floats, drawn: NDArray[np.int64]) -> Interval:
    resampled = costs[drawn].sum(axis=1) / null[drawn].sum(axis=1)
    return _interval(costs.sum() / null.sum(), resampled, len(null))


def _interval(center: float, resampled: Floats, count: int) -> Interval:
    """Percentiles of the bootstrap, set wider for few pairs.

    The bootstrap's spread is too small by √(1 - 1/n), and few pairs need Student's quantile instead of the
    normal one: the percentile is that of the standard normal at √(n / (n - 1)) t.

    Source: Hesterberg 2015, The American Statistician 69(4), "expanded percentile interval".
    """
    quantile = scipy.special.stdtrit(max(1, count - 1), (1 + LEVEL) / 2)
    tail = 100 * scipy.special.ndtr(-math.sqrt(count / max(1, count - 1)) * quantile)
    low, high = np.percentile(resampled, (tail, 100 - tail))
    return Interval(float(center), float(low), float(high))


def judge(found: Overhead, limit: float) -> Verdict:
    """Whether the cost is under ``limit``, a share.

    Under: even the upper bound is. Over: time was surely lost, inside the calls or by the wall. An upper bound
    over the limit proves nothing: noise and background work on free cores lift it, too.
    """
    if found.pairs < FEWEST_PAIRS:
        return Verdict.UNDECIDED
    if max(found.inside.low, found.wall.low) > limit:
        return Verdict.OVER
    return Verdict.UNDER if found.upper.high < limit else Verdict.UNDECIDED


def chunks_to_decide(found: Overhead, limit: float) -> int | None:
    """How many chunks under the tracker would decide; None: no number would.

    An interval's half narrows with the square root of the chunks, until it no longer holds the limit.
    None: the lower bounds are under the limit and the upper one is over it, wherever their intervals end.
    """
    halves = []
    if found.upper.center < limit:
        halves.append((found.upper.high - found.upper.center) / (limit - found.upper.center))
    halves += [
        (each.center - each.low) / (each.center - limit)
        for each in (found.inside, found.wall)
        if each.center > limit
    ]
    if not halves:
        return None
    fewest = math.ceil(found.chunks * FEWEST_PAIRS / found.pairs)
    return max(fewest, math.ceil(1.1 * found.chunks * min(halves) ** 2))  # a tenth more, to end inside


def picture(found: Overhead, limit: float, width: int = 60) -> list[str]:
    """The intervals as lines of text: ``|`` is the limit, ``o`` the center, ``<`` and ``>`` go on outside."""
    rows = {"upper bound": found.upper, "inside calls": found.inside, "wall, A/B": found.wall}
    low, high = -limit, max(2 * limit, 1.1 * found.upper.high)
    per_column = (high - low) / (width - 1)

    def column(value: float) -> int:
        return min(width - 1, max(0, round((value - low) / per_column)))

    lines = []
    for name, each in rows.items():
        cells = [" "] * width
        first, last = column(each.low), column(each.high)
        cells[first : last + 1] = "-" * (last + 1 - first)
        if each.low < low:
            cells[0] = "<"
        if each.high > high:
            cells[-1] = ">"
        cells[column(0.0)] = ":"
        cells[column(limit)] = "|"
        if low <= each.center <= high:
            cells[column(each.center)] = "o"
        lines.append(f"{name:>12}  {''.join(cells)}".rstrip())
    scale = [" "] * (width + 8)
    for value, text in ((0.0, "0"), (limit, f"{100 * limit:g}%")):
        scale[column(value) : column(value) + len(text)] = text
    return [*lines, f"{'':>12}  {''.join(scale).rstrip()}"]
