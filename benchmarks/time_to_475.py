"""Measure how long CartPole takes from the command to a mean return of 475, beside Stable-Baselines3.

    python benchmarks/time_to_475.py --sb3-python PATH/TO/python

Wall time of whole processes, imports and compile included. Ours runs the README's first command until the first
logged row with 475, a mean over the episodes of 20,480 env steps, which at 475 are 43 or more; Stable-Baselines3
logs the mean of the newest 43 episodes here. First start: ours with an empty compile cache; second start: with what
the first one left. Both are stopped when they are there.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import lines
import numpy as np
from lines import Line, against
from processes import Neighbours, processor_seconds

HERE = Path(__file__).parent
COMMAND = [
    str(HERE.parent / "scripts" / "train_purejaxrl.py"), "--env", "gymnax:CartPole-v1", "--num-envs", "16",
    "--learning-rate", "1e-3", "--no-anneal-lr", "--ent-coef", "0", "--total-timesteps", "300000",
]  # fmt: skip
GOAL, WINDOW = 475.0, 43


class Reached(NamedTuple):
    """One process, until it was there or had ended without."""

    wall: float  # seconds
    processor: float  # seconds
    env_steps: int | None  # None: it ended without


def ours(seed: int, root: Path, cache: Path) -> Reached:
    """Train by the script; its journal is watched."""
    command = [
        sys.executable,
        *COMMAND,
        "--seed",
        str(seed),
        "--checkpoint-dir",
        str(root),
        "--run-name",
        f"{seed}",
    ]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        journal, read, steps = root / str(seed) / "metrics.jsonl", 0, None
        used = 0.0
        while steps is None and process.poll() is None:
            time.sleep(0.01)
            rows = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
            for row in map(json.loads, rows[read:]):
                if row.get("train/mean_episode_return", 0.0) >= GOAL:
                    steps = row["train/env_steps"]
                    break
            read, used = len(rows), processor_seconds(process.pid)
        found = Reached(time.perf_counter() - began, used, steps)
        process.kill()
    if process.returncode > 0:
        raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")
    return found


def stable_baselines3(seed: int, python: Path) -> Reached:
    """Train by `sb3_cartpole.py`; it says when it is there."""
    began = time.perf_counter()
    command = [str(python), str(HERE / "sb3_cartpole.py"), str(seed), str(WINDOW)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        if not words:
            raise RuntimeError(f"{' '.join(command)} failed")
        found = Reached(
            time.perf_counter() - began,
            processor_seconds(process.pid),
            int(words[1]) if words[0] == "475" else None,
        )
        process.kill()
    return found


def time_lines(python: Path | None, rounds: int) -> Iterator[Line]:
    """First and second start, of as many seeds as there are rounds."""
    if python is None and importlib.util.find_spec("stable_baselines3") is not None:
        python = Path(sys.executable)
    what = "Stable-Baselines3 over ours: from the command to a mean return of 475 on CartPole-v1"
    if python is None:
        yield Line(
            what=what, figure="not measured: Stable-Baselines3 is not installed, `--sb3-python` was not given"
        )
        return
    starts = ("first", "second")
    found: dict[str, dict[str, list[Reached]]] = {start: {"ours": [], "theirs": []} for start in starts}
    neighbours = Neighbours()
    for seed in range(rounds):
        with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as name:
            for start in starts:
                found[start]["ours"].append(ours(seed, Path(name) / start, Path(name) / "cache"))
                found[start]["theirs"].append(stable_baselines3(seed, python))
    for start, sides in found.items():
        pairs = list(zip(sides["ours"], sides["theirs"], strict=True))
        ratios = [b.wall / a.wall for a, b in pairs if None not in (a.env_steps, b.env_steps)]
        beside = f"ours {told(sides['ours'])}; theirs {told(sides['theirs'])}; {neighbours}"
        if ratios:
            yield against(f"{what}, {start} start", ratios, 1.0, "x", better="more", beside=beside)
        else:
            yield Line(what=f"{what}, {start} start", figure="one of the two never arrived", beside=beside)


def told(runs: list[Reached]) -> str:
    """Medians, and how many did not arrive."""
    steps = [run.env_steps for run in runs if run.env_steps is not None]
    after = f", {np.median(steps):,.0f} env steps" if steps else ""
    missing = f"; {len(runs) - len(steps)} of {len(runs)} ended without" if len(steps) < len(runs) else ""
    wall, processor = np.median([run.wall for run in runs]), np.median([run.processor for run in runs])
    return f"{wall:.1f} s (processor {processor:.1f} s{after}{missing})"


def main() -> None:
    """Measure, and print the table or its JSON."""
    parser = lines.part_parser(__doc__)
    parser.add_argument("--sb3-python", type=Path, metavar="PATH", help="Python that has Stable-Baselines3")
    options = parser.parse_args()
    lines.print_part(time_lines(options.sb3_python, rounds=1 if options.quick else 2), as_json=options.json)


if __name__ == "__main__":
    main()
