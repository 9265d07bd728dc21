"""T steps of the n environments of one shard."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hackmatrix.purejaxrl import masking
from hackmatrix.purejaxrl.advantages import gae
from hackmatrix.purejaxrl.environments import LogColumn, Step
from hackmatrix.purejaxrl.runner import Episodes, Parts

PROBABILITY_BINS = 20


class Batch(NamedTuple):
    """What the loss reads. Leaves are (t, n, ...) after the rollout, (row, ...) when flattened."""

    observation: Any  # the one that the action was chosen from
    legal: jax.Array | None  # (..., act) bool
    action: jax.Array  # int32
    log_prob: jax.Array  # float32, when the action was drawn
    value: jax.Array  # float32, when the action was drawn
    advantage: jax.Array  # float32, not normalised
    target: jax.Array  # float32, advantage + value


class Tally(NamedTuple):
    """Figures of the played steps, as sums (and maxima) over environments and time. All are () float32."""

    reward: jax.Array
    episodes: jax.Array  # ended ones
    episode_return: jax.Array  # of ended ones
    episode_length: jax.Array  # of ended ones
    columns: tuple[jax.Array, ...]  # what the environment wants logged
    probabilities: tuple[jax.Array, ...] = ()  # how many drawn actions had one in each bin; once an update


class _Moment(NamedTuple):
    """One time step of a shard; leaves are (n, ...)."""

    observation: Any
    legal: jax.Array | None
    action: jax.Array
    log_prob: jax.Array
    value: jax.Array
    reward: jax.Array
    ended: jax.Array
    final_value: jax.Array


def collect(parts: Parts, params: Any, key: jax.Array, episodes: Episodes) -> tuple[Episodes, Batch, Tally]:
    """Play, and judge what was played.

    Args:
        parts: the run's fixed parts.
        params: the network's.
        key: () typed key of this shard and update.
        episodes: where the n environments stand.

    Returns:
        Where they stand now, the batch with rows (t * n, ...), and the tally.
    """

    def one_step(now: Episodes, step_key: jax.Array) -> tuple[Episodes, tuple[_Moment, Tally]]:
        return _step(parts, params, step_key, now)

    keys = jax.random.split(key, parts.config.num_steps)
    episodes, (moments, tallies) = jax.lax.scan(one_step, episodes, keys)
    last_value = parts.forward(params, episodes.observation)[1]
    batch = _judge(parts, moments, last_value)
    tally = _over_time(parts.env.log_columns, tallies)._replace(probabilities=_counted(moments.log_prob))
    return episodes, jax.tree.map(_merge_time_and_env, batch), tally


def _step(parts: Parts, params: Any, key: jax.Array, now: Episodes) -> tuple[Episodes, tuple[_Moment, Tally]]:
    """Act once in each environment; where an episode ends, begin the next."""
    action_key, step_key, reset_key = jax.random.split(key, 3)
    count = now.episode_length.shape[0]
    legal = parts.env.action_mask(now.state)
    logits, value = parts.forward(params, now.observation)
    logits = masking.mask_logits(logits, legal)
    action = masking.sample(action_key, logits)

    step = parts.env.step(jax.random.split(step_key, count), now.state, action)
    length = now.episode_length + 1
    step, observation, state = _end(parts, step, length, jax.random.split(reset_key, count))
    ended = step.terminated | step.truncated
    played = now.episode_return + step.reward

    moment = _Moment(
        observation=now.observation,
        legal=legal,
        action=action,
        log_prob=masking.log_prob(logits, action),
        value=value,
        reward=step.reward,
        ended=ended,
        final_value=_final_value(parts, params, step),
    )
    tally = Tally(
        reward=jnp.sum(step.reward),
        episodes=jnp.sum(ended, dtype=jnp.float32),
        episode_return=jnp.sum(jnp.where(ended, played, 0.0)),
        episode_length=jnp.sum(jnp.where(ended, length, 0), dtype=jnp.float32),
        columns=tuple(_over_envs(c, action, step, ended) for c in parts.env.log_columns),
    )
    after = Episodes(state, observation, jnp.where(ended, 0.0, played), jnp.where(ended, 0, length))
    return after, (moment, tally)


def _end(parts: Parts, step: Step, length: jax.Array, reset_keys: jax.Array) -> tuple[Step, Any, Any]:
    """Apply the time limit, and give the observation and state to go on from."""
    env = parts.env
    by_itself = step.terminated | step.truncated
    if parts.time_limit is not None:
        out_of_time = (length >= parts.time_limit) & ~by_itself
        step = step._replace(truncated=step.truncated | out_of_time)
    elif env.resets_itself:
        return step, step.observation, step.state
    to_reset = out_of_time if env.resets_itself else step.terminated | step.truncated
    return step, *env.reset_where(to_reset, reset_keys, step.observation, step.state)


def _final_value(parts: Parts, params: Any, step: Step) -> jax.Array:
    """Value (n,) of the final observation where an episode was truncated, else 0.

    The critic looks only when there is something to see: truncations are rare, a look costs a forward pass.
    """

    def look(final_observation: Any) -> jax.Array:
        return jnp.where(step.truncated, parts.forward(params, final_observation)[1], 0.0)

    def skip(_: Any) -> jax.Array:
        return jnp.zeros_like(step.reward)

    value: jax.Array = jax.lax.cond(jnp.any(step.truncated), look, skip, step.final_observation)
    return value


def _judge(parts: Parts, moments: _Moment, last_value: jax.Array) -> Batch:
    """Estimate advantages; leaves stay (t, n, ...)."""
    values = jnp.concatenate([moments.value, last_value[None]])

    def one_env(
        rewards: jax.Array, values: jax.Array, ended: jax.Array, final_values: jax.Array
    ) -> jax.Array:
        return gae(
            rewards, values, ended, final_values, gamma=parts.config.gamma, lam=parts.config.gae_lambda
        )

    advantage = jax.vmap(one_env, in_axes=1, out_axes=1)(
        moments.reward, values, moments.ended, moments.final_value
    )
    return Batch(
        observation=moments.observation,
        legal=moments.legal,
        action=moments.action,
        log_prob=moments.log_prob,
        value=moments.value,
        advantage=advantage,
        target=advantage + moments.value,
    )


def _counted(log_prob: jax.Array) -> tuple[jax.Array, ...]:
    """How many probabilities lie in each of ``PROBABILITY_BINS`` equal parts of [0, 1], () float32 each."""
    place = jnp.minimum(jnp.exp(log_prob) * PROBABILITY_BINS, PROBABILITY_BINS - 1).astype(jnp.int32)
    return tuple(jnp.sum(place == index, dtype=jnp.float32) for index in range(PROBABILITY_BINS))


def _merge_time_and_env(x: jax.Array) -> jax.Array:
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))


def _over_envs(column: LogColumn, action: jax.Array, step: Step, ended: jax.Array) -> jax.Array:
    figure = column.read(action, step.info)
    if column.reduction == "max":
        return jnp.max(figure)
    return jnp.sum(jnp.where(ended, figure, 0.0) if column.reduction == "episode_mean" else figure)


def _over_time(columns: tuple[LogColumn, ...], tallies: Tally) -> Tally:
    """Reduce leaves (t,) to ()."""
    summed: Tally = jax.tree.map(jnp.sum, tallies)
    reduced = (
        jnp.max(x) if c.reduction == "max" else jnp.sum(x)
        for c, x in zip(columns, tallies.columns, strict=True)
    )
    return summed._replace(columns=tuple(reduced))
