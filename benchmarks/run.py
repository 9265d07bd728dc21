"""Run every benchmark, and write one table in Markdown.

    python benchmarks/run.py                                   about half an hour on 2 cores
    python benchmarks/run.py --quick                           fewer rounds, wider intervals
    python benchmarks/run.py --only hand_off                   one part
    python benchmarks/run.py --purejaxrl PATH/TO/ppo.py        beside PureJaxRL's published program, given as it is

Figures are medians with 95% intervals of this machine while it ran; the load is told beside them. A missed target
is printed as missed, and the profile that says why lies in `benchmarks/profiles/`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import lines
from lines import Line
from machine import described, machine_facts
from processor_time import busy_seconds

HERE = Path(__file__).parent
PARTS = {
    "hand_off": "The hand-off of rows",
    "peers": "The same yardstick for other trackers",
    "trainer": "The trainer",
    "game": "The game",
    "runs_cli": "What people wait for",
}


def measured(part: str, options: argparse.Namespace) -> list[Line]:
    """The lines of one part, measured in a process of its own."""
    command = [sys.executable, str(HERE / f"{part}.py"), "--json"]
    command += ["--quick"] if options.quick else []
    if part == "game":
        command = [sys.executable, str(HERE / "game_speed.py"), "--json-of-one", "--form", "batched"]
        command += ["--envs", "256", "--repetitions", "3" if options.quick else "9"]
    if part == "trainer" and options.purejaxrl is not None:
        command += ["--purejaxrl", str(options.purejaxrl.resolve())]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return [Line(what=part, figure=f"failed with exit code {done.returncode}")]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return game_lines(found) if part == "game" else [Line(**each) for each in found]


def game_lines(found: dict[str, object]) -> list[Line]:
    """What `game_speed.py` says of one form and size."""
    cpu_us = found["cpu_us"]
    assert isinstance(cpu_us, list)
    return [
        Line(
            what=f"processor time of a game's step, {found['envs']} games, random legal play",
            figure=lines.shown(cpu_us, "us"),
            beside=f"compiled in {found['compile_s']:.0f} s, peak {found['peak_mb']:.0f} MB",
        )
    ]


def report(parts: dict[str, list[Line]], conditions: str) -> str:
    """The whole table."""
    text = [
        "# Benchmarks",
        "",
        f"Made by `python benchmarks/run.py{''.join(' ' + each for each in sys.argv[1:])}`: {conditions}.",
        'Figures are medians with 95% intervals; "undecided" means that the interval holds the target. How a figure',
        "is measured is said at the top of each program in `benchmarks/`; why a target is missed, in",
        "`benchmarks/profiles/`.",
    ]
    for part, found in parts.items():
        text += ["", f"## {PARTS[part]}", "", lines.table(found)]
    return "\n".join(text) + "\n"


def main() -> None:
    """Measure all parts, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--purejaxrl", type=Path, metavar="PATH", help="PureJaxRL's published ppo.py")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    facts = machine_facts(lines.PACKAGES)
    busy, began, own = busy_seconds(), time.monotonic(), os.times()
    parts = {}
    for part in options.only:
        print(f"{PARTS[part]} ...", file=sys.stderr, flush=True)
        parts[part] = measured(part, options)
    wall, after = time.monotonic() - began, os.times()
    conditions = described(facts)
    if busy is not None:
        ours = sum(after[:4]) - sum(own[:4])
        others = max(0.0, (busy_seconds() or 0.0) - busy - ours) / wall
        conditions += f"; other programs used {others:.1f} of {facts['cores']} cores meanwhile"
    options.output.write_text(report(parts, conditions), encoding="utf-8")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
