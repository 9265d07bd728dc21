"""Both shapes of Gymnax, and what an environment may declare."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hackmatrix.purejaxrl.catalogue import make_environment
from hackmatrix.purejaxrl.config import ConfigError
from hackmatrix.purejaxrl.environments import Environment, LogColumn, select
from tests.purejaxrl.spies import Clock


def one_step(env: Environment, time: int) -> object:
    keys = jax.random.split(jax.random.key(0), 2)
    _, state = env.reset(keys)
    state = state._replace(time=jnp.full((2,), time, jnp.int32))
    return env.step(jax.random.split(jax.random.key(1), 2), state, jnp.zeros((2,), jnp.int32))


@pytest.mark.parametrize("six", [False, True])
def test_five_and_six_values_mean_the_same(six: bool) -> None:
    step = one_step(Environment(Clock(length=5, six_values=six, resets_itself=False)), 4)
    assert step.terminated.tolist() == [True, True]
    assert step.truncated.tolist() == [False, False]
    assert step.final_observation.time.tolist() == [5, 5]
    assert step.reward.tolist() == [5.0, 5.0]
    assert step.reward.dtype == jnp.float32


def test_the_final_observation_is_that_before_the_reset() -> None:
    step = one_step(Environment(Clock(length=5, six_values=True, ends_by_clock=True)), 4)
    assert step.truncated.tolist() == [True, True]
    assert step.terminated.tolist() == [False, False]
    assert step.final_observation.time.tolist() == [5, 5]
    assert step.observation.time.tolist() == [0, 0]


def test_an_end_that_is_both_is_a_termination() -> None:
    class Both(Clock):
        def step(self, *args: object) -> object:
            observation, state, reward, _, truncated, info = super().step(*args)
            return observation, state, reward, truncated, truncated, info

    step = one_step(Environment(Both(length=5, six_values=True, ends_by_clock=True)), 4)
    assert step.terminated.tolist() == [True, True]
    assert step.truncated.tolist() == [False, False]


def test_the_mask_is_the_environments_own_or_none() -> None:
    masked = Environment(Clock(masked=True))
    _, state = masked.reset(jax.random.split(jax.random.key(0), 3))
    assert masked.action_mask(state).tolist() == [[True, False, False, False]] * 3
    assert Environment(Clock()).action_mask(state) is None


def test_declared_columns_are_read() -> None:
    env = Environment(Clock())
    assert [column.tag for column in env.log_columns] == [
        *("spy/time", "spy/latest", "spy/time_at_end", "spy/action"),
    ]
    column = LogColumn("a/b", lambda action, info: action + info["x"], "mean")
    assert column.read(jnp.array([1, 2]), {"x": jnp.array([10, 20])}).tolist() == [11.0, 22.0]


def test_a_declaration_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a/b.*'median'.*mean, episode_mean, max would do"):
        LogColumn("a/b", "x", "median")  # type: ignore[arg-type] - that is the point
    with pytest.raises(KeyError, match=r"a/b.*'x'.*info has y"):
        LogColumn("a/b", "x", "mean").read(jnp.array([1]), {"y": jnp.array([1])})


def test_a_batched_form_is_used_where_there_is_one() -> None:
    class Batched:
        def reset(self, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
            return jnp.zeros((len(keys), 2)), jnp.zeros((len(keys),))

        def reset_where(self, _ended: Any, _keys: Any, observation: str, state: str) -> tuple[str, str]:
            return f"new {observation}", f"new {state}"

    class Offers(Clock):
        def batched(self, _params: Any) -> Batched:
            return Batched()

    env = Environment(Offers())
    assert env.reset(jax.random.split(jax.random.key(0), 3))[0].shape == (3, 2)
    assert env.reset_where(jnp.ones((3,), bool), jax.random.key(0), "one", "two") == ("new one", "new two")


def test_select_takes_whole_environments_keys_too() -> None:
    keys = jax.random.split(jax.random.key(0), 2), jax.random.split(jax.random.key(1), 2)
    chosen = select(
        jnp.array([True, False]), *({"key": k, "x": jnp.full((2, 3), i)} for i, k in enumerate(keys))
    )
    assert chosen["x"].tolist() == [[0, 0, 0], [1, 1, 1]]
    expected = np.stack([jax.random.key_data(keys[0])[0], jax.random.key_data(keys[1])[1]])
    np.testing.assert_array_equal(jax.random.key_data(chosen["key"]), expected)


def test_an_image_is_flattened_for_the_network() -> None:
    env = make_environment("gymnax:Breakout-MinAtar")
    observation, _ = env.reset(jax.random.split(jax.random.key(0), 2))
    assert env.features(observation).shape == (2, 400)
    assert env.features(observation).dtype == jnp.float32


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gymnax:CartPole-v9", "CartPole-v1"),
        ("CartPole-v1", "'hackmatrix' or 'gymnax:ID'"),
        ("gymnax:Pendulum-v1", "continuous"),
    ],
)
def test_an_unknown_name_is_told_what_would_do(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_environment(name)
    assert said in str(caught.value)
    assert name in str(caught.value)
