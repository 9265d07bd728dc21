"""What tracking costs as a run grows: one point of a curve, in the process that is measured.

Costs are processor time of the thread that logs and of all that the tracker began, from the first row to the closed
file. Memory is the peak of the process; a process without any row is the first thing to compare it with.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from own_backends import CountingBackend
from sample_rows import TAGS, host_rows

from hackmatrix.tracking import open_tracker, read_run, register

RUN = "long"
Figures = dict[str, float]


def peak_mb() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def counted(found: Figures, count: int) -> Iterator[None]:
    """Processor time of the block, for each of so many rows, and the peak at its end."""
    before, began = time.process_time(), time.perf_counter()
    yield
    found["us"] = 1e6 * (time.process_time() - before) / count
    found["wall_us"] = 1e6 * (time.perf_counter() - began) / count
    found["peak_mb"] = peak_mb()


def metrics(width: int, *, quick: bool) -> Figures:
    """Rows of ``width`` metrics, as many as have equally many numbers."""
    count = (300_000 if quick else 3_000_000) // width
    rows, found = host_rows(width, 64), Figures()
    with tempfile.TemporaryDirectory() as root:
        with counted(found, count):
            tracker = open_tracker("jsonl", root=root, name=RUN)
            for step in range(count):
                tracker.log(rows[step % len(rows)], step=step)
            tracker.finish()
        found["bytes"] = (Path(root) / RUN / "metrics.jsonl").stat().st_size / count
    return found


def rate(per_second: int, *, quick: bool) -> Figures:
    """Rows of 8 metrics, so many each second, spread evenly in ticks of a millisecond or longer."""
    from processor_time import TrackerTime

    each_tick = max(1, per_second // 1000)
    ticks = max(5, int((1.0 if quick else 5.0) * per_second / each_tick))
    rows, longest, caller = host_rows(8, 64), 0.0, 0.0
    behind = TrackerTime()
    with tempfile.TemporaryDirectory() as root:
        tracker = open_tracker("jsonl", root=root, name=RUN)
        behind.opened()
        tracker.log(rows[0], step=0)
        tracker.flush()
        began, before = time.perf_counter(), behind.seconds()
        for tick in range(ticks):
            pause = began + tick * each_tick / per_second - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            used, at = time.thread_time(), time.perf_counter()
            for number in range(each_tick):
                tracker.log(rows[number % len(rows)], step=1 + tick * each_tick + number)
            longest = max(longest, time.perf_counter() - at)
            caller += time.thread_time() - used
        took = time.perf_counter() - began
        tracker.flush()
        total, count = caller + behind.seconds() - before, ticks * each_tick
        tracker.finish()
    return {
        "us": 1e6 * total / count, "caller_us": 1e6 * caller / count, "reached": count / took,
        "longest_ms": 1e3 * longest, "peak_mb": peak_mb(),
    }  # fmt: skip


def followers(number: int, *, quick: bool) -> Figures:
    """Rows of 30 metrics, beside the journal so many backends that only take them."""
    count = 20_000 if quick else 200_000
    names = [f"counting-{index}" for index in range(number)]
    for name in names:
        register(name)(CountingBackend)
    rows, found = host_rows(30, 64), Figures()
    with tempfile.TemporaryDirectory() as root, counted(found, count):
        tracker = open_tracker(",".join(["jsonl", *names]), root=root, name=RUN)
        for step in range(count):
            tracker.log(rows[step % len(rows)], step=step)
        tracker.finish(timeout=600.0)
    return found


def length(count: int, *, quick: bool) -> Figures:
    """A run of so many rows of 2 metrics: written, opened again, one column read; each by a process of its own."""
    del quick
    with tempfile.TemporaryDirectory() as root:
        found = {
            part: json.loads(
                subprocess.run(
                    [sys.executable, __file__, part, root, str(count)], stdout=subprocess.PIPE, check=True
                ).stdout
            )
            for part in ("written", "opened", "read")
        }
        written, opened, read = found.values()
        size = (Path(root) / RUN / "metrics.jsonl").stat().st_size / count
    return {
        "us": written["us"], "bytes": size, "peak_mb": written["peak_mb"],
        "open_ms": 1e-3 * opened["us"], "open_mb": opened["peak_mb"],
        "read_us": read["us"] / count, "read_mb": read["peak_mb"],
    }  # fmt: skip


def written(root: str, count: int) -> Figures:
    """The rows, in chunks of a hundred as a trainer has them."""
    import numpy as np

    packed, found = np.random.default_rng(0).random((100, 2)), Figures()
    with counted(found, count):
        tracker = open_tracker("jsonl", root=root, name=RUN)
        for first in range(0, count, 100):
            tracker.log_series(packed, steps=range(first, first + 100), tags=TAGS[:2])
        tracker.finish("failed", timeout=600.0)
    return found


def opened(root: str, count: int) -> Figures:
    """The run, to go on with it."""
    found = Figures()
    with counted(found, 1):
        tracker = open_tracker("jsonl", root=root, name=RUN, resume="must")
    assert tracker.run.last_step == count - 1
    tracker.finish("failed")
    return found


def read(root: str, count: int) -> Figures:
    """One column of it."""
    found = Figures()
    with counted(found, 1):
        assert len(read_run(Path(root) / RUN).to_numpy([TAGS[0]])[TAGS[0]]) == count
    return found


if __name__ == "__main__":
    part, root, count = sys.argv[1:]
    print(json.dumps({"written": written, "opened": opened, "read": read}[part](root, int(count))))
