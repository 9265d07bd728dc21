"""Measure the game under random legal play: processor time per environment step, compile time, memory.

Everything a rollout pays for the game is in the loop: the action mask, a random legal action, the step with
its rewards, stages as they come, the observation, and the next game in place where one has ended. Two forms:

    batched   `HackMatrix().batched()`, as the trainer plays it: the observation as 83 words
    flat      `reset` and `step` of the Gymnax interface under `vmap`: the observation as 1545 floats

Processor time is that of the whole process with all its threads; it hardly depends on what else the machine
does, where wall time does. Each form runs in a process of its own.

    python benchmarks/game_speed.py
    python benchmarks/game_speed.py --envs 256 --form batched --repetitions 9
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import EnvState, HackMatrix

NUM_STEPS = 128
GAME = HackMatrix()
Carry = tuple[Array, EnvState, Array, Array]


class Flat:
    """The public interface of one game, mapped over games."""

    reset = staticmethod(jax.vmap(GAME.reset))
    step = staticmethod(jax.vmap(GAME.step))
    action_mask = staticmethod(jax.vmap(GAME.get_action_mask))

    @staticmethod
    def reset_where(ended: Array, keys: Array, obs: Array, state: EnvState) -> tuple[Array, EnvState]:
        """A new game where one has ended, by selecting."""
        first_obs, first_state = Flat.reset(keys)

        def choose(first: Array, following: Array) -> Array:
            return jnp.where(ended.reshape(-1, *[1] * (following.ndim - 1)), first, following)

        return choose(first_obs, obs), jax.tree.map(choose, first_state, state)


FORMS: dict[str, Any] = {"batched": GAME.batched(), "flat": Flat}


def random_legal(key: Array, mask: Array) -> Array:
    """int32 (envs,): a legal action each, uniformly: the k-th of the mask, bool (envs, 28)."""
    count = jnp.cumsum(mask.astype(jnp.int32), axis=1)
    legal = count[:, -1]
    drawn = (jax.random.uniform(key, legal.shape) * legal).astype(jnp.int32)
    number = 1 + jnp.minimum(drawn, legal - 1)  # the product may be rounded up
    return jnp.sum(count < number[:, None], axis=1, dtype=jnp.int32)


def one_step(game: Any, carry: Carry, _: None) -> tuple[Carry, None]:
    """Mask, choice, step and auto-reset of all games; sums of what a trainer would take along."""
    key, state, obs, total = carry
    key, choice_key, step_key = jax.random.split(key, 3)
    action = random_legal(choice_key, game.action_mask(state))
    keys = jax.random.split(step_key, len(action))
    obs, state, reward, done, info = game.step(keys, state, action)
    obs, state = game.reset_where(done, keys, obs, state)
    seen = (reward, done, info["stage_completed"], info["kills"])
    return (key, state, obs, total + jnp.stack([jnp.sum(value) for value in seen])), None


def measure(form: str, envs: int, repetitions: int) -> dict[str, Any]:
    """One line of the table."""
    game = FORMS[form]

    @jax.jit
    def rollout(carry: Carry) -> Carry:
        return jax.lax.scan(partial(one_step, game), carry, None, length=NUM_STEPS)[0]

    obs, state = jax.jit(game.reset)(jax.random.split(jax.random.key(0), envs))
    carry = (jax.random.key(1), state, obs, jnp.zeros(4))
    wall, cpu = time.perf_counter(), time.process_time()
    compiled = rollout.lower(carry).compile()
    compile_s, compile_cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    carry = jax.block_until_ready(compiled(carry))  # warm: thread pools, buffers
    cpu_us, wall_us = [], []
    for _ in range(repetitions):
        wall, cpu = time.perf_counter(), time.process_time()
        carry = jax.block_until_ready(compiled(carry))
        million_steps = envs * NUM_STEPS / 1e6
        cpu_us.append((time.process_time() - cpu) / million_steps)
        wall_us.append((time.perf_counter() - wall) / million_steps)
    mean = carry[3] / (envs * NUM_STEPS * (repetitions + 1))
    return {
        "form": form,
        "envs": envs,
        "cpu_us": cpu_us,
        "wall_us": min(wall_us),
        "compile_s": compile_s,
        "compile_cpu_s": compile_cpu_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "games_per_step": float(mean[1]),
        "stages_per_step": float(mean[2]),
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Rows of the table, with the machine they come from."""
    print(
        f"jax {jax.__version__}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print("               us of processor time     us wall    compile, s    peak     per step")
    print("form     envs     min  median     max       min     wall   cpu      MB    ended  stages")
    for row in rows:
        cpu = row["cpu_us"]
        print(
            f"{row['form']:8} {row['envs']:4}  {min(cpu):6.2f}  {statistics.median(cpu):6.2f}  {max(cpu):6.2f}"
            f"    {row['wall_us']:6.2f}   {row['compile_s']:6.1f} {row['compile_cpu_s']:5.1f}  "
            f"{row['peak_mb']:6.0f}   {row['games_per_step']:.4f}  {row['stages_per_step']:.4f}"
        )


def main() -> None:
    """Measure each form and size in a fresh process, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", type=int, nargs="+", default=[64, 256, 2048])
    parser.add_argument("--form", choices=FORMS, nargs="+", default=list(FORMS))
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json-of-one", action="store_true", help="measure here, print one JSON line")
    options = parser.parse_args()
    if options.json_of_one:
        print(json.dumps(measure(options.form[0], options.envs[0], options.repetitions)))
        return
    rows = []
    for form in options.form:
        for envs in options.envs:
            arguments = ["--json-of-one", "--form", form, "--envs", str(envs)]
            arguments += ["--repetitions", str(options.repetitions)]
            done = subprocess.run(
                [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    print_table(rows)


if __name__ == "__main__":
    main()
