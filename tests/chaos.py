"""Kill a logging process at random instants, as often as one likes, and check every row that is left.

``python -m tests.chaos --kills 1000`` prints its figures; a dozen kills run with the tests. Each life opens the
run (finding it, rebuilding its journal, taking the lock), logs, saves checkpoints, uploads them, and is killed with
SIGKILL between 0 and 1.5 s after it was started, whatever it is doing then.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from hackmatrix.tracking import RunInfo, read_run, run_id
from hackmatrix.tracking.protocol import Row
from hackmatrix.tracking.testing.killing import PROGRAM, said_by_program
from tests.wandb_service import WandbService
from tests.wandb_service.client import client_environment

ROWS = 400
KILLS_PER_RUN = 10


@dataclass
class Figures:
    """What came of it."""

    backends: str
    runs: int = 0
    kills: int = 0
    attempts: int = 0
    rows_checked: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.backends}: {self.kills} kills in {self.runs} runs of {self.attempts} attempts, "
            f"{self.rows_checked} rows checked, {len(self.differences)} differences"
        )


def chaos(backends: str, kills: int, seed: int, folder: Path, longest_life: float = 1.5) -> Figures:
    """Kill ``kills`` times in as many runs as that takes; every run is finished and checked."""
    chance = random.Random(seed)
    figures = Figures(backends)
    service = WandbService(folder / "service").start() if "wandb" in backends else None
    environment = dict(os.environ)
    if service is not None:
        environment |= client_environment(service, folder / "client")
        environment["WANDB_ENTITY"] = "team"
    try:
        while figures.kills < kills:
            name = f"chaos-{seed}-{figures.runs}"
            _one_run(backends, name, folder / "runs", environment, chance, figures, kills, longest_life)
            _check(backends, name, folder / "runs", service, figures)
    finally:
        if service is not None:
            service.stop()
    return figures


def _one_run(
    backends: str,
    name: str,
    root: Path,
    environment: dict[str, str],
    chance: random.Random,
    figures: Figures,
    kills: int,
    longest_life: float,
) -> None:
    arguments = {
        "name": backends, "run": name, "root": str(root), "rows": ROWS, "every": 7, "pause": 0.002, "setup": "",
        "options": {}, "upload": True,
    }  # fmt: skip
    command = [sys.executable, "-c", PROGRAM, json.dumps(arguments)]
    figures.runs += 1
    for _ in range(min(KILLS_PER_RUN, kills - figures.kills)):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.0, longest_life))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            figures.kills += 1
        process.wait()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        figures.differences.append(f"{name}: the last attempt failed: {done.stderr[-1500:]}")
    figures.attempts += len(read_run(name, root).attempts)


def _check(backends: str, name: str, root: Path, service: WandbService | None, figures: Figures) -> None:
    expected = said_by_program(ROWS)
    reader = read_run(name, root)
    lines = [(row.step, tag) for row in reader.lines() for tag in row.metrics]
    if len(lines) != len(set(lines)):
        figures.differences.append(f"{name}: a (step, tag) stands twice in the journal")
    found = {"journal": [(row.step, row.metrics) for row in reader.rows()]}
    if "tensorboard" in backends:
        found["tensorboard"] = _folded(_events(reader.folder, name), figures, f"{name} tensorboard")
    if service is not None:
        history = service.history("team", "hackmatrix", run_id(name))
        rows = [
            Row(row["_step"], 0.0, 0.0, {tag: v for tag, v in row.items() if not tag.startswith("_")})
            for row in history
        ]
        found["wandb"] = _folded(rows, figures, f"{name} wandb")
        figures.differences += [
            f"{name}: the client asked for the unknown: {what}" for what in service.unknown
        ]
        service.unknown.clear()
    for place, rows_found in found.items():
        figures.rows_checked += len(rows_found)
        if [step for step, _ in rows_found] != [step for step, _ in expected]:
            steps = [step for step, _ in rows_found]
            figures.differences.append(
                f"{name}: {place} holds steps {steps[:5]} ... {steps[-5:]} ({len(steps)})"
            )
            continue
        for (step, row), (_, right) in zip(rows_found, expected, strict=True):
            same = row.keys() == right.keys() and all(
                abs(row[tag] - right[tag]) <= 1e-6 * abs(right[tag])
                if place == "tensorboard"
                else row[tag] == right[tag]
                for tag in right
            )
            if not same:
                figures.differences.append(f"{name}: {place} has {row} at step {step}, expected {right}")


def _folded(rows: list[Row], figures: Figures, where: str) -> list[tuple[int, dict[str, float]]]:
    folded: dict[int, dict[str, float]] = {}
    for row in rows:
        held = folded.setdefault(row.step, {})
        if held.keys() & row.metrics.keys():
            figures.differences.append(f"{where}: step {row.step} stands twice")
        held.update(row.metrics)
    return list(folded.items())


def _events(folder: Path, name: str) -> list[Row]:
    from tests.tracking.tensorboard_reader import read_events

    return read_events(RunInfo(id="", name=name, uid="", project="", folder=folder))


def main() -> int:
    """Run it from the command line; 1 if a difference was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--trackers", default="tensorboard", help="e.g. tensorboard,wandb")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = chaos(
            args.trackers, args.kills, args.seed, Path(name), 1.5 if "wandb" not in args.trackers else 3.0
        )
    sys.stdout.write(f"{figures}\n")
    sys.stdout.writelines(f"{difference}\n" for difference in figures.differences)
    return 1 if figures.differences else 0


if __name__ == "__main__":
    sys.exit(main())
