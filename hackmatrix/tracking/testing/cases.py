"""A backend under test, and what its reader should find."""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hackmatrix.tracking.opening import open_tracker
from hackmatrix.tracking.protocol import Number, Precision, Row, RunInfo, Tracker


@dataclass(frozen=True, kw_only=True)
class Case:
    """How to open a tracker with one backend, and how to read back what it carried.

    Attributes:
        name: the registered name; ``jsonl`` for the journal alone.
        read: all rows of a run by the place's own reader, in its order, not folded: a step that stands twice
            is given twice. Called when the run is finished, and after ``flush`` if ``readable_at_once``.
        precision: what the place keeps of a number.
        options: of the backend.
        readable_at_once: whether the reader sees what was flushed before the run is finished.
        exact_time: whether the reader gives back the time of the row.
        setup: statements that a new process runs first, e.g. an import that registers the backend.
    """

    name: str
    read: Callable[[RunInfo], Sequence[Row]]
    precision: Precision = "float64"
    options: Mapping[str, Any] = field(default_factory=dict)
    readable_at_once: bool = True
    exact_time: bool = True
    setup: str = ""

    def open(self, root: Path, **more: Any) -> Tracker:
        """A tracker with this backend and its runs below ``root``."""
        options = {**({self.name: dict(self.options)} if self.options else {}), **more.pop("options", {})}
        return open_tracker(self.name, root=root, options=options, **more)

    def kept(self, value: Number) -> Number:
        """What the place gives back for a number."""
        if self.precision == "json" and value == 0:
            return 0  # a client that writes JSON with its own hand may drop the sign of zero
        if self.precision != "float32" or (isinstance(value, float) and not math.isfinite(value)):
            return value
        try:
            return float(struct.unpack("<f", struct.pack("<f", value))[0])
        except OverflowError:
            return math.copysign(math.inf, value)


def expected_rows(
    case: Case, said: Sequence[tuple[int, Mapping[str, Number]]]
) -> list[tuple[int, dict[str, Number]]]:
    """One row per step, as the place should give it back."""
    folded: dict[int, dict[str, Number]] = {}
    for step, metrics in said:
        folded.setdefault(step, {}).update({tag: case.kept(value) for tag, value in metrics.items()})
    return sorted(folded.items())


def found_rows(case: Case, run: RunInfo) -> list[tuple[int, dict[str, Number]]]:
    """One row per step as its reader gives it; a tag that stands twice in a step is an error.

    Raises:
        AssertionError: a (step, tag) stands twice, or steps fall.
    """
    folded: dict[int, dict[str, Number]] = {}
    newest = -1
    for row in case.read(run):
        assert row.step >= newest, f"{case.name}: step {row.step} stands behind step {newest}"
        newest = row.step
        held = folded.setdefault(row.step, {})
        twice = held.keys() & row.metrics.keys()
        assert not twice, f"{case.name}: step {row.step} has {sorted(twice)} twice"
        held.update(row.metrics)
    return list(folded.items())


def same_number(found: Number, expected: Number) -> bool:
    """Equal to the bit, but for the payload of a NaN."""
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    return found == expected and math.copysign(1.0, found) == math.copysign(1.0, expected)


def compare(
    case: Case,
    found: Sequence[tuple[int, Mapping[str, Number]]],
    expected: Sequence[tuple[int, Mapping[str, Number]]],
) -> None:
    """Raise ``AssertionError`` with the first difference."""
    steps, wanted = [step for step, _ in found], [step for step, _ in expected]
    assert steps == wanted, f"{case.name} holds steps {_short(steps)}, expected {_short(wanted)}"
    for (step, row), (_, right) in zip(found, expected, strict=True):
        assert row.keys() == right.keys(), (
            f"{case.name}: step {step} has {sorted(row)}, expected {sorted(right)}"
        )
        for tag, value in right.items():
            is_zero = case.precision == "json" and row[tag] == value == 0  # of either sign
            assert is_zero or same_number(row[tag], value), (
                f"{case.name}: step {step} {tag} is {row[tag]!r}, expected {value!r}"
            )


def _short(steps: Sequence[int]) -> str:
    return (
        repr(list(steps))
        if len(steps) <= 24
        else f"{list(steps[:10])} ... {list(steps[-10:])} ({len(steps)})"
    )
