"""One PPO update: rollout, then epochs of minibatches."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from hackmatrix.purejaxrl.losses import LossSums, loss_sums
from hackmatrix.purejaxrl.metrics import Figures, pack
from hackmatrix.purejaxrl.rollout import Batch, Tally, collect
from hackmatrix.purejaxrl.runner import Parts, Runner
from hackmatrix.purejaxrl.sharding import greatest, map_shards, ordered_sum, shard_keys
from hackmatrix.purejaxrl.shuffle import permutation


class _Learner(NamedTuple):
    params: Any
    opt_state: Any


def update(parts: Parts, runner: Runner) -> tuple[Runner, jax.Array]:
    """Play with the current policy, learn from it; also return the packed figures (column,) float32."""
    key, rollout_key, shuffle_key = jax.random.split(runner.key, 3)
    keys = shard_keys(rollout_key, parts.config.num_shards, parts.num_devices)
    episodes, batch, tallies = map_shards(
        lambda shard_key, shard: collect(parts, runner.params, shard_key, shard),
        keys,
        runner.episodes,
        num_devices=parts.num_devices,
    )
    rate = learning_rate(parts, runner.update)
    learner = _Learner(runner.params, runner.opt_state)
    learner, (sums, norms) = _learn(parts, learner, batch, shuffle_key, rate)
    figures = Figures(
        tally=_total(parts, tallies),
        losses=jax.tree.map(jnp.sum, sums),
        grad_norm=jnp.sum(norms),
        learning_rate=rate,
        target=_spread(parts, batch.target),
        error=_spread(parts, batch.advantage),  # target - value
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
        taken = map_shards(_take, batch, rows, num_devices=parts.num_devices)
        return _descend(parts, now, taken, rate)

    return jax.lax.scan(one_epoch, learner, jax.random.split(key, parts.config.update_epochs))


def _deal(parts: Parts, key: jax.Array) -> jax.Array:
    """Deal each shard's rows out, (minibatch, shard, row) int32: every shard gives its part to each."""
    config = parts.config
    keys = shard_keys(key, config.num_shards, parts.num_devices)
    order: jax.Array = map_shards(lambda shard_key: permutation(shard_key, config.rows_per_shard), keys)
    return order.reshape(order.shape[0], config.num_minibatches, -1).swapaxes(0, 1)


def _take(batch: Batch, rows: jax.Array) -> Batch:
    taken: Batch = jax.tree.map(lambda x: jnp.take(x, rows, axis=0, mode="clip"), batch)
    return taken


def _descend(
    parts: Parts, learner: _Learner, rows: Batch, rate: jax.Array
) -> tuple[_Learner, tuple[LossSums, jax.Array]]:
    """One step of Adam on a minibatch, whose leaves are (shard, row, ...)."""
    count, mean, squares = _spread(parts, rows.advantage)
    std = jnp.sqrt(squares / count)
    grad = jax.grad(loss_sums, has_aux=True)
    of_shards = map_shards(
        lambda shard: grad(learner.params, parts, shard, mean, std), rows, num_devices=parts.num_devices
    )
    gradients, sums = ordered_sum(of_shards, parts.num_devices)
    gradients = jax.tree.map(lambda g: g / count, gradients)
    norm = optax.global_norm(gradients)
    steps, opt_state = parts.optimizer.update(gradients, learner.opt_state, learner.params)
    params = optax.apply_updates(learner.params, jax.tree.map(lambda s: -rate * s, steps))
    return _Learner(params, opt_state), (sums, norm)


def _spread(parts: Parts, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Number, mean, and sum of squared deviations, () float32 each, over all shards of (shard, row)."""
    devices = parts.num_devices
    count = jnp.asarray(x.size * devices, jnp.float32)
    mean = ordered_sum(map_shards(jnp.sum, x, num_devices=devices), devices) / count

    def of_shard(shard: jax.Array) -> jax.Array:
        return jnp.sum(jnp.square(shard - mean))

    squares = ordered_sum(map_shards(of_shard, x, num_devices=devices), devices)
    return count, mean, squares


def _total(parts: Parts, tallies: Tally) -> Tally:
    """Reduce leaves (shard,) over all shards."""
    columns = tuple(
        greatest(x, parts.num_devices) if c.reduction == "max" else ordered_sum(x, parts.num_devices)
        for c, x in zip(parts.env.log_columns, tallies.columns, strict=True)
    )
    total: Tally = ordered_sum(tallies._replace(columns=()), parts.num_devices)
    return total._replace(columns=columns)
