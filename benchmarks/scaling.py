"""How the trainer grows: env steps per second and memory against environments, devices, processes and seeds.

    python benchmarks/scaling.py                         every curve, as tables in Markdown
    python benchmarks/scaling.py --only envs --quick     one of them, with fewer chunks

Each figure comes from a process of its own, and is the median of the chunks after the first. Devices are simulated
on the processor: they share its cores, so their curve tells the price of spreading, and no speed-up beyond the
cores. Processes talk over the loopback.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from typing import Any

CURVES: dict[str, tuple[int, ...]] = {
    "envs": (64, 256, 1024, 4096, 16384),
    "devices": (1, 2, 4, 8),
    "processes": (1, 2, 4),
    "seeds": (1, 4, 16, 64),
}
SIZES = {
    "env": "gymnax:CartPole-v1", "num_steps": 32, "num_minibatches": 4, "update_epochs": 4, "log_interval": 2,
    "total_timesteps": 10**9,
}  # fmt: skip


def measure(curve: str, value: int, chunks: int, place: tuple[str, int] | None) -> dict[str, Any]:
    """Steps per second over all agents, peak memory, seconds to the first figures; runs in a fresh process."""
    import numpy as np

    from hackmatrix.purejaxrl import (
        TrainConfig,
        choose_layout,
        init_runner,
        make_environment,
        make_train_chunk,
    )
    from hackmatrix.purejaxrl import place as lay_out
    from hackmatrix.purejaxrl.processes import start_processes

    if place is not None:
        start_processes(place[0], value, place[1])
    envs = {"envs": value, "seeds": 16}.get(curve, 256)
    shards = {"envs": 1, "seeds": 1, "processes": 4}.get(curve, 8)
    config = TrainConfig(**SIZES, num_envs=envs, num_shards=shards)
    env = make_environment(config.env)
    seeds = value if curve == "seeds" else 1
    layout = choose_layout(config, value if curve in ("devices", "processes") else 1, num_seeds=seeds)
    runner = lay_out(init_runner(config, env, seeds), layout)
    chunk = make_train_chunk(config, env, layout)
    seconds = []
    for _ in range(1 + chunks):
        at = time.perf_counter()
        runner, figures = chunk(runner, config.log_interval)
        np.asarray(figures)
        seconds.append(time.perf_counter() - at)
    steps = config.log_interval * config.batch_size * seeds
    return {
        "curve": curve,
        "value": value,
        "steps_per_second": steps / statistics.median(seconds[1:]),
        "slowest": steps / max(seconds[1:]),
        "fastest": steps / min(seconds[1:]),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "first_s": seconds[0],
    }


def measured(curve: str, value: int, chunks: int) -> dict[str, Any]:
    """The same in processes of its own."""
    count = value if curve == "processes" else 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = "--xla_force_host_platform_device_count=8" if curve == "devices" else ""
    running = [
        subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--one",
                curve,
                str(value),
                str(chunks),
                address if count > 1 else "",
                str(i),
            ],
            env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]
    said = [process.communicate() for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError(said[0][1])
    found: dict[str, Any] = json.loads(said[0][0].splitlines()[-1])
    return found


def table(figures: list[dict[str, Any]]) -> str:
    """One curve in Markdown."""
    lines = [
        f"| {figures[0]['curve']} | env steps/s (slowest to fastest chunk) | peak MB of a process | first chunk s |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {f['value']:,} | {f['steps_per_second']:,.0f} ({f['slowest']:,.0f} to {f['fastest']:,.0f}) "
        f"| {f['peak_mb']:,.0f} | {f['first_s']:.1f} |"
        for f in figures
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(CURVES))
    parser.add_argument(
        "--quick", action="store_true", help="three chunks instead of ten, and no largest size"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        curve, value, chunks, address, index = args.one
        place = (address, int(index)) if address else None
        print(json.dumps(measure(curve, int(value), int(chunks), place)))
        return
    every: list[dict[str, Any]] = []
    for curve in [args.only] if args.only else CURVES:
        values = CURVES[curve][:-1] if args.quick else CURVES[curve]
        figures = [measured(curve, value, 3 if args.quick else 10) for value in values]
        every += figures
        if not args.json:
            print(table(figures), end="\n\n", flush=True)
    if args.json:
        print(json.dumps(every))


if __name__ == "__main__":
    main()
