"""Measure what a row costs from the call until it is in a closed file, or in TensorBoard's.

    python benchmarks/row_cost.py            a table
    python benchmarks/row_cost.py --quick    the same from fewer rounds

Costs are processor time of all threads; rounds of ours and of what it is compared with alternate in one process.
"""

import gc
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import lines
import numpy as np
from lines import Line, against, shown
from processor_time import TrackerTime
from sample_rows import TAGS, host_rows

from hackmatrix.tracking import Tracker, open_tracker

BINS = 20  # of the trainer's histogram


def cpu_us(action: Callable[[], Any], count: int) -> tuple[float, Any]:
    """Microseconds of processor time of all threads, per item."""
    gc.collect()
    began = time.process_time()
    result = action()
    return 1e6 * (time.process_time() - began) / count, result


def write_ours(root: Path, rows: list[dict[str, float]], count: int) -> int:
    """Rows in, closed file out; its bytes."""
    tracker = open_tracker("jsonl", root=root)
    log, many = tracker.log, len(rows)
    for step in range(count):
        log(rows[step % many], step=step)
    tracker.finish()
    folder = tracker.run.folder
    assert folder is not None
    return (folder / "metrics.jsonl").stat().st_size


def write_json(root: Path, rows: list[dict[str, float]], count: int) -> int:
    """The same row with the same three fields by the standard library."""
    path, many, began = root / "plain.jsonl", len(rows), time.monotonic()
    with path.open("w", encoding="utf-8") as file:
        for step in range(count):
            row = {"_step": step, "_timestamp": time.time(), "_runtime": time.monotonic() - began}
            file.write(json.dumps({**row, **rows[step % many]}) + "\n")
    return path.stat().st_size


def pipe_lines(root: Path, rounds: int, count: int) -> Iterator[Line]:
    """Processor time and bytes of a row, from `log` to the closed file."""
    for width, target in ((8, 3.0), (30, 4.0)):
        rows = host_rows(width)
        ours, plain, ratios, sizes_ratio = [], [], [], 0.0
        for number in range(rounds + 1):
            a, b = (
                cpu_us(lambda: write_ours(root, rows, count), count),  # noqa: B023 - called at once
                cpu_us(lambda: write_json(root, rows, count), count),  # noqa: B023 - called at once
            )
            if number:
                ours.append(a[0])
                plain.append(b[0])
                ratios.append(b[0] / a[0])
                sizes_ratio = a[1] / b[1]
        beside = f"`json.dumps` + buffered write {shown(plain, 'us')}; ours {shown(ours, 'us')}"
        yield against(
            f"a row of {width} floats to a closed file, processor time, times less",
            ratios, target, "x", beside=beside, better="more",
        )  # fmt: skip
        yield Line(
            what=f"bytes of a row of {width} floats, over `json.dumps` of the same row",
            figure=f"{sizes_ratio:.3f}x",
            target="at most 1x",
            met=sizes_ratio <= 1.0,
        )


def series_lines(root: Path, rounds: int, chunks: int) -> Iterator[Line]:
    """A row out of a packed chunk of 10 rows of 30 tags."""
    packed, tags = np.array([list(row.values()) for row in host_rows(30, 10)]), TAGS[:30]
    costs = []
    for _ in range(rounds):
        with open_tracker("jsonl", root=root) as tracker:

            def log_all(tracker: Tracker = tracker) -> None:
                for chunk in range(chunks):
                    tracker.log_series(packed, steps=range(10 * chunk, 10 * chunk + 10), tags=tags)
                tracker.flush()

            costs.append(cpu_us(log_all, 10 * chunks)[0])
    yield against("`log_series`, a row of a packed (10, 30), in a burst, processor time", costs, 5.0, "us")


