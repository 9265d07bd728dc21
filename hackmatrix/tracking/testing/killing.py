"""A loop in a process of its own that can be killed at any instant, and goes on when it is started again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from hackmatrix.tracking.testing.cases import Case

# What it logs is a function of the step, so that any attempt's rows can be told right from wrong.
PROGRAM = """
import json, sys, time
from pathlib import Path
arguments = json.loads(sys.argv[1])
exec(arguments["setup"])
from hackmatrix.tracking import find_run, open_tracker
kind = dict(root=arguments["root"], options=arguments["options"])
found = find_run(arguments["run"], root=arguments["root"])
start = 0
if found is not None:
    folder = found.fetch_checkpoint()
    start = int((folder / "state.txt").read_text()) + 1 if folder is not None else 0
    kind["resume"] = found
else:
    kind["name"] = arguments["run"]
tracker = open_tracker(arguments["name"], config={"rows": arguments["rows"]}, **kind)
for step in range(start, arguments["rows"]):
    tracker.log({"a/value": step / 7, "a/count": step}, step=step)
    if step % 3 == 0:
        tracker.log({"b/value": -step / 3}, step=step)
    if step % arguments["every"] == 0:
        with tracker.checkpoint(step=step, keep=2, upload=arguments.get("upload", False)) as state:
            (state / "state.txt").write_text(str(step))
    if arguments["name"] == "jsonl":
        tracker.flush(1)  # so that a kill leaves rows behind the checkpoint
    time.sleep(arguments["pause"])
report = tracker.finish(timeout=50)
print(json.dumps([report.complete, str(report)]))
"""


def said_by_program(rows: int) -> list[tuple[int, dict[str, float]]]:
    """What the program logs in an undisturbed life."""
    return [
        (step, {"a/value": step / 7, "a/count": step, **({"b/value": -step / 3} if step % 3 == 0 else {})})
        for step in range(rows)
    ]


def run_and_kill(case: Case, root: Path, run: str, *, rows: int, kills: int, seed: int) -> str:
    """Start the program, kill it ``kills`` times at random instants, let it finish; its last words.

    Raises:
        AssertionError: it failed by itself.
    """
    chance = random.Random(seed)  # noqa: S311 - instants, no secrets
    arguments = {
        "name": case.name, "run": run, "root": str(root), "rows": rows, "every": 7, "pause": 0.004,
        "setup": case.setup, "options": {case.name: dict(case.options)} if case.options else {},
    }  # fmt: skip
    command = [sys.executable, "-c", PROGRAM, json.dumps(arguments)]
    journal = root / run / "metrics.jsonl"
    for _ in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603 - our own
        before = journal.stat().st_mtime_ns if journal.exists() else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if journal.exists() and journal.stat().st_size and journal.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, rows * 0.004 / 2))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, f"the program failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
