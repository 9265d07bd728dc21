"""What a rollout and its update must keep, as plain functions that raise ``AssertionError``.

Each plays with a spy, looks at what came out, and is crossed with planted defects in ``test_planted.py``.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hackmatrix.purejaxrl import masking, metrics, rollout, update
from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.losses import LossSums
from hackmatrix.purejaxrl.runner import Parts, Runner, _first_episodes, first_runner, make_parts
from tests.purejaxrl.spies import NUM_ACTIONS, Clock
from tests.purejaxrl.states import copied, small

ENVS, STEPS = 4, 12


@cache
def some_params() -> Any:
    """Weights of the spies' network; they take longer to compile than all the rest."""
    return jax.jit(lambda: first_runner(make_parts(sizes(), Environment(Clock())), 0).params)()


def beginning(parts: Parts) -> Runner:
    params, config = some_params(), parts.config
    episodes = _first_episodes(parts.env, jax.random.key(5), config.num_envs)
    episodes = jax.tree.map(lambda x: x[None], episodes)
    return Runner(params, parts.optimizer.init(params), episodes, jax.random.key(6), jnp.zeros((), jnp.int32))


def play(config: TrainConfig, clock: Clock, updates: int = 1) -> tuple[Parts, Runner, list[Any], Any]:
    """Play some rollouts without learning. Gives (batch as (t, n, ...), tally) of each, and the last times."""
    parts = make_parts(config, Environment(clock))
    once = jax.jit(lambda params, key, episodes: rollout.collect(parts, params, key, episodes))
    runner = beginning(parts)
    episodes, played = jax.tree.map(lambda x: x[0], runner.episodes), []
    for number in range(updates):
        episodes, batch, tally = once(runner.params, jax.random.key(number), episodes)
        played.append((over_time(config, batch), tally))
    return parts, runner, played, np.asarray(episodes.observation.time)


def over_time(config: TrainConfig, batch: Any) -> Any:
    """Leaves (t * n, ...) as (t, n, ...)."""
    shape = (config.num_steps, config.num_envs)
    return jax.tree.map(lambda x: np.asarray(x).reshape(shape + x.shape[1:]), batch)


def sizes(**changes: Any) -> TrainConfig:
    return small(num_envs=ENVS, num_steps=STEPS, gamma=0.9, gae_lambda=0.8, **changes)


def an_ended_environment_goes_on_from_its_reset_observation() -> None:
    for clock, config in (
        (Clock(length=5, resets_itself=False), sizes()),
        (Clock(length=5, six_values=True, resets_itself=True), sizes()),
        (Clock(length=99, six_values=True, resets_itself=True), sizes(max_episode_steps=5)),
    ):
        _, _, played, _ = play(config, clock)
        times = played[0][0].observation.time
        np.testing.assert_array_equal(times, np.arange(STEPS)[:, None] % 5 * np.ones((1, ENVS), int))
        born = played[0][0].observation.born
        assert (born[4] == born[0]).all()
        assert (born[5] != born[4]).any(axis=-1).all(), "a new episode is another one"


def resets_and_steps_never_share_a_key() -> None:
    _, _, played, _ = play(sizes(), Clock(length=3, resets_itself=False), updates=2)
    resets, steps = set(), []
    for batch, _ in played:
        seen = batch.observation
        resets |= {tuple(words) for words in seen.born.reshape(-1, 2).tolist()}
        steps += [tuple(words) for words in seen.moved.reshape(-1, 2).tolist() if any(words)]
    assert len(steps) == len(set(steps)), "two steps had one key"
    assert not resets & set(steps), "a reset had the key of a step"
    ended = sum(float(tally.episodes) for _, tally in played)
    assert len(resets) >= ended, "two resets had one key"


def the_keys_of_step_and_reset_are_siblings_apart() -> None:
    """What the environment is given: keys of resets and steps at the same moment differ in every word pair."""
    given: dict[str, Any] = {}

    class Listens(Environment):
        def step(self, keys: jax.Array, state: Any, action: jax.Array) -> Any:
            given["step"] = jax.random.key_data(jax.random.clone(keys))
            return super().step(keys, state, action)

        def reset_where(self, ended: Any, keys: jax.Array, observation: Any, state: Any) -> Any:
            given["reset"] = jax.random.key_data(jax.random.clone(keys))
            return super().reset_where(ended, keys, observation, state)

    parts = make_parts(sizes(), Listens(Clock(resets_itself=False)))
    runner = beginning(parts)
    rollout._step(parts, runner.params, jax.random.key(0), jax.tree.map(lambda x: x[0], runner.episodes))
    words = [tuple(w) for kind in ("step", "reset") for w in np.asarray(given[kind]).tolist()]
    assert len(words) == 2 * ENVS
    assert len(words) == len(set(words)), "a reset has the key of a step"


def the_loss_sees_the_observation_that_the_action_was_chosen_from() -> None:
    parts, runner, played, _ = play(sizes(), Clock(length=5, masked=True, resets_itself=False))
    batch = played[0][0]
    np.testing.assert_array_equal(batch.action, batch.observation.time % NUM_ACTIONS)
    rows = jax.tree.map(lambda x: jnp.asarray(x).reshape((-1, *x.shape[2:])), batch)
    logits, value = parts.forward(runner.params, rows.observation)
    np.testing.assert_allclose(value, rows.value, rtol=1e-5, atol=1e-6)
    log_prob = masking.log_prob(masking.mask_logits(logits, rows.legal), rows.action)
    np.testing.assert_allclose(log_prob, rows.log_prob, atol=1e-5)


def a_masked_action_is_never_drawn() -> None:
    _, _, played, _ = play(sizes(), Clock(length=7, masked=True, resets_itself=False), updates=3)
    for batch, _ in played:
        assert np.take_along_axis(batch.legal, batch.action[..., None], axis=-1).all()


