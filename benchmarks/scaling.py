"""How the costs of training and of tracking grow: a table and a plot for each curve.

    python benchmarks/scaling.py                               every curve, as tables in Markdown
    python benchmarks/scaling.py --only envs rate --quick      some of them, smaller
    python benchmarks/scaling.py -o docs/scaling.md --plots docs/images     put the tables into a page, draw the plots

``-o`` replaces what stands between ``<!-- scaling: CURVE -->`` and ``<!-- end -->`` in a page that has such marks.
Each figure comes from a process of its own. What is measured is said at the top of `scaling_training.py` and
`scaling_tracking.py`; `scaling_plots.py` draws.
"""

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import lines
import scaling_tracking as tracking
import scaling_training as training
from lines import Line, part_parser, print_part
from machine import described, machine_facts
from processes import Neighbours
from scaling_tracking import Figures


class Column(NamedTuple):
    """A figure of every point.

    Attributes:
        key: among the figures.
        heading: with the unit.
        digits: behind the point.
    """

    key: str
    heading: str
    digits: int = 0


class Curve(NamedTuple):
    """What is measured against what.

    Attributes:
        what: grows.
        values: of it; a quick measurement leaves the last out.
        point: gives the figures of one value.
        columns: of the table; the first one's law is told.
        drawn: keys of the columns that the plot has, in one panel for each unit.
    """

    what: str
    values: tuple[int, ...]
    point: Callable[..., Figures]
    columns: tuple[Column, ...]
    drawn: tuple[tuple[str, ...], ...]


_OF_CHUNKS = (
    Column("step_us", "processor us per env step", 2),
    Column("speed", "env steps/s"),
    Column("slowest", "slowest chunk"),
    Column("fastest", "fastest chunk"),
    Column("peak_mb", "peak MB of a process"),
    Column("first_s", "first chunk s", 1),
)
_DRAWN = (("speed",), ("step_us",), ("peak_mb",))

CURVES: dict[str, Curve] = {
    "envs": Curve("environments", (64, 256, 1024, 4096, 16384), training.envs, _OF_CHUNKS, _DRAWN),
    "devices": Curve("simulated devices", (1, 2, 4, 8), training.devices, _OF_CHUNKS, _DRAWN),
    "processes": Curve("processes", (1, 2, 4), training.processes, _OF_CHUNKS, _DRAWN),
    "shards": Curve("shards on one device", (1, 8, 32), training.shards, _OF_CHUNKS, _DRAWN),
    "seeds": Curve("seeds", (1, 4, 16, 64), training.seeds, _OF_CHUNKS, _DRAWN),
    "together": Curve(
        "seeds, from start to end",
        (1, 2, 4, 8),
        training.together,
        (
            Column("together_cpu_s", "one program: processor s", 1),
            Column("together_s", "one program: s", 1),
            Column("together_mb", "one program: peak MB"),
            Column("apart_cpu_s", "one after the other: processor s", 1),
            Column("apart_s", "one after the other: s", 1),
            Column("apart_mb", "one after the other: peak MB"),
        ),
        (("together_cpu_s", "apart_cpu_s"), ("together_s", "apart_s"), ("together_mb", "apart_mb")),
    ),
    "metrics": Curve(
        "metrics per row",
        (8, 30, 100, 300, 1000),
        tracking.metrics,
        (
            Column("us", "processor us per row", 1),
            Column("wall_us", "us per row", 1),
            Column("bytes", "bytes per row"),
            Column("peak_mb", "peak MB"),
        ),
        (("us", "wall_us"), ("bytes",), ("peak_mb",)),
    ),
    "rate": Curve(
        "rows per second",
        (10, 100, 1000, 10_000, 100_000),
        tracking.rate,
        (
            Column("us", "processor us per row", 1),
            Column("caller_us", "of that the caller", 1),
            Column("reached", "rows/s reached"),
            Column("longest_ms", "longest call or tick of calls, ms", 2),
            Column("peak_mb", "peak MB"),
        ),
        (("us", "caller_us"), ("reached",), ("peak_mb",)),
    ),
    "length": Curve(
        "rows of a run",
        (10_000, 100_000, 1_000_000, 10_000_000),
        tracking.length,
        (
            Column("us", "writing: processor us per row", 2),
            Column("bytes", "bytes per row"),
            Column("peak_mb", "writing: peak MB"),
            Column("open_ms", "going on with it: processor ms"),
            Column("open_mb", "going on: peak MB"),
            Column("read_us", "reading a column: processor us per row", 2),
            Column("read_mb", "reading: peak MB"),
        ),
        (("us", "read_us"), ("open_ms",), ("peak_mb", "open_mb", "read_mb")),
    ),
    "followers": Curve(
        "followers",
        (0, 1, 2, 4),
        tracking.followers,
        (
            Column("us", "processor us per row of 30 metrics", 1),
            Column("wall_us", "us per row", 1),
            Column("peak_mb", "peak MB"),
        ),
        (("us", "wall_us"), ("peak_mb",)),
    ),
}


