"""Measure what must not grow: system calls while nothing is logged, and memory over very many rows.

    python benchmarks/long_runs.py            a table
    python benchmarks/long_runs.py --quick    the same from fewer rows

Each is measured in a process of its own; system calls are counted by strace, where there is one.
"""

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import lines
import own_backends  # noqa: F401 - registers their names
from lines import Line
from sample_rows import host_rows

from hackmatrix.tracking import open_tracker

HERE = Path(__file__)
TRACED_CALLS = 5000
FILLING = 150_000  # rows of a burst after which the queue has been full


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


def memory_lines(root: Path, rows: int) -> Iterator[Line]:
    """Growth over very many rows, the queue included."""
    for trackers, words in (("jsonl", ""), ("hanging", ", a backend hangs")):
        command = [
            sys.executable,
            str(HERE),
            "--child",
            "memory",
            str(root),
            str(rows),
            trackers,
        ]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        filling, grown = map(float, done.stdout.split()[-2:])
        yield Line(
            what=f"growth of memory over {rows:,} rows of 8 in a burst{words}",
            figure=f"{grown:+.1f} MB",
            beside=f"before, until the queue of 65,536 rows had been full: {filling:+.0f} MB",
            target="at most +10 MB",
            met=grown <= 10.0,
        )


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
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as name:
        root = Path(name)
        found = [*memory_lines(root, rows=200_000 if options.quick else 1_000_000), *system_call_lines(root)]
    lines.print_part(found, as_json=options.json)


if __name__ == "__main__":
    main()
