"""A config that cannot be trained is refused with what would do."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.purejaxrl.config import ConfigError, TrainConfig, shards_for

FLOATS = ("learning_rate", "gamma", "gae_lambda", "clip_eps", "vf_coef", "ent_coef", "max_grad_norm")
COUNTS = (
    *("num_envs", "num_steps", "total_timesteps", "num_minibatches", "update_epochs"),
    *("hidden_dim", "num_layers", "log_interval", "num_shards", "max_episode_steps"),
)


def test_the_defaults_are_those_of_the_readme() -> None:
    config = TrainConfig()
    assert (config.batch_size, config.num_updates, config.rows_per_shard) == (32_768, 305, 32_768)


def test_minibatches_that_do_not_divide_are_told_which_would() -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(num_minibatches=5)
    said = "num_envs * num_steps = 32768 does not divide into num_minibatches = 5; 4 or 8 would"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"num_shards": 8, "num_envs": 8, "num_steps": 2}, "num_envs / num_shards * num_steps = 2"),
        ({"num_shards": 3}, "num_shards = 3 must be a power of two that divides num_envs = 256; 2 would"),
        ({"num_shards": 8, "num_envs": 12}, "12; 4 would"),
        ({"total_timesteps": 32_767}, "raise it to 32768 or more"),
        ({"num_minibatches": 40_000}, "32768 would"),
        ({"log_every": "row"}, "'chunk' or 'update' would do"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 2**31}, "seed"),
        ({"seed": 1.0}, "no whole number"),
        ({"env": ""}, "hackmatrix"),
        ({"env": 3}, "no name"),
        ({"anneal_lr": 1}, "neither True nor False"),
        ({"gamma": 1.01}, "in [0, 1]"),
        ({"gae_lambda": -0.01}, "in [0, 1]"),
        ({"learning_rate": 0.0}, "greater than 0"),
        ({"vf_coef": -1.0}, "must not be negative"),
    ],
)
def test_a_bad_value_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**values)
    assert said in str(caught.value)
    assert next(iter(values)) in str(caught.value)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), "fast", None, True])
def test_what_is_no_finite_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        TrainConfig(**{name: value})


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1, 2.5, "4", True, 2**60])
def test_what_is_no_count_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        TrainConfig(**{name: value})


def test_a_whole_number_for_a_rate_makes_an_equal_config() -> None:
    config = TrainConfig(gamma=1, ent_coef=0)
    assert config == TrainConfig(gamma=1.0, ent_coef=0.0)
    assert isinstance(dataclasses.asdict(config)["gamma"], float)


def test_a_config_never_changes() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().seed = 1  # type: ignore[misc] - that is the point


@given(num_envs=st.integers(1, 4096), devices=st.integers(1, 64))
def test_shards_for_gives_the_largest_that_fits(num_envs: int, devices: int) -> None:
    fitting = [2**k for k in range(7) if 2**k <= devices and num_envs % 2**k == 0]
    assert shards_for(num_envs, devices) == max(fitting)