def measured(name: str, *, quick: bool) -> list[Figures]:
    """Every point of a curve, each in a process of its own; ``x`` is what grew."""
    values = CURVES[name].values[:-1] if quick else CURVES[name].values
    found = []
    for value in values:
        command = [sys.executable, __file__, "--point", name, str(value), *(["--quick"] if quick else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append({"x": value, **json.loads(done.stdout.splitlines()[-1])})
    return found


def power_law(curve: Curve, found: Sequence[Figures]) -> str:
    """What the first column grows like between the ends; from 1 on where the curve begins at 0."""
    column = curve.columns[0]
    (x0, y0), (x1, y1) = (
        (each["x"], each[column.key]) for each in (next(e for e in found if e["x"]), found[-1])
    )
    power = math.log(y1 / y0) / math.log(x1 / x0)
    return f"from {x0:,.0f} to {x1:,.0f} {curve.what} as their power {power:.2f}"


def table(name: str, found: Sequence[Figures]) -> str:
    """One curve in Markdown."""
    curve = CURVES[name]
    rows = [
        "| " + " | ".join([curve.what, *(column.heading for column in curve.columns)]) + " |",
        "| " + " | ".join(["---:"] * (1 + len(curve.columns))) + " |",
    ]
    for each in found:
        cells = [f"{each['x']:,.0f}", *(f"{each[c.key]:,.{c.digits}f}" for c in curve.columns)]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join([*rows, "", f"{curve.columns[0].heading}: {power_law(curve, found)}."])


def put(page: str, name: str, text: str) -> str:
    """The page with the text between the curve's marks; as it was where it has none."""
    marks = re.compile(rf"(<!-- scaling: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def line(curve: Curve, found: Sequence[Figures]) -> Line:
    """A curve in short: its first column from end to end."""
    column = curve.columns[0]
    memory = next(
        each.key for each in curve.columns if each.key.endswith("_mb")
    )  # of what the first column measures
    peak = max(each[memory] for each in found)
    ends = [f"{each[column.key]:,.{column.digits}f}" for each in (found[0], found[-1])]
    return Line(
        what=f"{column.heading}, {power_law(curve, found)}",
        figure=" to ".join(ends),
        beside=f"peak {peak:,.0f} MB",
    )


def main() -> None:
    """Measure, print, draw."""
    parser = part_parser(__doc__)
    parser.add_argument("--only", choices=list(CURVES), nargs="+", default=list(CURVES))
    parser.add_argument("-o", "--output", type=Path, help="a page with marks for the tables")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="where scaling-CURVE.png is written")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.point:
        name, value = args.point
        print(json.dumps(CURVES[name].point(int(value), quick=args.quick)))
        return
    facts, others = described(machine_facts(lines.PACKAGES)), Neighbours()
    short = []
    for name in args.only:
        found = measured(name, quick=args.quick)
        text = table(name, found)
        short.append(line(CURVES[name], found))
        print(text, end="\n\n", flush=True, file=sys.stderr if args.json else sys.stdout)
        if args.output:
            args.output.write_text(put(args.output.read_text("utf-8"), name, text), "utf-8")
        if args.plots:
            from scaling_plots import draw

            draw(CURVES[name], found, args.plots / f"scaling-{name}.png")
    conditions = f"{facts}; {others}."
    if args.json:
        print_part(short, as_json=True)
    else:
        print(conditions)
    if args.output:
        args.output.write_text(put(args.output.read_text("utf-8"), "conditions", conditions), "utf-8")


if __name__ == "__main__":
    main()
