"""Measure the hand-off of rows: what `log` takes, what a row costs until it is in a closed file.

    python benchmarks/hand_off.py            a table
    python benchmarks/hand_off.py --quick    the same from fewer rounds

Rounds of ours and of what it is compared with alternate in one process. Latencies are medians over rounds of a
round's median and 99th percentile; costs are processor time of all threads.
"""

import argparse
import contextlib
import gc
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from shutil import which
from typing import Any

import jax
import jax.numpy as jnp
import lines
import numpy as np
from lines import Line, against, shown
from processor_time import TrackerTime

from hackmatrix.tracking import Tracker, open_tracker, register
from hackmatrix.tracking.run_folder import write_whole

HERE = Path(__file__)
TRACED_CALLS = 5000
FILLING = 150_000  # rows of a burst after which the queue has been full
TAGS = [f"group{index % 4}/metric_{index}" for index in range(30)]
BINS = 20  # of the trainer's histogram


class Sizes:
    """How much is measured."""

    def __init__(self, *, quick: bool) -> None:
        self.rounds = 10 if quick else 30
        self.calls = 2000
        self.loop_pairs = 10 if quick else 24
        self.pipe_rows = 20_000 if quick else 60_000
        self.pipe_rounds = 8 if quick else 12
        self.memory_rows = 200_000 if quick else 1_000_000
        self.starts = 10 if quick else 25
        self.chunks = 60 if quick else 200


@register("hanging")
class HangingBackend:
    """Takes no row for a minute."""

    precision = "float64"
    url: str | None = None

    def open(self, run: Any, config: Any) -> int | None:
        """Nothing is held."""
        del run, config
        return None

    def discard_after(self, step: int | None) -> bool:
        """Nothing is there."""
        del step
        return True

    def write(self, rows: Any) -> None:
        """Hang."""
        del rows
        time.sleep(60.0)

    def flush(self, timeout: float) -> None:
        """Nothing to do."""
        del timeout

    def close(self, status: Any, summary: Any, timeout: float) -> int | None:
        """Confirm nothing."""
        del status, summary, timeout
        return None


def host_rows(width: int, count: int = 512) -> list[dict[str, float]]:
    """Rows of random floats, all digits used."""
    rng = random.Random(0)
    return [{tag: rng.lognormvariate(0.0, 3.0) for tag in TAGS[:width]} for _ in range(count)]


def device_rows(count: int = 16) -> list[dict[str, Any]]:
    """Rows of 8 device scalars, already computed."""
    rows = [{tag: jnp.float32(value) for tag, value in row.items()} for row in host_rows(8, count)]
    for row in rows:
        for value in row.values():
            value.block_until_ready()
    return rows


# Bursts.


def burst(tracker: Tracker, rows: list[Any], first: int, calls: int) -> np.ndarray:
    """Microseconds of each call, the clock's own time included."""
    took, clock, log, count = [0] * calls, time.perf_counter_ns, tracker.log, len(rows)
    for index in range(calls):
        row = rows[index % count]
        began = clock()
        log(row, step=first + index)
        took[index] = clock() - began
    return np.array(took) / 1e3


def bursts(tracker: Tracker, rows: list[Any], sizes: Sizes, *, flush: bool = True) -> dict[str, list[float]]:
    """Median and 99th percentile of each round, under the tracker and under null."""
    found: dict[str, list[float]] = {"p50": [], "p99": [], "null p50": [], "null p99": []}
    null = open_tracker("null")
    for number in range(sizes.rounds + 1):
        order = [("", tracker), ("null ", null)]
        random.Random(number).shuffle(order)
        for name, each in order:
            gc.collect()
            took = burst(each, rows, number * sizes.calls, sizes.calls)
            if number:  # the first round wakes everything up
                found[f"{name}p50"].append(float(np.percentile(took, 50)))
                found[f"{name}p99"].append(float(np.percentile(took, 99)))
            if flush:
                each.flush()
            else:
                time.sleep(0.12)  # the journal's thread has its turn
    return found


def burst_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
    """`log` in a burst, with and without a backend that hangs."""
    kinds: dict[str, tuple[list[Any], tuple[float, float]]] = {
        "8 floats": (host_rows(8), (1.0, 5.0)),
        "30 floats": (host_rows(30), (1.0, 5.0)),
        "8 device scalars": (device_rows(), (3.0, 10.0)),
    }
    for kind, (rows, targets) in kinds.items():
        with open_tracker("jsonl", root=root) as tracker:
            found = bursts(tracker, rows, sizes)
        for name, target in zip(("p50", "p99"), targets, strict=True):
            beside = f"null {shown(found[f'null {name}'], 'us')}"
            what = f"`log` in a burst, {kind}, {name}"
            if kind == "30 floats":
                yield Line(what=what, figure=shown(found[name], "us"), beside=beside)
            else:
                yield against(what, found[name], target, "us", beside=beside)
    tracker = open_tracker("hanging", root=root)
    with open_tracker("jsonl", root=root) as other:
        found = bursts(tracker, host_rows(8), sizes, flush=False)
        alone = bursts(other, host_rows(8), sizes, flush=False)
    for name, target in (("p50", 1.0), ("p99", 5.0)):
        beside = f"without it {shown(alone[name], 'us')}"
        yield against(
            f"`log` in a burst, 8 floats, a backend hangs, {name}", found[name], target, "us", beside=beside
        )
    tracker.finish(timeout=0.5)


