"""A figure with its interval, its target and whether it is met: one line of the table."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

from overhead import Interval, median_interval

Better = Literal["less", "more"]
PACKAGES = (
    "hackmatrix", "jax", "jaxlib", "numpy", "msgspec", "tensorboardX", "wandb", "trackio", "clu", "gymnax",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes:
        what: was measured.
        figure: of ours, with its interval.
        beside: what it is compared with in the same run, with its figure.
        target: as words; empty where there is none.
        met: whether the target is met; None where there is none, or the interval holds it.
    """

    what: str
    figure: str
    beside: str = ""
    target: str = ""
    met: bool | None = None


def shown(values: Sequence[float], unit: str = "") -> str:
    """The median with its 95% interval."""
    return said(median_interval(values), unit)


def said(each: Interval, unit: str = "") -> str:
    """An interval of any unit."""
    space = " " if unit and unit not in "x%" else ""
    return f"{_number(each.center)}{space}{unit} [{_number(each.low)}, {_number(each.high)}]"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def held_against(values: Sequence[float], target: float, better: Better = "less") -> bool | None:
    """Whether the interval of the median lies on the right side of the target; None: the target is in it."""
    each = median_interval(values)
    if each.low <= target <= each.high and each.low != each.high:
        return None
    return each.center <= target if better == "less" else each.center >= target


def against(
    what: str, values: Sequence[float], target: float, unit: str, *, beside: str = "", better: Better = "less"
) -> Line:
    """A line of a figure that should be at most, or at least, the target."""
    words = f"{'at most' if better == 'less' else 'at least'} {target:g}{'' if unit in 'x%' else ' '}{unit}"
    return Line(
        what=what,
        figure=shown(values, unit),
        beside=beside,
        target=words,
        met=held_against(values, target, better),
    )


def part_parser(doc: str) -> argparse.ArgumentParser:
    """The command line that every part of the table has; the part may add to it."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, wider intervals")
    parser.add_argument("--json", action="store_true", help="lines for benchmarks/run.py")
    return parser


def print_part(found: Iterable[Line], *, as_json: bool) -> None:
    """Measure, and print a table, or one JSON line for the program that makes the whole table."""
    lines = list(found)
    print(json.dumps([dataclasses.asdict(line) for line in lines]) if as_json else table(lines))


def table(lines: Sequence[Line]) -> str:
    """As Markdown."""
    words: dict[Any, str] = {True: "met", False: "**missed**", None: "undecided"}
    rows = ["| what | figure | beside it | target | |", "| --- | --- | --- | --- | --- |"]
    rows += [
        f"| {line.what} | {line.figure} | {line.beside} | {line.target} | "
        f"{words[line.met] if line.target else ''} |"
        for line in lines
    ]
    return "\n".join(rows)
