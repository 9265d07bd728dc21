"""Measure what tracking takes of the loop: a call of `log`, the import, the opening.

    python benchmarks/calls.py            a table
    python benchmarks/calls.py --quick    the same from fewer rounds

Rounds under the tracker and under null alternate in one process; latencies are medians over rounds of a round's
median and 99th percentile.
"""

import gc
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import lines
import numpy as np
import own_backends  # noqa: F401 - registers their names
from lines import Line, against, shown
from sample_rows import TAGS, device_rows, host_rows

from hackmatrix.tracking import Tracker, open_tracker
from hackmatrix.tracking.run_folder import write_whole

CALLS = 2000  # of a round


def burst(tracker: Tracker, rows: list[Any], first: int, calls: int) -> np.ndarray:
    """Microseconds of each call, the clock's own time included."""
    took, clock, log, count = [0] * calls, time.perf_counter_ns, tracker.log, len(rows)
    for index in range(calls):
        row = rows[index % count]
        began = clock()
        log(row, step=first + index)
        took[index] = clock() - began
    return np.array(took) / 1e3


def bursts(tracker: Tracker, rows: list[Any], rounds: int, *, flush: bool = True) -> dict[str, list[float]]:
    """Median and 99th percentile of each round, under the tracker and under null."""
    found: dict[str, list[float]] = {"p50": [], "p99": [], "null p50": [], "null p99": []}
    null = open_tracker("null")
    for number in range(rounds + 1):
        order = [("", tracker), ("null ", null)]
        random.Random(number).shuffle(order)
        for name, each in order:
            gc.collect()
            took = burst(each, rows, number * CALLS, CALLS)
            if number:  # the first round wakes everything up
                found[f"{name}p50"].append(float(np.percentile(took, 50)))
                found[f"{name}p99"].append(float(np.percentile(took, 99)))
            if flush:
                each.flush()
            else:
                time.sleep(0.12)  # the journal's thread has its turn
    return found


def burst_lines(root: Path, rounds: int) -> Iterator[Line]:
    """`log` in a burst, with and without a backend that hangs."""
    kinds: dict[str, tuple[list[Any], tuple[float, float]]] = {
        "8 floats": (host_rows(8), (1.0, 5.0)),
        "30 floats": (host_rows(30), (1.0, 5.0)),
        "8 device scalars": (device_rows(), (3.0, 10.0)),
    }
    for kind, (rows, targets) in kinds.items():
        with open_tracker("jsonl", root=root) as tracker:
            found = bursts(tracker, rows, rounds)
        for name, target in zip(("p50", "p99"), targets, strict=True):
            beside = f"null {shown(found[f'null {name}'], 'us')}"
            what = f"`log` in a burst, {kind}, {name}"
            if kind == "30 floats":
                yield Line(what=what, figure=shown(found[name], "us"), beside=beside)
            else:
                yield against(what, found[name], target, "us", beside=beside)
    tracker = open_tracker("hanging", root=root)
    with open_tracker("jsonl", root=root) as other:
        found = bursts(tracker, host_rows(8), rounds, flush=False)
        alone = bursts(other, host_rows(8), rounds, flush=False)
    for name, target in (("p50", 1.0), ("p99", 5.0)):
        beside = f"without it {shown(alone[name], 'us')}"
        yield against(
            f"`log` in a burst, 8 floats, a backend hangs, {name}", found[name], target, "us", beside=beside
        )
    tracker.finish(timeout=0.5)