# A loop around a device.


def loop_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
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
        for number in range(sizes.loop_pairs):
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


# The pipe.


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


def pipe_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
    """Processor time and bytes of a row, from `log` to the closed file."""
    for width, target in ((8, 3.0), (30, 4.0)):
        rows = host_rows(width)
        ours, plain, ratios, sizes_ratio = [], [], [], 0.0
        for number in range(sizes.pipe_rounds + 1):
            a, b = (
                cpu_us(lambda: write_ours(root, rows, sizes.pipe_rows), sizes.pipe_rows),  # noqa: B023 - called at once
                cpu_us(lambda: write_json(root, rows, sizes.pipe_rows), sizes.pipe_rows),  # noqa: B023 - called at once
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


# Many rows in one call.


def series_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
    """A row out of a packed chunk of 10 rows of 30 tags."""
    packed, tags = np.array([list(row.values()) for row in host_rows(30, 10)]), TAGS
    costs = []
    for _ in range(sizes.pipe_rounds):
        with open_tracker("jsonl", root=root) as tracker:
            count = sizes.pipe_rows // 20

            def log_all(tracker: Tracker = tracker, count: int = count) -> None:
                for chunk in range(count):
                    tracker.log_series(packed, steps=range(10 * chunk, 10 * chunk + 10), tags=tags)
                tracker.flush()

            costs.append(cpu_us(log_all, 10 * count)[0])
    yield against("`log_series`, a row of a packed (10, 30), in a burst, processor time", costs, 5.0, "us")
    yield from cold_series_lines(sizes, root)


def cold_series_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
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
        for _ in range(max(8, sizes.chunks // 10)):
            caller, behind, began = 0.0, counted.seconds(), time.perf_counter()
            for _ in range(10):
                x, packed = work(x)
                x.block_until_ready()
                used = time.thread_time()
                tracker.log_series(packed, steps=range(step, step + 10), tags=TAGS)
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


# A histogram beside them.


def histogram_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
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
        for _ in range(max(8, sizes.chunks // 10)):
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


# TensorBoard.


def tensorboard_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
    """The follower's thread alone: reading the journal, an event a row, the file."""
    rows, costs, count = host_rows(30), [], sizes.pipe_rows // 4
    for _ in range(sizes.pipe_rounds):
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


# Starting.


def import_lines(sizes: Sizes) -> Iterator[Line]:
    """The package over a bare interpreter; one thread, so that processor time is the wall of a free machine."""
    code = "import time; began = time.process_time(); {}; print(time.process_time() - began)"
    package, name = "import hackmatrix.tracking", "from hackmatrix.tracking import open_tracker"
    took: dict[str, list[float]] = {package: [], name: [], "import json": []}
    for _ in range(sizes.starts):
        for statement, values in took.items():
            done = subprocess.run(
                [sys.executable, "-c", code.format(statement)], capture_output=True, check=True
            )
            values.append(1e3 * float(done.stdout))
    beside = f"`import json` {shown(took['import json'], 'ms')}; `{name}` {shown(took[name], 'ms')}"
    yield against(
        f"`{package}` over a bare interpreter, processor time", took[package], 15.0, "ms", beside=beside
    )


def opening_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
    """`open_tracker("jsonl")`, with the encoder imported already; what the disk takes for `run.json` beside it."""
    took, disk = [], []
    for number in range(2 * sizes.starts):
        took.append(opening_ms(root / "opened", number))
        began = time.perf_counter()
        write_whole(root / "opened" / f"file-{number}", bytes(1000))
        disk.append(1e3 * (time.perf_counter() - began))
    beside = f"writing 1 kB safe against a power cut, as `run.json` is: {shown(disk[1:], 'ms')}"
    memory = Path("/dev/shm")
    if memory.is_dir():
        with tempfile.TemporaryDirectory(dir=memory) as name:
            there = [opening_ms(Path(name), number) for number in range(2 * sizes.starts)]
        beside += f"; opening in memory, where that costs nothing: {shown(there[1:], 'ms')}"
    yield against('`open_tracker("jsonl")`, encoder imported', took[1:], 1.0, "ms", beside=beside)


def opening_ms(root: Path, number: int) -> float:
    """Milliseconds until a new run is open."""
    began = time.perf_counter()
    tracker = open_tracker("jsonl", root=root, name=f"run-{number}", config={"lr": 0.1})
    took = 1e3 * (time.perf_counter() - began)
    tracker.finish()
    return took


# Idle, and over a long time; each in a process of its own.


def idle_child(root: Path) -> None:
    """Log, wait until the thread sleeps, and be idle between two marks."""
    tracker = open_tracker("jsonl", root=root)
    tracker.log({"a": 1.0}, step=0)
    tracker.flush()
    time.sleep(11.0)
    with marks(root):
        time.sleep(5.0)
    tracker.finish()


def burst_child(root: Path) -> None:
    """Log a burst between two marks, while the thread looks after rows every 0.1 s."""
    tracker, rows = open_tracker("jsonl", root=root), host_rows(8)
    tracker.log(rows[0], step=0)
    tracker.flush()
    with marks(root):
        for step in range(1, TRACED_CALLS + 1):
            tracker.log(rows[step % len(rows)], step=step)
    tracker.finish()


@contextlib.contextmanager
def marks(root: Path) -> Iterator[None]:
    """What ``traced`` looks for."""
    Path(root, "mark-begins").touch()
    yield
    Path(root, "mark-ends").touch()


def traced(child: str, root: Path) -> tuple[str, list[str]] | None:
    """The main thread, and the system calls of all threads between a child's marks; None: there is no strace."""
    trace = root / "trace"
    command = [
        "strace",
        "-f",
        "-qq",
        "-o",
        str(trace),
        sys.executable,
        str(HERE),
        "--child",
        child,
        str(root),
    ]
    if which("strace") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        return None
    calls = trace.read_text(errors="replace").splitlines()
    found = [index for index, line in enumerate(calls) if "/mark-" in line]
    return calls[0].split()[0], calls[found[0] : found[-1]]


def system_call_lines(root: Path) -> Iterator[Line]:
    """What the caller wakes, and what the tracker's thread does while nothing is logged."""
    burst = traced("burst", root)
    if burst is not None:
        main, calls = burst
        wakes = [line for line in calls if line.split()[0] == main and "FUTEX_WAKE" in line]
        yield Line(
            what=f"threads woken by the caller in {TRACED_CALLS:,} calls of `log`",
            figure=str(len(wakes)),
            target="at most 1: the interpreter's own lock, handed over at a tick",
            met=len(wakes) <= 1,
        )
    idle = traced("idle", root)
    if idle is not None:
        main, calls = idle
        others = [line for line in calls if line.split()[0] != main]
        yield Line(
            what="system calls of the tracker in 5 idle seconds, from 11 s after the last row",
            figure=str(len(others)),
            target="0",
            met=not others,
        )


def memory_child(root: Path, rows: int, trackers: str) -> None:
    """Print by how many MB the process grew until its queue had been full, and by how many afterwards."""
    many = host_rows(8)
    tracker = open_tracker(trackers, root=root)
    start = memory_mb("VmRSS")
    for step in range(FILLING + rows):
        tracker.log(many[step % len(many)], step=step)
        if step == FILLING:
            filled = memory_mb("VmHWM")
    peak = memory_mb("VmHWM")
    tracker.finish(timeout=0.5 if trackers == "hanging" else 60.0)
    print(filled - start, peak - filled)


def memory_mb(what: str) -> float:
    """Memory of this process: ``VmRSS`` now, ``VmHWM`` at its highest."""
    lines_of = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines_of if line.startswith(what))


def memory_lines(sizes: Sizes, root: Path) -> Iterator[Line]:
    """Growth over very many rows, the queue included."""
    for trackers, words in (("jsonl", ""), ("hanging", ", a backend hangs")):
        command = [
            sys.executable,
            str(HERE),
            "--child",
            "memory",
            str(root),
            str(sizes.memory_rows),
            trackers,
        ]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        filling, grown = map(float, done.stdout.split()[-2:])
        yield Line(
            what=f"growth of memory over {sizes.memory_rows:,} rows of 8 in a burst{words}",
            figure=f"{grown:+.1f} MB",
            beside=f"before, until the queue of 65,536 rows had been full: {filling:+.0f} MB",
            target="at most +10 MB",
            met=grown <= 10.0,
        )


def all_lines(*, quick: bool) -> Iterator[Line]:
    """Every line, one after the other."""
    sizes = Sizes(quick=quick)
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as name:
        root = Path(name)
        parts: Mapping[str, Callable[[], Iterator[Line]]] = {
            "burst": lambda: burst_lines(sizes, root),
            "loop": lambda: loop_lines(sizes, root),
            "pipe": lambda: pipe_lines(sizes, root),
            "series": lambda: series_lines(sizes, root),
            "histogram": lambda: histogram_lines(sizes, root),
            "tensorboard": lambda: tensorboard_lines(sizes, root),
            "import": lambda: import_lines(sizes),
            "opening": lambda: opening_lines(sizes, root),
            "memory": lambda: memory_lines(sizes, root),
            "system calls": lambda: system_call_lines(root),
        }
        for part, measure in parts.items():
            print(f"  {part} ...", file=sys.stderr, flush=True)
            yield from measure()


def main() -> None:
    """Measure, and print the table or its JSON."""
    parser = lines.part_parser(__doc__)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, root, *rest = options.child
        if kind == "memory":
            memory_child(Path(root), int(rest[0]), rest[1])
        else:
            {"burst": burst_child, "idle": idle_child}[kind](Path(root))
        return
    lines.print_part(all_lines(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    main()
