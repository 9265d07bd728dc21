"""A random order of rows by arithmetic on the row's number, without a sort.

Sorting random numbers took a third of an update. A Feistel network turns each index into another by a few
integer operations, and is a bijection whatever its round function is.

Source: Black and Rogaway 2002, "Ciphers with Arbitrary Finite Domains", section 5 (generalised Feistel).
"""

import math

import jax
import jax.numpy as jnp

ROUNDS = 6
_LEAST_SIDE = 16  # with fewer values on one side the rounds mix too little


def permutation(key: jax.Array, size: int) -> jax.Array:
    """Return a random order of ``range(size)``, (size,) int32.

    Needs ``size`` = a * b with both factors at least 16; other sizes (small or nearly prime) are sorted.
    """
    side = _largest_factor_below_root(size)
    if side < _LEAST_SIDE:
        return jax.random.permutation(key, size).astype(jnp.int32)
    return feistel(jax.random.bits(key, (ROUNDS,), jnp.uint32), side, size // side)


def feistel(round_keys: jax.Array, rows: int, columns: int) -> jax.Array:
    """Permute ``range(rows * columns)``: shift rows by a hash of the column, columns by one of the row, ...

        r ← (r + h(c, k₀)) mod rows,  c ← (c + h(r, k₁)) mod columns,  r ← ...

    Each line can be undone, since the hash's argument is still there, so the whole is a bijection.

    Args:
        round_keys: (rounds,) uint32.
        rows: first factor of the size.
        columns: second factor of the size.

    Returns:
        (rows * columns,) int32.
    """
    index = jnp.arange(rows * columns, dtype=jnp.uint32)
    row, column = index // columns, index % columns
    for number in range(round_keys.shape[0]):
        if number % 2 == 0:
            row = (row + _mix(column ^ round_keys[number]) % rows) % rows
        else:
            column = (column + _mix(row ^ round_keys[number]) % columns) % columns
    return (row * columns + column).astype(jnp.int32)


def _mix(x: jax.Array) -> jax.Array:
    """Spread every bit of a uint32 over all others.

    Source of the constants: Wellons 2018, "Prospecting for Hash Functions".
    """
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def _largest_factor_below_root(size: int) -> int:
    return next(d for d in range(math.isqrt(size), 0, -1) if size % d == 0)
