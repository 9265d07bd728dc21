"""Where the time goes, as text: one file for each profile, with the command that made it on top.

python benchmarks/profiles.py             all of them, into benchmarks/profiles/
python benchmarks/profiles.py call line   some of them
"""

import argparse
import cProfile
import io
import json
import math
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import lines
import numpy as np
from machine import described, machine_facts
from sample_rows import device_rows, host_rows
from trainer import BREAKOUT, CARTPOLE, Logged, large

from hackmatrix.purejaxrl import init_runner, make_environment, make_train_chunk
from hackmatrix.purejaxrl.shuffle import permutation
from hackmatrix.tracking import open_tracker
from hackmatrix.tracking.lines import as_line, encode_lines, encode_objects
from hackmatrix.tracking.ordering import StepOrder
from hackmatrix.tracking.series import Series
from hackmatrix.tracking.values import copy_metrics

HERE = Path(__file__).parent


def least_us(action: Callable[[int], Any], count: int = 5000, rounds: int = 15) -> float:
    """Microseconds of a call, of the best round, the loop's own time taken off."""

    def best(action: Callable[[int], Any]) -> float:
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            for step in range(count):
                action(step)
            took.append(time.perf_counter() - began)
        return 1e6 * min(took) / count

    return best(action) - best(lambda _: None)


def call() -> str:
    """The parts of a call of `log` in a burst, each measured alone; a part includes being called."""
    text = ["microseconds, least of 15 rounds", ""]
    for kind, row in (
        ("8 floats", host_rows(8, 1)[0]),
        ("30 floats", host_rows(30, 1)[0]),
        ("8 device scalars", device_rows(1)[0]),
    ):
        steps, lock = StepOrder(None), threading.Lock()

        def locked(_: int, lock: Any = lock) -> None:
            with lock:
                pass

        parts: dict[str, Callable[[int], Any]] = {
            "copy and check the values (copy_metrics)": lambda _, row=row: copy_metrics(row),
            "  of it: is each of them a float": lambda _, row=row: are_floats(row),
            "check tags and step (admit_row)": lambda _, row=row, steps=steps: steps.admit_row(
                steps.newest + 1, row
            ),
            "take the lock of the order": locked,
            "two clocks": lambda _: (time.time(), time.monotonic()),
        }
        text.append(kind)
        text += [f"  {least_us(part):6.3f}  {name}" for name, part in parts.items()]
        with tempfile.TemporaryDirectory() as folder, open_tracker("jsonl", root=folder) as tracker:
            took, first = [], 0
            for _ in range(15):
                began = time.perf_counter()
                for step in range(first, first + 2000):
                    tracker.log(row, step=step)
                took.append(1e6 * (time.perf_counter() - began) / 2000)
                first += 2000
                tracker.flush()
        text.append(f"  {min(took):6.3f}  the whole call, with the loop")
    return "\n".join(text)


def are_floats(row: dict[str, Any]) -> bool:
    """The loop of ``copy_metrics``."""
    for value in row.values():  # noqa: SIM110 - the loop that is measured
        if type(value) is not float:
            return False
    return True


def line() -> str:
    """The parts of the writer thread's work for a row, in batches of 1024."""
    text = ["microseconds a row, least of 15 rounds", ""]
    for width in (8, 30):
        rows = [as_line(dict(row), step, time.time(), 1.5) for step, row in enumerate(host_rows(width, 1024))]
        data = encode_lines(rows)
        with tempfile.TemporaryFile() as file:
            descriptor = file.fileno()
            parts: dict[str, Callable[[int], Any]] = {
                "encode and note what is not finite (encode_lines)": lambda _, rows=rows: encode_lines(rows),
                "  of it: msgspec": lambda _, rows=rows: encode_objects(rows),
                "  of it: is the sum finite": lambda _, rows=rows: [
                    math.isfinite(sum(row.values())) for row in rows
                ],
                "write, into new pages": lambda _, data=data, to=descriptor: os.write(to, data),
            }
            text.append(f"{width} floats, {len(data) / 1024:.0f} bytes a row")
            text += [f"  {least_us(part, 10) / 1024:6.3f}  {name}" for name, part in parts.items()]
    return "\n".join(text)


def series() -> str:
    """The parts of `log_series` of a packed (10, 30), for a row."""
    packed = np.array([list(row.values()) for row in host_rows(30, 10)])
    steps, tags = range(10), list(host_rows(30, 1)[0])
    made = Series(packed, steps, None, tags)

    def told(_: str, convert: Callable[[], None]) -> None:
        convert()

    found = made.lines(1.0, 2.0, told)
    parts: dict[str, Callable[[int], Any]] = {
        "check and copy, in the call (Series)": lambda _: Series(packed, steps, None, tags),
        "make lines, on the thread (Series.lines)": lambda _: made.lines(1.0, 2.0, told),
        "  of it: numbers of the array (tolist)": lambda _: packed.tolist(),
        "encode, on the thread (encode_lines)": lambda _: encode_lines(found),
    }
    return "\n".join(f"{least_us(part, 500) / 10:8.3f}  {name}" for name, part in parts.items())