def cold_series_lines(root: Path, rounds: int) -> Iterator[Line]:
    """The same in a loop around a device."""

    @jax.jit
    def work(x: Any) -> Any:
        x = jax.lax.fori_loop(0, 100, lambda _, y: jnp.tanh(y @ y) / 8, x)
        return x, x[:10, :30]

    x, _ = jax.block_until_ready(work(jnp.eye(256)))
    counted = TrackerTime()
    costs, period = [], []
    with open_tracker("jsonl", root=root) as tracker:
        counted.opened()
        step = 0
        for _ in range(rounds):
            caller, behind, began = 0.0, counted.seconds(), time.perf_counter()
            for _ in range(10):
                x, packed = work(x)
                x.block_until_ready()
                used = time.thread_time()
                tracker.log_series(packed, steps=range(step, step + 10), tags=TAGS[:30])
                caller += time.thread_time() - used
                step += 10
            tracker.flush()
            period.append((time.perf_counter() - began) / 10)
            costs.append(1e6 * (caller + counted.seconds() - behind) / 100)
    every = f"{1e3 * float(np.median(period)):.0f} ms apart"
    yield against(
        f"`log_series`, a row of a packed device array (10, 30), chunks {every}, processor time",
        costs, 30.0, "us",
    )  # fmt: skip


def histogram_lines(root: Path, rounds: int) -> Iterator[Line]:
    """A histogram for each chunk, as the trainer logs it, in a loop around a device."""

    @jax.jit
    def work(x: Any) -> Any:
        return jax.lax.fori_loop(0, 100, lambda _, y: jnp.tanh(y @ y) / 8, x)

    x, edges = jax.block_until_ready(work(jnp.eye(256))), np.linspace(0.0, 1.0, BINS + 1)
    counts = np.random.default_rng(0).integers(0, 1000, BINS)
    counted = TrackerTime()
    caller, writer, step = [], [], 0
    with open_tracker("jsonl", root=root) as tracker:
        counted.opened()
        for _ in range(rounds):
            called, behind = 0.0, counted.seconds()
            for _ in range(10):
                x = work(x).block_until_ready()
                used = time.thread_time()
                tracker.log_histogram("train/action_probability", counts, step=step, edges=edges)
                called += time.thread_time() - used
                step += 1
            tracker.flush()
            caller.append(1e5 * called)
            writer.append(1e5 * (counted.seconds() - behind))
    what = f"`log_histogram` of {BINS} counts, processor time"
    yield Line(what=f"{what} of the caller", figure=shown(caller, "us"), beside="once a chunk")
    yield Line(what=f"{what} of the tracker", figure=shown(writer, "us"), beside="once a chunk")


def tensorboard_lines(root: Path, rounds: int, count: int) -> Iterator[Line]:
    """The follower's thread alone: reading the journal, an event a row, the file."""
    rows, costs = host_rows(30), []
    for _ in range(rounds):
        with open_tracker("tensorboard", root=root) as tracker:
            tracker.flush()
            before = thread_seconds("hackmatrix-tensorboard")
            for step in range(count):
                tracker.log(rows[step % len(rows)], step=step)
            tracker.flush(120.0)
            costs.append(1e6 * (thread_seconds("hackmatrix-tensorboard") - before) / count)
    yield against(
        "TensorBoard, a row of 30 tags, its thread's processor time, journal read included",
        costs, 30.0, "us",
    )  # fmt: skip


def thread_seconds(name: str) -> float:
    """Processor time of a thread so far."""
    (thread,) = (each for each in threading.enumerate() if each.name == name)
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def all_lines(*, quick: bool) -> Iterator[Line]:
    """Every line, one after the other."""
    rounds, rows = (8, 20_000) if quick else (12, 60_000)
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as name:
        root = Path(name)
        yield from pipe_lines(root, rounds, rows)
        yield from series_lines(root, rounds, rows // 20)
        yield from cold_series_lines(root, rounds=8 if quick else 20)
        yield from histogram_lines(root, rounds=8 if quick else 20)
        yield from tensorboard_lines(root, rounds, rows // 4)


def main() -> None:
    """Measure, and print the table or its JSON."""
    options = lines.part_parser(__doc__).parse_args()
    lines.print_part(all_lines(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    main()
