"""How long people wait for ``hackmatrix-runs``: a folder of 1,000 runs, a run of 1,000,000 rows, an idle follow.

    python benchmarks/runs_cli.py            a table
    python benchmarks/runs_cli.py --quick    the same from fewer rounds

Each figure is the time of a whole process, from its start to its end: on the wall, as a person meets it, and of
the processor, which other work on the machine does not stretch. Commands take turns, so that other work falls on
all of them. ``show --follow`` is asked for its processor time while nothing is logged.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from lines import Line, against, part_parser, print_part, shown

from hackmatrix.tracking import open_tracker

COMMAND = [sys.executable, "-m", "hackmatrix.tracking"]
TAGS = [f"train/metric_{index}" for index in range(8)]
IDLE_S = 20.0
IDLE_SHARE = 0.001  # of a core: what nobody would measure


def all_lines(*, runs: int, rows: int, rounds: int) -> Iterator[Line]:
    """Every line, one after the other."""
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as place:
        many, root = Path(place) / "many", Path(place) / "long"
        make_many(many, runs)
        make_long(root, rows)
        long, picture = str(root / "long"), f"{place}/x.png"
        where = "config.lr > 0.5 and return > 3"
        commands: dict[str, tuple[list[str], float | None]] = {
            f"`ls`, {runs:,} runs": (["ls", str(many)], 1.0),
            f"`ls --where`, {runs:,} runs": (["ls", str(many), "--where", where], 1.0),
            f"`plot -o x.html`, {rows:,} rows": (["plot", long, "-o", f"{place}/x.html"], 3.0),
            f"`plot -o x.png`, {rows:,} rows": (["plot", long, "-o", picture], 3.0),
            f"`plot` in the terminal, {rows:,} rows": (["plot", long], 3.0),
            f"`plot -o x.png`, {len(TAGS)} charts of {rows:,} rows": (
                ["plot", long, "--metric", "train/*", "-o", picture],
                None,
            ),
            f"`show`, {rows:,} rows": (["show", long], None),
        }
        found = measure({name: [*COMMAND, *words] for name, (words, _) in commands.items()}, rounds)
        for name, (_, target) in commands.items():
            wall, processor = found[name]
            what, beside = f"{name}, from start to end", f"of the processor {shown(processor, 's')}"
            if target is None:
                yield Line(what=what, figure=shown(wall, "s"), beside=beside)
            else:
                yield against(what, wall, target, "s", beside=beside)
        yield idle(root)


def main() -> None:
    """Measure, and print the table or its JSON."""
    parser = part_parser(__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int)
    args = parser.parse_args()
    rounds = args.rounds or (5 if args.quick else 15)
    print_part(all_lines(runs=args.runs, rows=args.rows, rounds=rounds), as_json=args.json)


def make_many(root: Path, runs: int) -> None:
    """Runs of 100 rows with a config each."""
    for index in range(runs):
        config = {"env": "hackmatrix", "lr": random.random(), "seed": index}
        with open_tracker("jsonl", name=f"run-{index:04}", root=root, config=config, tags=["ppo"]) as tracker:
            tracker.log_series(
                np.random.default_rng(index).random((100, 2)) * 5,
                steps=range(100),
                tags=["train/mean_episode_return", "train/steps_per_second"],
            )


def make_long(root: Path, rows: int) -> None:
    """One run of many rows."""
    rng = np.random.default_rng(0)
    with open_tracker("jsonl", name="long", root=root, config={"lr": 0.1}) as tracker:
        for start in range(0, rows, 10_000):
            steps = range(start, min(rows, start + 10_000))
            tracker.log_series(rng.random((len(steps), len(TAGS))), steps=steps, tags=TAGS)


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Wall and processor seconds of each command, in turns."""
    seconds: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in commands}
    for turn in range(rounds + 1):
        for name, words in commands.items():
            began = time.perf_counter()
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, name
            if turn:  # the first round warms caches
                seconds[name][0].append(time.perf_counter() - began)
                seconds[name][1].append(used.ru_utime + used.ru_stime)
    return seconds


def idle(root: Path) -> Line:
    """What a follower of a live, silent run costs."""
    with open_tracker("jsonl", name="live", root=root) as tracker:
        tracker.log({"loss": 1.0}, step=0)
        tracker.flush()
        process = subprocess.Popen(
            [*COMMAND, "show", str(root / "live"), "--follow"], stdout=subprocess.DEVNULL
        )
        try:
            time.sleep(3.0)
            before = cpu_seconds(process.pid)
            time.sleep(IDLE_S)
            used = cpu_seconds(process.pid) - before
        finally:
            process.terminate()
            process.wait()
    share = used / IDLE_S
    return Line(
        what=f"`show --follow` while nothing is logged, processor time in {IDLE_S:.0f} s",
        figure=f"{1e3 * used:.2g} ms, {100 * share:.2g}% of a core",
        target=f"at most {100 * IDLE_SHARE:g}% of a core",
        met=share <= IDLE_SHARE,
    )


def cpu_seconds(process: int) -> float:
    """Processor time of a process, to the nanosecond where the kernel counts it so."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
