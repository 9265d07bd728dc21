"""Rows that were logged a second time after a resume: the same numbers as the first time, or not."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hackmatrix.tracking.folding import StepReader
from hackmatrix.tracking.protocol import Number, Row


class Replayed(NamedTuple):
    """What came of comparing.

    Attributes:
        steps: how many steps stand in both lives.
        first_difference: the first step, tag and its two values (before, now); none if all agree.
    """

    steps: int
    first_difference: tuple[int, str, Any, Any] | None

    def __str__(self) -> str:
        """A sentence for people."""
        if self.first_difference is None:
            return f"{self.steps} steps were computed again, to the same numbers"
        step, tag, before, now = self.first_difference
        again = f"{self.steps} steps were computed again"
        return f"{again}; the first difference: step {step} {tag}, {before} then, {now} now"


def compare_replayed(discarded: Sequence[Path], journal: Path, volatile: Collection[str]) -> Replayed | None:
    """Compare rows that were put aside at a resume with those that took their place.

    Args:
        discarded: journals put aside.
        journal: the run's.
        volatile: tags that tell the time and differ between equal runs.

    Returns:
        None if no step stands in both.
    """
    before = {row.step: row for path in discarded for row in _rows(path)}
    if not before:
        return None
    steps, first = 0, None
    for row in _rows(journal, after=min(before) - 1):
        old = before.get(row.step)
        if old is not None:
            steps += 1
            first = first or _difference(old, row, volatile)
    return Replayed(steps, first) if steps else None


def _rows(path: Path, after: int | None = None) -> list[Row]:
    reader = StepReader(path, after)
    rows = [row for group in reader.read(path.stat().st_size) for row in group]
    last = reader.last()
    return [*rows, last] if last is not None else rows


def _difference(old: Row, new: Row, volatile: Collection[str]) -> tuple[int, str, Any, Any] | None:
    for tag in sorted(old.metrics.keys() | new.metrics.keys()):
        before, now = old.metrics.get(tag), new.metrics.get(tag)
        if tag not in volatile and not _same(before, now):
            return new.step, tag, before, now
    return None


def _same(before: Number | None, now: Number | None) -> bool:
    return before == now or (before != before and now != now)  # noqa: PLR0124 - both are NaN
