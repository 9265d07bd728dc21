"""How updates are cut into chunks changes no bit, and one program serves every cut."""

from functools import cache
from typing import Any

import chex
import jax
import numpy as np
import pytest

from hackmatrix.purejaxrl import chunk as chunk_module
from hackmatrix.purejaxrl.catalogue import make_environment
from hackmatrix.purejaxrl.chunk import chunk_length, make_train_chunk
from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.runner import Runner, init_runner, make_parts
from hackmatrix.purejaxrl.update import update
from tests.purejaxrl.spies import Clock
from tests.purejaxrl.states import assert_same_bits, copied, small

UPDATES = 10
CUTS = [(10,), (1,) * 10, (3, 3, 3, 1), (7, 3), (4, 4, 2), (1, 9)]


@cache
def first(config: TrainConfig, env: Environment) -> Runner:
    return init_runner(config, env)


@cache
def monolithic(config: TrainConfig, env: Environment) -> tuple[Runner, np.ndarray]:
    """All updates as one scan of fixed length, in one program, with nothing in between."""
    parts = make_parts(config, env)
    scan = jax.jit(lambda r: jax.lax.scan(lambda carry, _: update(parts, carry), r, None, UPDATES))
    runner, packed = scan(copied(first(config, env)))
    return runner, np.asarray(packed)


@cache
def cases() -> dict[str, tuple[TrainConfig, Environment, Any]]:
    """Environment and config of each kind, with a chunk that holds all updates."""
    cartpole = make_environment("gymnax:CartPole-v1")
    sizes = {"log_interval": UPDATES}
    wide = {**sizes, "num_steps": 16, "total_timesteps": 128 * UPDATES, "hidden_dim": 64, "num_layers": 2}
    made = {
        "spy": (small(**sizes, max_episode_steps=3), Environment(Clock(masked=True, resets_itself=False))),
        "cartpole": (small(**wide), cartpole),
        "shards": (small(**wide, num_shards=4), cartpole),
    }
    return {name: (config, env, make_train_chunk(config, env)) for name, (config, env) in made.items()}


def run_cut(
    config: TrainConfig, env: Environment, chunk: Any, cut: tuple[int, ...]
) -> tuple[Runner, np.ndarray]:
    runner, rows = copied(first(config, env)), []
    for length in cut:
        runner, packed = chunk(runner, length)
        rows.append(np.asarray(packed)[:length])
    return runner, np.concatenate(rows)


@pytest.mark.parametrize("case", ["spy", "cartpole", "shards"])
@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_chunked_equals_monolithic_to_the_bit(case: str, cut: tuple[int, ...]) -> None:
    config, env, chunk = cases()[case]
    runner, rows = run_cut(config, env, chunk, cut)
    expected, expected_rows = monolithic(config, env)
    assert_same_bits(runner, expected)
    np.testing.assert_array_equal(rows, expected_rows)
    assert int(runner.update) == UPDATES


@pytest.mark.parametrize("log_interval", [1, 3])
def test_so_does_a_program_of_another_capacity(log_interval: int) -> None:
    config, env, _ = cases()["cartpole"]
    program = make_train_chunk(small(**{**vars_of(config), "log_interval": log_interval}), env)
    cut = (log_interval,) * (UPDATES // log_interval) + ((1,) if log_interval == 3 else ())
    runner, rows = run_cut(config, env, program, cut)
    expected, expected_rows = monolithic(config, env)
    assert_same_bits(runner, expected)
    np.testing.assert_array_equal(rows, expected_rows)


def vars_of(config: TrainConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_one_program_serves_every_length(monkeypatch: pytest.MonkeyPatch) -> None:
    chex.clear_trace_counter()
    monkeypatch.setattr(chunk_module, "update", chex.assert_max_traces(update, n=1))
    config, env = small(), Environment(Clock())
    chunk = make_train_chunk(config, env)
    runner = init_runner(config, env)
    for length in (4, 1, 3, 2):
        runner, _ = chunk(runner, length)
    assert int(runner.update) == UPDATES
    with pytest.raises(AssertionError):  # the counter counts
        make_train_chunk(config, env)(runner, 1)


def test_the_runner_given_is_used_up() -> None:
    config, env, chunk = cases()["spy"]
    runner = copied(first(config, env))
    held = runner.params
    chunk(runner, 1)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(held))


def test_rows_beyond_the_length_are_zero() -> None:
    config, env, chunk = cases()["spy"]
    _, packed = chunk(copied(first(config, env)), 2)
    assert packed.shape[0] == UPDATES
    assert (np.asarray(packed)[2:] == 0).all()
    assert (np.abs(np.asarray(packed)[:2]).sum(axis=1) > 0).all()


@pytest.mark.parametrize(
    ("updates", "finished", "length"),
    [(47, 0, 10), (47, 10, 10), (47, 40, 7), (47, 13, 7), (47, 46, 1), (50, 40, 10), (3, 0, 3)],
)
def test_a_chunk_ends_at_a_multiple_or_at_the_end(updates: int, finished: int, length: int) -> None:
    config = TrainConfig(num_envs=4, num_steps=4, total_timesteps=16 * updates + 15, log_interval=10)
    assert chunk_length(config, finished) == length


def test_another_seed_is_another_run_and_the_same_seed_the_same() -> None:
    config, env, chunk = cases()["spy"]
    one, _ = chunk(copied(first(config, env)), 2)
    again, _ = chunk(init_runner(config, env), 2)
    other, _ = chunk(init_runner(small(seed=1, log_interval=UPDATES), env), 2)
    assert_same_bits(one, again)
    with pytest.raises(AssertionError, match="differ"):
        assert_same_bits(copied(one), other)
