"""Siphon quality: was there a better place to siphon.

Rules: docs/game.md, section 14, "Siphon quality".
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.constants import DIRECTIONS, GRID_SIZE
from hackmatrix.jax_env.geometry import CELLS, same
from hackmatrix.jax_env.state import EnvState


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SiphonQuality:
    """Is some cell better than the player's, and how much it has more; bool and two int32, (env,)."""

    better: Array
    missed_credits: Array
    missed_energy: Array


def siphon_quality(state: EnvState) -> SiphonQuality:
    """Compare the cross round the player's cell with the cross round every other cell."""
    credits_, energy, points, programs = _yields(state)
    here = same(CELLS, state.player)

    def own(values: Array) -> Array:
        return jnp.sum(jnp.where(here, values, 0), axis=0, dtype=values.dtype)

    own_credits, own_energy = own(credits_), own(energy)
    better = (
        (points == own(points))
        & (programs == own(programs))
        & (credits_ >= own_credits)
        & (energy >= own_energy)
        & ((credits_ > own_credits) | (energy > own_energy))
    )
    return SiphonQuality(
        better=jnp.any(better, axis=0),
        missed_credits=jnp.max(jnp.where(better, credits_ - own_credits, 0), axis=0),
        missed_energy=jnp.max(jnp.where(better, energy - own_energy, 0), axis=0),
    )


def _yields(state: EnvState) -> tuple[Array, Array, Array, Array]:
    """What the cross of each cell has; four arrays (36, env).

    Credits and energy are sums (int32). Points are the sorted list of at most four block values, packed into
    one word; programs are the set of programs not yet owned, one bit each (both uint32). A cell that holds a
    block has nothing.
    """
    cells = state.cells
    counts = ~cells.has_block
    credits_ = jnp.where(counts, cells.credits, 0)
    energy = jnp.where(counts, cells.energy, 0)
    points = jnp.where(cells.unsiphoned, cells.points, 0).astype(jnp.uint32)
    program_bit = jnp.uint32(1) << jnp.where(cells.has_program_block, cells.program, 0).astype(jnp.uint32)
    holds_program = cells.has_program_block & cells.unsiphoned
    programs = jnp.where(holds_program, program_bit & ~state.owned_programs, jnp.uint32(0))

    near_programs = jnp.zeros_like(programs)
    for neighbours in _around(programs):
        near_programs = near_programs | neighbours
    return (
        jnp.where(counts, sum(_around(credits_), credits_), 0),
        jnp.where(counts, sum(_around(energy), energy), 0),
        jnp.where(counts, _sorted_list(*_around(points)), jnp.uint32(0)),
        jnp.where(counts, near_programs, jnp.uint32(0)),
    )


def _around(values: Array) -> list[Array]:
    """For each of the four directions, (36, env): the neighbour's value, 0 where that is off the board."""
    board = jnp.pad(values.reshape(GRID_SIZE, GRID_SIZE, -1), ((1, 1), (1, 1), (0, 0)))
    return [
        board[1 + row : 1 + row + GRID_SIZE, 1 + col : 1 + col + GRID_SIZE].reshape(values.shape)
        for row, col in DIRECTIONS
    ]


def _sorted_list(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Four numbers below 128 in falling order, packed into one word: equal words, equal lists."""
    a, b = jnp.maximum(a, b), jnp.minimum(a, b)
    c, d = jnp.maximum(c, d), jnp.minimum(c, d)
    a, c = jnp.maximum(a, c), jnp.minimum(a, c)
    b, d = jnp.maximum(b, d), jnp.minimum(b, d)
    b, c = jnp.maximum(b, c), jnp.minimum(b, c)
    return (a << 21) | (b << 14) | (c << 7) | d
