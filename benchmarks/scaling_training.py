"""How the trainer grows: one point of a curve, in the process (or the processes) that is measured.

Each figure is the median of the chunks after the first, processor time their sum. Devices are simulated on the
processor: they share its cores, so their curve tells the price of spreading, and no speed-up beyond the cores.
Processes talk over the loopback.
"""

import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from scaling_tracking import Figures, peak_mb

SIZES: dict[str, Any] = {
    "env": "gymnax:CartPole-v1", "num_envs": 256, "num_steps": 32, "num_minibatches": 4, "update_epochs": 4,
    "num_shards": 1, "log_interval": 2, "total_timesteps": 10**9,
}  # fmt: skip
SMALL = {"num_envs": 16}  # where there are many agents
LIMIT_S = 20.0  # for the chunks of one point, of which there are three at least
PART_RUN = 100  # chunks that each of several seeds trains, of the runs that are compared from start to end


def envs(value: int, *, quick: bool) -> Figures:
    """So many environments in one shard."""
    return chunks_of({"num_envs": value}, quick=quick)


def shards(value: int, *, quick: bool) -> Figures:
    """256 environments x 128 steps in so many shards on one device."""
    return chunks_of({"num_steps": 128, "num_shards": value}, quick=quick)


def seeds(value: int, *, quick: bool) -> Figures:
    """So many agents of 16 environments in one program."""
    return chunks_of(SMALL, quick=quick, seeds=value)


def devices(value: int, *, quick: bool) -> Figures:
    """8 shards on so many simulated devices."""
    flags = "--xla_force_host_platform_device_count=8"
    return chunks_of({"num_shards": 8}, quick=quick, devices=value, flags=flags)


def processes(value: int, *, quick: bool) -> Figures:
    """4 shards in so many processes."""
    return chunks_of({"num_shards": 4}, quick=quick, devices=value, processes=value)


def together(value: int, *, quick: bool) -> Figures:
    """So many seeds from start to end: in one program, and as runs one after the other, each compiled anew."""
    chunks = PART_RUN // 4 if quick else PART_RUN
    one = started(SMALL, chunks=chunks, seeds=value)
    apart = [started(SMALL, chunks=chunks) for _ in range(value)]
    return {
        "together_s": one["wall_s"], "together_cpu_s": one["cpu_s"], "together_mb": one["peak_mb"],
        "apart_s": sum(each["wall_s"] for each in apart), "apart_cpu_s": sum(each["cpu_s"] for each in apart),
        "apart_mb": max(each["peak_mb"] for each in apart),
    }  # fmt: skip


def chunks_of(sizes: dict[str, Any], *, quick: bool, **more: Any) -> Figures:
    """Figures of a few chunks: ten, or what of them is done in the time."""
    found = started(sizes, chunks=3 if quick else 10, limit_s=LIMIT_S, **more)
    return {key: found[key] for key in ("speed", "slowest", "fastest", "step_us", "peak_mb", "first_s")}


def started(
    sizes: dict[str, Any],
    *,
    chunks: int,
    limit_s: float | None = None,
    seeds: int = 1,
    devices: int = 1,
    processes: int = 1,
    flags: str = "",
) -> Figures:
    """Train in fresh processes without a cache of programs; figures of the first, processor time of all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as cache:
        environment = {
            **os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": cache,
        }  # fmt: skip
        began = time.perf_counter()
        running = []
        for number in range(processes):
            told = {
                "sizes": {**SIZES, **sizes}, "chunks": chunks, "seeds": seeds, "devices": devices,
                "limit_s": limit_s if processes == 1 else None,  # several have to do equally many
                "place": [address, processes, number] if processes > 1 else None,
            }  # fmt: skip
            running.append(
                subprocess.Popen(
                    [sys.executable, __file__, json.dumps(told)],
                    env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
        said = [process.communicate() for process in running]
    if any(process.returncode for process in running):
        raise RuntimeError("\n".join(err for _, err in said))
    found: list[Figures] = [json.loads(out.splitlines()[-1]) for out, _ in said]
    every = {key: sum(each[key] for each in found) for key in ("step_us", "cpu_s")}
    return {**found[0], **every, "wall_s": time.perf_counter() - began}


def measured(
    sizes: dict[str, Any],
    chunks: int,
    limit_s: float | None,
    seeds: int,
    devices: int,
    place: tuple[str, int, int] | None,
) -> Figures:
    """Train so many chunks after the first; runs in the process that is measured."""
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
        start_processes(*place)
    config = TrainConfig(**sizes)
    env = make_environment(config.env)
    layout = choose_layout(config, devices, num_seeds=seeds)
    runner = lay_out(init_runner(config, env, seeds), layout)
    chunk = make_train_chunk(config, env, layout)
    seconds: list[float] = []
    used, limit = 0.0, math.inf if limit_s is None else limit_s
    while len(seconds) <= chunks and (len(seconds) <= 3 or sum(seconds[1:]) < limit):
        at = time.perf_counter()
        runner, figures = chunk(runner, config.log_interval)
        np.asarray(figures)
        seconds.append(time.perf_counter() - at)
        if len(seconds) == 1:
            used = time.process_time()
    steps = config.log_interval * config.batch_size * seeds
    return {
        "speed": steps / statistics.median(seconds[1:]),
        "slowest": steps / max(seconds[1:]),
        "fastest": steps / min(seconds[1:]),
        "step_us": 1e6 * (time.process_time() - used) / (steps * (len(seconds) - 1)),
        "peak_mb": peak_mb(),
        "first_s": seconds[0],
        "cpu_s": time.process_time(),
    }


if __name__ == "__main__":
    print(json.dumps(measured(**json.loads(sys.argv[1]))))