def only_a_truncation_bootstraps_from_the_final_observation() -> None:
    """δ at the end of an episode, by hand, from the critic's value of the observation at the last moment."""
    kinds = (
        ("truncated", Clock(length=5, six_values=True, ends_by_clock=True), sizes()),
        ("truncated", Clock(length=99, resets_itself=False), sizes(max_episode_steps=5)),
        ("truncated", Clock(length=99, six_values=True), sizes(max_episode_steps=5)),
        ("terminated", Clock(length=5, resets_itself=False), sizes(max_episode_steps=5)),
    )
    for kind, clock, config in kinds:
        parts, runner, played, _ = play(config, clock)
        batch = played[0][0]
        seen = jax.tree.map(lambda x: jnp.asarray(x[4]), batch.observation)
        last = seen._replace(time=seen.time + 1)
        final = np.asarray(parts.forward(runner.params, last)[1]) if kind == "truncated" else 0.0
        delta = 5.0 + config.gamma * final - batch.value[4]
        np.testing.assert_allclose(batch.advantage[4], delta, rtol=1e-5, atol=1e-5, err_msg=kind)
        before = 4.0 + config.gamma * batch.value[4] - batch.value[3]
        carried = before + config.gamma * config.gae_lambda * delta
        np.testing.assert_allclose(batch.advantage[3], carried, rtol=1e-5, atol=1e-5, err_msg=kind)
        np.testing.assert_allclose(batch.target, batch.advantage + batch.value, rtol=1e-6)


def an_episode_counts_whole_even_over_several_rollouts() -> None:
    """Episodes of 30 steps over rollouts of 12: 1 + 2 + ... + 30 = 465 is their return."""
    _, _, played, _ = play(sizes(), Clock(length=30, resets_itself=False), updates=5)
    tallies = [tally for _, tally in played]
    assert [float(t.episodes) for t in tallies] == [0, 0, ENVS, 0, ENVS]
    for number in (2, 4):
        assert float(tallies[number].episode_return) == 465 * ENVS
        assert float(tallies[number].episode_length) == 30 * ENVS
    assert float(tallies[0].reward) == ENVS * sum(range(1, 13))


def rows_of(config: TrainConfig, clock: Clock, updates: int) -> tuple[dict[str, Any], np.ndarray]:
    """Play some rollouts; give the row that all of them make, and the times (t + 1, n) before and after each step."""
    parts, _, played, last = play(config, clock, updates)
    nothing = LossSums(*[0.0] * 6)
    spread = float(config.batch_size), 0.0, 0.0
    packed = [metrics.pack(metrics.Figures(tally, nothing, 0.0, 0.0, spread, spread)) for _, tally in played]
    columns = metrics.summarise(config, parts.env, np.stack(packed))
    return columns, np.concatenate([*(batch.observation.time for batch, _ in played), last[None]])


def means_weigh_every_episode_and_step_alike() -> None:
    """Episodes of 5 to 9 steps, of which each rollout of 12 steps ends another number."""
    columns, times = rows_of(sizes(), Clock(length=5, ragged=True, resets_itself=False), updates=5)
    times, lengths = times[:-1], times[:-1][times[1:] == 0] + 1
    assert len(set(lengths.tolist())) > 2
    value = {tag: column.values.tolist() for tag, column in columns.items()}
    assert value["train/num_episodes"] == [len(lengths)]
    np.testing.assert_allclose(value["train/mean_episode_length"], [lengths.mean()], rtol=1e-6)
    np.testing.assert_allclose(
        value["train/mean_episode_return"], [(lengths * (lengths + 1) / 2).mean()], rtol=1e-6
    )
    np.testing.assert_allclose(value["train/mean_reward"], [(times + 1).mean()], rtol=1e-6)
    np.testing.assert_allclose(value["spy/time"], [(times + 1).mean()], rtol=1e-6)
    assert value["spy/latest"] == [times.max() + 1]
    np.testing.assert_allclose(value["spy/time_at_end"], [lengths.mean()], rtol=1e-6)


def a_mean_over_nothing_is_absent() -> None:
    columns, _ = rows_of(sizes(), Clock(length=99, resets_itself=False), updates=2)
    for tag in ("train/mean_episode_return", "train/mean_episode_length", "spy/time_at_end"):
        assert not columns[tag].present.any(), tag
    assert columns["train/num_episodes"].values.tolist() == [0]
    assert columns["train/num_episodes"].present.all()


def an_update_uses_fresh_keys_and_moves_on() -> None:
    config = sizes(num_minibatches=4)
    parts = make_parts(config, Environment(Clock(resets_itself=False)))
    runner = beginning(parts)
    seen = [tuple(np.asarray(jax.random.key_data(copied(runner.key))).tolist())]
    once = jax.jit(lambda r: update.update(parts, r)[0])
    for _ in range(3):
        runner = once(runner)
        seen.append(tuple(np.asarray(jax.random.key_data(copied(runner.key))).tolist()))
    assert len(set(seen)) == 4
    assert int(runner.update) == 3


PROPERTIES = (
    an_ended_environment_goes_on_from_its_reset_observation,
    resets_and_steps_never_share_a_key,
    the_keys_of_step_and_reset_are_siblings_apart,
    the_loss_sees_the_observation_that_the_action_was_chosen_from,
    a_masked_action_is_never_drawn,
    only_a_truncation_bootstraps_from_the_final_observation,
    an_episode_counts_whole_even_over_several_rollouts,
    means_weigh_every_episode_and_step_alike,
    a_mean_over_nothing_is_absent,
    an_update_uses_fresh_keys_and_moves_on,
)
