"""Measure the game: a step of it, compiling it, and its share of an update.

    python benchmarks/game.py            a table
    python benchmarks/game.py --quick    the same from fewer rounds

A step is measured by `game_speed.py`, which says how. The share: an update of 256 x 128 with the default network is
alternated with the same update of a stub that takes the game's place (`no_game.py`). What the stub saves of the
update's processor time is the game.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import lines
from lines import Line, against, shown
from no_game import NoGame
from processes import Neighbours
from trainer import alternating, milliseconds

from hackmatrix.purejaxrl import Environment, TrainConfig, init_runner, make_environment, make_train_chunk

HERE = Path(__file__)
TARGETS = {"batched": 2.0, "flat": 4.0}  # us of processor time
WORDS = {"batched": "as the trainer plays it", "flat": "through the Gymnax interface, 1545 floats"}


# A step.


def step_lines(repetitions: int) -> Iterator[Line]:
    """Both forms at three sizes, each in a process of its own."""
    for form, target in TARGETS.items():
        compiles = []
        for envs in (64, 256, 2048):
            command = [sys.executable, str(HERE.with_name("game_speed.py")), "--json-of-one", "--form", form]
            command += ["--envs", str(envs), "--repetitions", str(repetitions)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            compiles.append(found["compile_s"])
            yield against(
                f"processor time of a step of {envs:,} games, random legal play, {WORDS[form]}",
                found["cpu_us"], target, "us",
                beside=f"at best {found['wall_us']:.2f} us of wall; peak {found['peak_mb']:.0f} MB",
            )  # fmt: skip
        yield Line(
            what=f"cold compile of a rollout, 64, 256 and 2,048 games, {WORDS[form]}",
            figure=", ".join(f"{each:.1f}" for each in compiles) + " s",
            target="under 8 s",
            met=max(compiles) < 8.0,
        )


# A training chunk.


def compile_child() -> None:
    """Print the seconds of wall and of processor time that tracing and compiling the default chunk take."""
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)  # as the script has it
    config = TrainConfig()
    env = make_environment(config.env)
    runner = init_runner(config, env)
    wall, cpu = time.perf_counter(), time.process_time()
    make_train_chunk(config, env).lower(runner, 10).compile()
    print(time.perf_counter() - wall, time.process_time() - cpu)


def compile_lines(starts: int) -> Iterator[Line]:
    """Cold, and from the cache that the cold one left."""
    found: dict[str, list[tuple[float, float]]] = {"cold": [], "from the cache": []}
    for _ in range(starts):
        with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as cache:
            for each in found.values():
                done = subprocess.run(
                    [sys.executable, str(HERE), "--child"],
                    env={**os.environ, "JAX_COMPILATION_CACHE_DIR": cache},
                    stdout=subprocess.PIPE, text=True, check=True,
                )  # fmt: skip
                wall, cpu = map(float, done.stdout.split()[-2:])
                each.append((wall, cpu))
    for name, target in (("cold", 15.0), ("from the cache", 3.0)):
        yield against(
            f"tracing and compiling a training chunk of 256 x 128, {name}",
            [wall for wall, _ in found[name]], target, "s",
            beside=f"processor time {shown([cpu for _, cpu in found[name]], 's')}",
        )  # fmt: skip


# The share of an update.


class OneUpdate:
    """Of 256 x 128 with the default network."""

    def __init__(self, env: Environment) -> None:
        config = TrainConfig()
        config = dataclasses.replace(config, total_timesteps=config.batch_size * 1_000_000)
        self._chunk, self._runner = make_train_chunk(config, env), init_runner(config, env)

    def __call__(self) -> None:
        """One more."""
        self._runner, _ = jax.block_until_ready(self._chunk(self._runner, 1))


def share_lines(rounds: int) -> Iterator[Line]:
    """The update with the game against the update with the stub."""
    sides = {
        "ours": OneUpdate(make_environment("hackmatrix")),
        "stub": OneUpdate(Environment(NoGame(), name="stub")),
    }
    neighbours = Neighbours()
    found = alternating(sides, rounds)
    for of, words in (("cpu", "processor time"), ("wall", "wall")):
        shares = [100 * (1 - b / a) for a, b in zip(found["ours"][of], found["stub"][of], strict=True)]
        what = f"the game's share of an update of 256 x 128, default network, {words}"
        beside = f"{milliseconds(found['ours'][of], 1)} an update, {milliseconds(found['stub'][of], 1)} with a stub"
        beside = f"{beside}; {neighbours}"
        if of == "cpu":
            yield against(what, shares, 5.0, "%", beside=beside)
        else:  # the game keeps one core busy, the network more
            yield Line(what=what, figure=shown(shares, "%"), beside=beside)


def all_lines(*, quick: bool) -> Iterator[Line]:
    """Every line, one after the other."""
    parts = {
        "steps": lambda: step_lines(3 if quick else 9),
        "compiling": lambda: compile_lines(1 if quick else 3),
        "share": lambda: share_lines(4 if quick else 16),
    }
    for part, measure in parts.items():
        print(f"  {part} ...", file=sys.stderr, flush=True)
        yield from measure()


def main() -> None:
    """Measure, and print the table or its JSON."""
    parser = lines.part_parser(__doc__)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        compile_child()
    else:
        lines.print_part(all_lines(quick=options.quick), as_json=options.json)


if __name__ == "__main__":
    main()
