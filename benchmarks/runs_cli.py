"""How long people wait for ``hackmatrix-runs``: a folder of 1,000 runs, a run of 1,000,000 rows, an idle follow.

    python benchmarks/runs_cli.py [--runs 1000] [--rows 1000000] [--rounds 15]

Each figure is the time of a whole process, from its start to its end: on the wall, as a person meets it, and of
the processor, which other work on the machine does not stretch. The median, and the interval that holds it with
95% (bootstrap over rounds; commands take turns, so that other work falls on all of them). ``show --follow`` is
asked for its processor time while nothing is logged.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hackmatrix.tracking import open_tracker

COMMAND = [sys.executable, "-m", "hackmatrix.tracking"]
TAGS = [f"train/metric_{index}" for index in range(8)]
IDLE_S = 20.0


def main() -> None:
    """Make the runs, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        many, root = Path(place) / "many", Path(place) / "long"
        make_many(many, args.runs)
        make_long(root, args.rows)
        size = (root / "long" / "metrics.jsonl").stat().st_size
        print(
            f"{args.runs} runs of 100 rows; a run of {args.rows} rows of {len(TAGS)} tags, {size / 1e6:.0f} MB"
        )
        long = str(root / "long")
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "ls": [*COMMAND, "ls", str(many)],
            "ls --where": [*COMMAND, "ls", str(many), "--where", "config.lr > 0.5 and return > 3"],
            "plot -o x.png": [*COMMAND, "plot", long, "-o", f"{place}/x.png"],
            "plot -o x.html": [*COMMAND, "plot", long, "-o", f"{place}/x.html"],
            "plot (terminal)": [*COMMAND, "plot", long],
            "plot --metric 'train/*' -o x.png": [
                *COMMAND,
                "plot",
                long,
                "--metric",
                "train/*",
                "-o",
                f"{place}/x.png",
            ],
            "show": [*COMMAND, "show", long],
        }
        print(f"{'':36} {'wall, s':>20} {'processor, s':>20}")
        for name, (wall, processor) in measure(commands, args.rounds).items():
            print(f"{name:36} {shown(wall):>20} {shown(processor):>20}")
        print(idle(root))


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


def shown(seconds: list[float]) -> str:
    """The median, and the middle 95% of medians of resampled rounds."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(seconds, k=len(seconds))) for _ in range(2000))
    return f"{statistics.median(seconds):.2f} [{medians[50]:.2f}, {medians[1949]:.2f}]"


def idle(root: Path) -> str:
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
    share = 100 * used / IDLE_S
    return f"show --follow, idle: {1e3 * used:.2f} ms of processor time in {IDLE_S:.0f} s ({share:.4f}% of a core)"


def cpu_seconds(process: int) -> float:
    """Processor time of a process, to the nanosecond where the kernel counts it so."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