def start() -> str:
    """The second start of a config: processor seconds until each stage is over."""
    code = """
import sys, time
def stage(name): print(f"{time.process_time():8.2f}  {name}", flush=True)
stage("Python itself")
import jax; stage("import jax")
import flax, optax; stage("import flax, optax")
import gymnax; stage("import gymnax")
from hackmatrix.purejaxrl import TrainConfig, init_runner, make_environment, make_train_chunk
sys.path.insert(0, "scripts")
import train_purejaxrl; stage("import the script and what it uses")
from compile_cache import use_compile_cache
use_compile_cache()
config = TrainConfig(env="gymnax:CartPole-v1")
env = make_environment(config.env)
runner = init_runner(config, env); stage("make the first state")
lowered = make_train_chunk(config, env).lower(runner, 10); stage("trace the program")
lowered.compile(); stage("compile it, or load it from the cache")
"""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parent
        )
    return done.stdout.rstrip()


def importing() -> str:
    """What `from hackmatrix.tracking import open_tracker` imports; the most expensive modules, with theirs."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from hackmatrix.tracking import open_tracker"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = done.stderr.splitlines()
    slowest = sorted(found[1:], key=lambda line: -int(line.split("|")[1]))[:30]
    return "\n".join([found[0], *slowest])


def opening() -> str:
    """`open_tracker` of a new run, 60 times."""
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        open_tracker("jsonl", root=folder, name="first").finish()
        for number in range(60):
            profile.enable()
            tracker = open_tracker("jsonl", root=folder, name=f"run-{number}", config={"lr": 0.1})
            profile.disable()
            tracker.finish()
    return top(profile, 25)


def loop() -> str:
    """The Python side of chunks of 10 updates of 256 x 128, logged; `asarray` is waiting for the device."""
    with tempfile.TemporaryDirectory() as folder:
        train = Logged(large(), Path(folder))
        train()
        profile = cProfile.Profile()
        profile.runcall(lambda: [train() for _ in range(2)])
        train.finish()
    return top(profile, 25)


def update() -> str:
    """The parts of an update of 256 x 128, by leaving work out; milliseconds, least of 5 rounds of 10 updates."""
    return "\n\n".join(f"{env}, 2 x 64\n{parts_of_update(env)}" for env in (CARTPOLE, BREAKOUT))


def parts_of_update(env_name: str) -> str:
    """A line for each part."""

    def each(**changes: Any) -> float:
        config = large(env=env_name, **changes)
        env = make_environment(config.env)
        chunk, runner, took = make_train_chunk(config, env), init_runner(config, env), []
        for _ in range(6):
            began = time.perf_counter()
            runner, packed = chunk(runner, 10)
            jax.block_until_ready((runner, packed))
            took.append(time.perf_counter() - began)
        return 1e3 * min(took[1:]) / 10

    whole, one_epoch = each(), each(update_epochs=1)
    epoch = (whole - one_epoch) / 3
    rows = 256 * 128
    shuffled = jax.jit(lambda key: permutation(key, rows))
    jax.block_until_ready(shuffled(jax.random.key(0)))
    shuffle = least_us(lambda step: jax.block_until_ready(shuffled(jax.random.key(step))), 20, 5) / 1e3
    parts = {
        "the whole update": whole,
        "an epoch of 4 minibatches (of 4 epochs)": epoch,
        "a shuffle, alone (in each epoch)": shuffle,
        "the rest: rollout, environment, advantages": whole - 4 * epoch,
    }
    return "\n".join(f"{milliseconds:8.1f}  {name}" for name, milliseconds in parts.items())


def game() -> str:
    """A step of the game, on all cores and on one.

    XLA runs its many small loops side by side in a pool of threads, one for each core: handing them over costs more
    than they do, and while one thread works the other waits without resting, so that processor time is up to twice
    the wall. With 64 and 256 games one core is faster by both clocks. The body of a step has some 150 such loops.
    Tried in vain: all results of a phase in one array (as many loops, since each is computed by itself), calls that
    are not inlined, XLA's attribute for small calls (it refuses reductions and scatters), and its schedulers.
    """
    text = ["form      games  cores    us of processor time  us of wall"]
    for form in ("batched", "flat"):
        for envs in (64, 256, 2048):
            for cores in (sorted(os.sched_getaffinity(0)), sorted(os.sched_getaffinity(0))[:1]):
                command = [sys.executable, str(HERE / "game_speed.py"), "--json-of-one", "--form", form]
                command += ["--envs", str(envs)]
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, text=True, check=True,
                    preexec_fn=lambda cores=cores: os.sched_setaffinity(0, cores),
                )  # fmt: skip
                found = json.loads(done.stdout.splitlines()[-1])
                cpu = statistics.median(found["cpu_us"])
                text.append(f"{form:8} {envs:6,} {len(cores):6} {cpu:23.2f} {found['wall_us']:11.2f}")
    return "\n".join(text)


def top(profile: cProfile.Profile, count: int) -> str:
    """The functions in which most time was spent, without paths."""
    out = io.StringIO()
    pstats.Stats(profile, stream=out).strip_dirs().sort_stats("tottime").print_stats(count)
    return out.getvalue().strip()


PROFILES: dict[str, Callable[[], str]] = {
    "call": call,
    "line": line,
    "series": series,
    "import": importing,
    "open": opening,
    "start": start,
    "loop": loop,
    "update": update,
    "game": game,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the profiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=", ".join(PROFILES))
    names = parser.parse_args(argv).names or list(PROFILES)
    folder = HERE / "profiles"
    folder.mkdir(exist_ok=True)
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found = PROFILES[name]()
        head = f"{' '.join((PROFILES[name].__doc__ or '').split())}\n\n$ python benchmarks/profiles.py {name}"
        conditions = described(machine_facts(lines.PACKAGES))
        (folder / f"{name}.txt").write_text(f"{head}\n{conditions}\n\n{found}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
