"""Each property holds, and fails when the defect that it is there for is planted."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hackmatrix.purejaxrl import advantages, environments, masking, metrics, rollout
from tests.purejaxrl import properties as p

real = {
    "end": rollout._end,
    "judge": rollout._judge,
    "collect": rollout.collect,
    "split": jax.random.split,
    "mean": metrics._mean,
    "gae": advantages.gae,
}


@pytest.mark.parametrize("holds", p.PROPERTIES, ids=lambda holds: holds.__name__)
def test_property(holds: Callable[[], None]) -> None:
    holds()


def goes_on_from_the_ended_observation(
    _self: Any, _ended: Any, _keys: Any, observation: Any, state: Any
) -> tuple[Any, Any]:
    return observation, state


def forgets_the_observation(
    _self: Any, ended: Any, keys: Any, observation: Any, state: Any
) -> tuple[Any, Any]:
    """The state is reset, the observation carried on is the ended one."""
    return observation, environments.select(ended, _self._batched.reset(keys)[1], state)


def gives_the_last_two_children_one_key(key: jax.Array, count: int = 2) -> jax.Array:
    keys = real["split"](key, count)
    return keys.at[2].set(keys[1]) if count == 3 else keys


def stores_the_next_observation(parts: Any, moments: Any, last_value: Any) -> Any:
    later = jax.tree.map(lambda x: jnp.roll(x, -1, axis=0), moments.observation)
    return real["judge"](parts, moments._replace(observation=later), last_value)


def never_bootstraps(_parts: Any, _params: Any, step: Any) -> jax.Array:
    return jnp.zeros_like(step.reward)


def always_bootstraps(parts: Any, params: Any, step: Any) -> jax.Array:
    return parts.forward(params, step.final_observation)[1]


def bootstraps_from_the_reset_observation(parts: Any, params: Any, step: Any) -> jax.Array:
    reset = step.observation._replace(time=jnp.zeros_like(step.observation.time))
    return jnp.where(step.truncated, parts.forward(params, reset)[1], 0.0)


def carries_over_the_end(*args: Any, **options: Any) -> jax.Array:
    rewards, values, ended, final_values = args
    following = jnp.where(ended, final_values, values[1:])
    return real["gae"](rewards, jnp.append(values[:1], following), ended & False, final_values, **options)


def forgets_what_was_played(parts: Any, params: Any, key: jax.Array, episodes: Any) -> Any:
    fresh = jnp.zeros_like(episodes.episode_return), jnp.zeros_like(episodes.episode_length)
    return real["collect"](
        parts, params, key, episodes._replace(episode_return=fresh[0], episode_length=fresh[1])
    )


def takes_the_mean_of_means(sums: np.ndarray, counts: np.ndarray) -> Any:
    present = counts > 0
    means = np.sum(sums / np.where(present, counts, 1), axis=1) / counts.shape[1]
    return metrics.Column(means, present.any(axis=1))


def logs_zero_for_nothing(sums: np.ndarray, counts: np.ndarray) -> Any:
    column = real["mean"](sums, counts)
    return metrics.Column(column.values, np.ones_like(column.present))


def ignores_the_mask(logits: jax.Array, _legal: Any) -> jax.Array:
    return logits


DEFECTS = [
    (environments.Environment, "reset_where", goes_on_from_the_ended_observation, p.PROPERTIES[0]),
    (environments.Environment, "reset_where", forgets_the_observation, p.PROPERTIES[0]),
    (
        jax.random,
        "split",
        gives_the_last_two_children_one_key,
        p.the_keys_of_step_and_reset_are_siblings_apart,
    ),
    (
        rollout,
        "_judge",
        stores_the_next_observation,
        p.the_loss_sees_the_observation_that_the_action_was_chosen_from,
    ),
    (rollout, "_final_value", never_bootstraps, p.only_a_truncation_bootstraps_from_the_final_observation),
    (rollout, "_final_value", always_bootstraps, p.only_a_truncation_bootstraps_from_the_final_observation),
    (
        rollout,
        "_final_value",
        bootstraps_from_the_reset_observation,
        p.only_a_truncation_bootstraps_from_the_final_observation,
    ),
    (rollout, "gae", carries_over_the_end, p.only_a_truncation_bootstraps_from_the_final_observation),
    (rollout, "collect", forgets_what_was_played, p.an_episode_counts_whole_even_over_several_rollouts),
    (metrics, "_mean", takes_the_mean_of_means, p.means_weigh_every_episode_and_step_alike),
    (metrics, "_mean", logs_zero_for_nothing, p.a_mean_over_nothing_is_absent),
    (masking, "mask_logits", ignores_the_mask, p.a_masked_action_is_never_drawn),
]


@pytest.mark.parametrize(
    ("place", "name", "defect", "holds"), DEFECTS, ids=[defect[2].__name__ for defect in DEFECTS]
)
def test_a_planted_defect_is_found(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, defect: Any, holds: Callable[[], None]
) -> None:
    monkeypatch.setattr(place, name, defect)
    with jax.debug_key_reuse(False), pytest.raises(AssertionError):
        holds()


def test_jax_itself_would_refuse_a_key_used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_step_twice(key: jax.Array, count: int = 2) -> Any:
        return [key] * count if count == 3 else real["split"](key, count)

    monkeypatch.setattr(jax.random, "split", one_step_twice)
    with pytest.raises(jax.errors.KeyReuseError):
        p.resets_and_steps_never_share_a_key()
