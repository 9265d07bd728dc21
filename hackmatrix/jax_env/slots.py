"""Questions about the 20 numbered slots: how many, how many below, any.

Enemies and transmissions live in slots, env axis last: arrays are (20, env). "First" among several means the
lowest slot, a newcomer takes the lowest free one (docs/game.md, section 2).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env.constants import MAX_ENEMIES

SLOT = np.arange(MAX_ENEMIES, dtype=np.int32)[:, None]
_BIT = np.uint32(1) << SLOT.astype(np.uint32)
_BELOW = _BIT - 1
_SLOT_BITS = 5
NOBODY = 31  # a distance larger than any on the board; `nearest` returns it when nobody is eligible


def bits(flags: Array) -> Array:
    """uint32 (env,): bit k is the flag of slot k."""
    return jnp.sum(jnp.where(flags, _BIT, 0), axis=0, dtype=jnp.uint32)


def count(flags: Array) -> Array:
    """int32 (env,): how many slots are flagged."""
    return jax.lax.population_count(bits(flags)).astype(jnp.int32)


def rank(flags: Array) -> Array:
    """int32 (20, env): how many flagged slots have a lower number."""
    return jax.lax.population_count(bits(flags) & _BELOW).astype(jnp.int32)


def any_of(*conditions: Array) -> tuple[Array, ...]:
    """For each (20, env) condition, bool (env,): does it hold in any slot. One reduction for all."""
    packed = sum(condition.astype(jnp.uint32) << number for number, condition in enumerate(conditions))
    united = jax.lax.reduce(packed, np.uint32(0), jax.lax.bitwise_or, (0,))
    return tuple((united >> number) & 1 != 0 for number in range(len(conditions)))


def nearest(distance: Array, eligible: Array) -> tuple[Array, Array]:
    """The least distance among eligible slots, and the first slot that has it.

    Args:
        distance: int32 (20, env), 0 or more.
        eligible: bool (20, env).

    Returns:
        Two int32 (env,). With nobody eligible the distance is NOBODY.
    """
    key = jnp.where(eligible, (distance << _SLOT_BITS) + SLOT, NOBODY << _SLOT_BITS)
    least = jnp.min(key, axis=0)
    return least >> _SLOT_BITS, least & ((1 << _SLOT_BITS) - 1)
