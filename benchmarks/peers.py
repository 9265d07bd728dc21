"""Measure other trackers by the same yardstick: rows of 30 floats, each in a process of its own.

    python benchmarks/peers.py

Whichever is installed. Rows are few, since some take milliseconds. What a peer writes and promises differs; this
says what its calls cost the loop and what a row costs the machine, not what it is worth.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import lines
import numpy as np
from lines import Line, shown
from sample_rows import host_rows

ROWS = 1000


class Peer(NamedTuple):
    """Opens a log in the current folder: what logs a row, and what ends it."""

    package: str
    open: Callable[[], tuple[Callable[[dict[str, float], int], Any], Callable[[], Any]]]


def _plain() -> Any:
    file = Path("plain.jsonl").open("w", encoding="utf-8")  # noqa: SIM115 - closed at the end of the run
    return (lambda row, step: file.write(json.dumps({"_step": step, **row}) + "\n")), file.close


def _ours(trackers: str) -> Any:
    from hackmatrix.tracking import open_tracker

    tracker = open_tracker(trackers, name="peer", options=_offline() if "wandb" in trackers else {})
    return (lambda row, step: tracker.log(row, step=step)), tracker.finish


def _offline() -> dict[str, dict[str, Any]]:
    return {"wandb": {"mode": "offline"}}


def _tensorboardx() -> Any:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter("tensorboardX")

    def log(row: dict[str, float], step: int) -> None:
        for tag, value in row.items():
            writer.add_scalar(tag, value, step)

    return log, writer.close


def _wandb() -> Any:
    import wandb

    run = wandb.init(project="peer", mode="offline", dir=".", settings=wandb.Settings(silent=True))
    return (lambda row, step: run.log(row, step=step)), run.finish


def _trackio() -> Any:
    import trackio

    trackio.init(project="peer")
    return (lambda row, step: trackio.log(row, step=step)), trackio.finish


def _clu() -> Any:
    from clu import metric_writers

    writer = metric_writers.create_default_writer("clu", just_logging=False)
    return (lambda row, step: writer.write_scalars(step, row)), writer.close


PEERS = {
    "`json.dumps` + buffered write": Peer("json", _plain),
    "hackmatrix, `jsonl`": Peer("hackmatrix", lambda: _ours("jsonl")),
    "hackmatrix, `tensorboard`": Peer("tensorboardX", lambda: _ours("tensorboard")),
    "hackmatrix, `wandb` offline": Peer("wandb", lambda: _ours("wandb")),
    "tensorboardX `SummaryWriter`": Peer("tensorboardX", _tensorboardx),
    "wandb offline": Peer("wandb", _wandb),
    "trackio": Peer("trackio", _trackio),
    "CLU": Peer("clu", _clu),
}


def child(name: str) -> None:
    """Log the rows here; print what it took."""
    rows = host_rows(30)
    log, end = PEERS[name].open()
    for step in range(50):
        log(rows[step], step)
    time.sleep(0.5)  # whatever is imported with the first row is no part of the others
    took = np.zeros(ROWS)
    used, began = cpu(), time.perf_counter()
    for step in range(ROWS):
        start = time.perf_counter()
        log(rows[step % len(rows)], 50 + step)
        took[step] = time.perf_counter() - start
    end()
    wall = time.perf_counter() - began
    p50, p99 = np.percentile(1e6 * took, (50, 99))
    print(
        "\n"
        + json.dumps({"p50": p50, "p99": p99, "cpu": 1e6 * (cpu() - used) / ROWS, "wall": 1e6 * wall / ROWS})
    )


def cpu() -> float:
    """Seconds of this process and of the children that have ended."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in each)


def all_lines(*, quick: bool) -> Iterator[Line]:
    """A line for each peer."""
    rounds = 3 if quick else 8
    for name, peer in PEERS.items():
        if importlib.util.find_spec(peer.package) is None:
            continue
        print(f"  {name} ...", file=sys.stderr, flush=True)
        found: dict[str, list[float]] = {"p50": [], "p99": [], "cpu": [], "wall": []}
        problem = ""
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as folder:
                done = run_child(name, folder)
            if isinstance(done, str):
                problem = done
                break
            for key, values in found.items():
                values.append(done[key])
        what = f"{name}: a call of 30 floats in a burst, p50"
        if problem:
            yield Line(what=what, figure=f"not measured: {problem}")
            continue
        yield Line(
            what=what,
            figure=shown(found["p50"], "us"),
            beside=f"p99 {shown(found['p99'], 'us')}; a row to the closed log, processor time: "
            f"{shown(found['cpu'], 'us')}",
        )


def run_child(name: str, folder: str) -> dict[str, float] | str:
    """The child's figures, or the last line of why there are none."""
    environment = {
        **os.environ,
        "HOME": folder,
        "TRACKIO_DIR": folder,
        "WANDB_MODE": "offline",
        "JAX_PLATFORMS": "cpu",
    }
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--child", name],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "no end within 120 s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1][:150].replace("|", "/")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measure, and print the table or its JSON."""
    parser = lines.part_parser(__doc__)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    lines.print_part(all_lines(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    main()
