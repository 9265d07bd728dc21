"""The formula of one shard, and one ordered sum over shards.

Floating-point addition is not associative: a sum that is split differently rounds differently. So the split
is part of the run. Every float that feeds training is computed from exactly one shard at a time, with that
shard's shapes, and shards are added by one fixed tree. Where the shards lie cannot change a bit then.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def map_shards(formula: Callable[..., Any], *trees: Any) -> Any:
    """Apply ``formula`` to each shard; leaves are (shard, ...) in and out. One shard costs nothing."""
    if _num_shards(trees) == 1:
        result = formula(*jax.tree.map(lambda x: x[0], trees))
        return jax.tree.map(lambda x: x[None], result)
    return jax.lax.map(lambda shard: formula(*shard), trees)


def ordered_sum(tree: Any) -> Any:
    """Add leaves (shard, ...) over shards, a power of two, by a fixed tree: ((0 + 1) + (2 + 3)) + ..."""
    return jax.tree.map(_ordered_sum, tree)


def shard_keys(key: jax.Array, num_shards: int) -> jax.Array:
    """One key per shard (shard,), that depends on the shard's number and not on how many there are."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(num_shards, dtype=jnp.uint32))


def _ordered_sum(x: jax.Array) -> jax.Array:
    while x.shape[0] > 1:
        x = x[0::2] + x[1::2]
    return x[0]


def _num_shards(trees: Any) -> int:
    return int(jax.tree.leaves(trees)[0].shape[0])
