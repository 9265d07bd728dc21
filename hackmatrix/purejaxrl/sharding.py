"""The formula of one shard, and one ordered sum over shards.

Floating-point addition is not associative: a sum that is split differently rounds differently. So the split
is part of the run. Every float that feeds training is computed from exactly one shard at a time, with that
shard's shapes, and shards are added by one fixed tree. Where the shards lie cannot change a bit then.

It could, though, through the compiler: what XLA fuses into one loop rounds otherwise than what it does not. So
the formula stands in a loop of its own wherever there is more than one shard, also on a device that holds only
one, and the tree is added up from the shards of all devices, not from partial sums.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

AXIS = "shard"  # of the mesh that the shards lie on


def map_shards(formula: Callable[..., Any], *trees: Any, num_devices: int = 1) -> Any:
    """Apply ``formula`` to each shard of this device; leaves are (shard, ...) in and out.

    A run of one shard costs nothing: there is no loop around it.
    """
    if _num_shards(trees) > 1:
        return jax.lax.map(lambda shard: formula(*shard), trees)
    shard = jax.tree.map(lambda x: x[0], trees)
    result = formula(*shard) if num_devices == 1 else _in_a_loop(formula, shard)
    return jax.tree.map(lambda x: x[None], result)


def ordered_sum(tree: Any, num_devices: int = 1) -> Any:
    """Add leaves (shard, ...) over all shards, a power of two, by a fixed tree: ((0 + 1) + (2 + 3)) + ...

    Args:
        tree: the shards of this device.
        num_devices: that the shards lie on; above 1 this is called inside ``shard_map`` over ``AXIS``.
    """
    return jax.tree.map(_ordered_sum, _all_shards(tree, num_devices))


def greatest(x: jax.Array, num_devices: int = 1) -> jax.Array:
    """Return the greatest of (shard,) over all shards."""
    return jnp.max(_all_shards(x, num_devices))


def shard_keys(key: jax.Array, num_shards: int, num_devices: int = 1) -> jax.Array:
    """One key for each shard of this device, that depends on the shard's number and not on how many there are.

    Args:
        key: () typed key.
        num_shards: of the whole run.
        num_devices: that they lie on; above 1 this is called inside ``shard_map`` over ``AXIS``.
    """
    numbers = jnp.arange(num_shards // num_devices, dtype=jnp.uint32)
    if num_devices > 1:
        numbers += jax.lax.axis_index(AXIS).astype(jnp.uint32) * jnp.uint32(numbers.size)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, numbers)


def _ordered_sum(x: jax.Array) -> jax.Array:
    while x.shape[0] > 1:
        x = x[0::2] + x[1::2]
    return x[0]


def _all_shards(tree: Any, num_devices: int) -> Any:
    return tree if num_devices == 1 else jax.lax.all_gather(tree, AXIS, tiled=True)


def _in_a_loop(formula: Callable[..., Any], shard: Any) -> Any:
    """Apply it once, in a loop of whose length XLA knows nothing: a loop of known length 1 is none to it."""
    barrier: Callable[[jax.Array], jax.Array] = jax.lax.optimization_barrier
    once = barrier(jnp.ones((), jnp.int32))
    nothing = jax.tree.map(_zeros, jax.eval_shape(formula, *shard))
    return jax.lax.fori_loop(0, once, lambda _, __: formula(*shard), nothing)


def _zeros(like: Any) -> jax.Array:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        plain = jax.eval_shape(jax.random.key_data, like)
        keys: jax.Array = jax.random.wrap_key_data(_zeros(plain), impl=like.dtype._impl)  # noqa: SLF001 - has no public name
        return keys
    return jnp.zeros(like.shape, like.dtype)


def _num_shards(trees: Any) -> int:
    return int(jax.tree.leaves(trees)[0].shape[0])
