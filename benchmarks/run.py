"""Run every benchmark, and write one table in Markdown.

    python benchmarks/run.py                                   about an hour on 2 cores
    python benchmarks/run.py --quick                           fewer rounds, wider intervals
    python benchmarks/run.py --only calls                      one part
    python benchmarks/run.py --purejaxrl PATH/TO/ppo.py        beside PureJaxRL's published program, given as it is
    python benchmarks/run.py --sb3-python PATH/TO/python       beside Stable-Baselines3, installed for that Python

Figures are medians with 95% intervals of this machine while it ran; the load is told beside them. A missed target
is printed as missed, and the profile that says why lies in `benchmarks/profiles/`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import lines
from lines import Line
from machine import described, machine_facts
from processes import Neighbours

HERE = Path(__file__).parent
PARTS = {
    "calls": "What tracking takes of the loop",
    "row_cost": "A row, from `log` to the closed file",
    "long_runs": "What must not grow",
    "peers": "The same yardstick for other trackers",
    "trainer": "The trainer",
    "game": "The game",
    "runs_cli": "What people wait for",
    "scaling": "What grows with what",
}


def measured(part: str, options: argparse.Namespace) -> list[Line]:
    """The lines of one part, measured in a process of its own."""
    command = [sys.executable, str(HERE / f"{part}.py"), "--json"]
    command += ["--quick"] if options.quick else []
    if part == "trainer":
        for name in ("purejaxrl", "sb3_python"):
            path = getattr(options, name)
            command += [] if path is None else [f"--{name.replace('_', '-')}", str(path.absolute())]
    if part == "scaling" and options.pages:
        docs = HERE.parent / "docs"
        command += ["-o", str(docs / "scaling.md"), "--plots", str(docs / "images")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return [Line(what=part, figure=f"failed with exit code {done.returncode}")]
    return [Line(**each) for each in json.loads(done.stdout.strip().splitlines()[-1])]


def report(parts: dict[str, list[Line]], conditions: str) -> str:
    """The whole table."""
    words = ["PATH" if os.sep in word else word for word in sys.argv[1:]]
    text = [
        "# Benchmarks",
        "",
        f"Made by `{' '.join(['python benchmarks/run.py', *words])}`: {conditions}.",
        "Figures are medians with 95% intervals; where a process was started only two or three times, from the least",
        'to the largest. "undecided" means that the interval holds the target. How a figure is measured is said at',
        "the top of each program in `benchmarks/`; why a target is missed, in `benchmarks/profiles/`.",
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
    parser.add_argument("--sb3-python", type=Path, metavar="PATH", help="Python that has Stable-Baselines3")
    parser.add_argument(
        "--pages", action="store_true", help="renew the tables and plots of docs/scaling.md, too"
    )
    parser.add_argument("-o", "--output", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    facts = machine_facts(lines.PACKAGES)
    neighbours = Neighbours()
    parts = {}
    for part in options.only:
        print(f"{PARTS[part]} ...", file=sys.stderr, flush=True)
        parts[part] = measured(part, options)
        # After each part: an hour is long, and machines vanish.
        options.output.write_text(report(parts, f"{described(facts)}; {neighbours}"), encoding="utf-8")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
