"""One PPO update: rollout, then epochs of minibatches."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from hackmatrix.purejaxrl.losses import LossSums, loss_sums
from hackmatrix.purejaxrl.metrics import Figures, pack
from hackmatrix.purejaxrl.rollout import Batch, Tally, collect
from hackmatrix.purejaxrl.runner import Parts, Runner
from hackmatrix.purejaxrl.sharding import map_shards, ordered_sum, shard_keys
from hackmatrix.purejaxrl.shuffle import permutation


class _Learner(NamedTuple):
    params: Any
    opt_state: Any


def update(parts: Parts, runner: Runner) -> tuple[Runner, jax.Array]:
    """Play with the current policy, learn from it; also return the packed figures (column,) float32."""
    key, rollout_key, shuffle_key = jax.random.split(runner.key, 3)
    keys = shard_keys(rollout_key, parts.config.num_shards)
    episodes, batch, tallies = map_shards(
        lambda shard_key, shard: collect(parts, runner.params, shard_key, shard), keys, runner.episodes
    )
    rate = learning_rate(parts, runner.update)
    learner = _Learner(runner.params, runner.opt_state)
    learner, (sums, norms) = _learn(parts, learner, batch, shuffle_key, rate)
    figures = Figures(
        tally=_total(parts, tallies),
        losses=jax.tree.map(jnp.sum, sums),
        grad_norm=jnp.sum(norms),
        learning_rate=rate,
        target=_spread(batch.target),
        error=_spread(batch.advantage),  # target - value
    )
    return Runner(*learner, episodes, key, runner.update + 1), pack(figures)


def learning_rate(parts: Parts, finished: jax.Array) -> jax.Array:
    """Rate () float32 of the update after ``finished`` ones."""
    rate = jnp.asarray(parts.config.learning_rate, jnp.float32)
    if parts.config.anneal_lr:
        rate *= 1.0 - finished.astype(jnp.float32) / parts.config.num_updates
    return rate


def _learn(
    parts: Parts, learner: _Learner, batch: Batch, key: jax.Array, rate: jax.Array
) -> tuple[_Learner, tuple[LossSums, jax.Array]]:
    """Pass over the batch ``update_epochs`` times; figures come out as (epoch, minibatch)."""

    def one_epoch(now: _Learner, epoch_key: jax.Array) -> tuple[_Learner, tuple[LossSums, jax.Array]]:
        return jax.lax.scan(one_minibatch, now, _deal(parts, epoch_key))

    def one_minibatch(now: _Learner, rows: jax.Array) -> tuple[_Learner, tuple[LossSums, jax.Array]]:
        return _descend(parts, now, map_shards(_take, batch, rows), rate)

    return jax.lax.scan(one_epoch, learner, jax.random.split(key, parts.config.update_epochs))


def _deal(parts: Parts, key: jax.Array) -> jax.Array:
    """Deal each shard's rows out, (minibatch, shard, row) int32: every shard gives its part to each."""
    config = parts.config
    order: jax.Array = map_shards(
        lambda shard_key: permutation(shard_key, config.rows_per_shard), shard_keys(key, config.num_shards)
    )
    return order.reshape(config.num_shards, config.num_minibatches, -1).swapaxes(0, 1)


def _take(batch: Batch, rows: jax.Array) -> Batch:
    taken: Batch = jax.tree.map(lambda x: jnp.take(x, rows, axis=0, mode="clip"), batch)
    return taken


def _descend(
    parts: Parts, learner: _Learner, rows: Batch, rate: jax.Array
) -> tuple[_Learner, tuple[LossSums, jax.Array]]:
    """One step of Adam on a minibatch, whose leaves are (shard, row, ...)."""
    count, mean, squares = _spread(rows.advantage)
    std = jnp.sqrt(squares / count)
    grad = jax.grad(loss_sums, has_aux=True)
    gradients, sums = ordered_sum(
        map_shards(lambda shard: grad(learner.params, parts, shard, mean, std), rows)
    )
    gradients = jax.tree.map(lambda g: g / count, gradients)
    norm = optax.global_norm(gradients)
    steps, opt_state = parts.optimizer.update(gradients, learner.opt_state, learner.params)
    params = optax.apply_updates(learner.params, jax.tree.map(lambda s: -rate * s, steps))
    return _Learner(params, opt_state), (sums, norm)


def _spread(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Number, mean, and sum of squared deviations, () float32 each, of (shard, row)."""
    count = jnp.asarray(x.size, jnp.float32)
    mean = ordered_sum(map_shards(jnp.sum, x)) / count
    return count, mean, ordered_sum(map_shards(lambda shard: jnp.sum(jnp.square(shard - mean)), x))


def _total(parts: Parts, tallies: Tally) -> Tally:
    """Add leaves (shard,) over shards; maxima are maxima in any order."""
    columns = tuple(
        jnp.max(x) if c.reduction == "max" else ordered_sum(x)
        for c, x in zip(parts.env.log_columns, tallies.columns, strict=True)
    )
    total: Tally = ordered_sum(tallies)._replace(columns=columns)
    return total