def loop_lines(root: Path, pairs: int) -> Iterator[Line]:
    """`log` in a loop that waits for a device, 8 device scalars, over null."""

    @jax.jit
    def work(x: Any) -> Any:
        x = jax.lax.fori_loop(0, 12, lambda _, y: jnp.tanh(y @ y) / 8, x)
        return x, {tag: x[0, index] for index, tag in enumerate(TAGS[:8])}

    null, step = open_tracker("null"), 0
    x, _ = jax.block_until_ready(work(jnp.eye(128)))
    with open_tracker("jsonl", root=root) as tracker:
        over: dict[str, list[float]] = {"p50": [], "p99": []}
        nulls: dict[str, list[float]] = {"p50": [], "p99": []}
        period: list[float] = []
        for number in range(pairs):
            order = [("tracker", tracker), ("null", null)]
            random.Random(number).shuffle(order)
            took: dict[str, np.ndarray] = {}
            for name, each in order:
                calls, began = [], time.perf_counter()
                for _ in range(300):
                    step += 1
                    x, metrics = work(x)
                    x.block_until_ready()
                    start = time.perf_counter_ns()
                    each.log(metrics, step=step)
                    calls.append(time.perf_counter_ns() - start)
                period.append((time.perf_counter() - began) / 300)
                took[name] = np.array(calls) / 1e3
            for name, percent in (("p50", 50), ("p99", 99)):
                nulls[name].append(float(np.percentile(took["null"], percent)))
                over[name].append(float(np.percentile(took["tracker"], percent)) - nulls[name][-1])
    every = f"{1e3 * float(np.median(period)):.1f} ms apart"
    for name, target in (("p50", 10.0), ("p99", 25.0)):
        beside = f"null {shown(nulls[name], 'us')}"
        yield against(
            f"`log` in a loop, 8 device scalars {every}, {name} over null",
            over[name], target, "us", beside=beside,
        )  # fmt: skip


def import_lines(starts: int) -> Iterator[Line]:
    """The package over a bare interpreter; one thread, so that processor time is the wall of a free machine."""
    code = "import time; began = time.process_time(); {}; print(time.process_time() - began)"
    package, name = "import hackmatrix.tracking", "from hackmatrix.tracking import open_tracker"
    took: dict[str, list[float]] = {package: [], name: [], "import json": []}
    for _ in range(starts):
        for statement, values in took.items():
            done = subprocess.run(
                [sys.executable, "-c", code.format(statement)], capture_output=True, check=True
            )
            values.append(1e3 * float(done.stdout))
    beside = f"`import json` {shown(took['import json'], 'ms')}; `{name}` {shown(took[name], 'ms')}"
    yield against(
        f"`{package}` over a bare interpreter, processor time", took[package], 15.0, "ms", beside=beside
    )


def opening_lines(root: Path, starts: int) -> Iterator[Line]:
    """`open_tracker("jsonl")`, with the encoder imported already; what the disk takes for `run.json` beside it."""
    took, disk = [], []
    for number in range(starts):
        took.append(opening_ms(root / "opened", number))
        began = time.perf_counter()
        write_whole(root / "opened" / f"file-{number}", bytes(1000))
        disk.append(1e3 * (time.perf_counter() - began))
    beside = f"writing 1 kB safe against a power cut, as `run.json` is: {shown(disk[1:], 'ms')}"
    memory = Path("/dev/shm")
    if memory.is_dir():
        with tempfile.TemporaryDirectory(dir=memory) as name:
            there = [opening_ms(Path(name), number) for number in range(starts)]
        beside += f"; opening in memory, where that costs nothing: {shown(there[1:], 'ms')}"
    yield against('`open_tracker("jsonl")`, encoder imported', took[1:], 1.0, "ms", beside=beside)


def opening_ms(root: Path, number: int) -> float:
    """Milliseconds until a new run is open."""
    began = time.perf_counter()
    tracker = open_tracker("jsonl", root=root, name=f"run-{number}", config={"lr": 0.1})
    took = 1e3 * (time.perf_counter() - began)
    tracker.finish()
    return took


def all_lines(*, quick: bool) -> Iterator[Line]:
    """Every line, one after the other."""
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as name:
        root = Path(name)
        yield from burst_lines(root, rounds=10 if quick else 30)
        yield from loop_lines(root, pairs=10 if quick else 24)
        yield from import_lines(starts=10 if quick else 25)
        yield from opening_lines(root, starts=20 if quick else 50)


def main() -> None:
    """Measure, and print the table or its JSON."""
    options = lines.part_parser(__doc__).parse_args()
    lines.print_part(all_lines(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    main()
