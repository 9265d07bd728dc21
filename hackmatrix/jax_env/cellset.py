"""Sets of cells, as bitboards.

The 36 cells are kept as two words of 18 bits, three rows each, because 64-bit integers are switched off in
JAX by default. Cell (row, col) is bit 6 row + col; `low` has rows 0-2, `high` rows 3-5.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env.constants import GRID_SIZE, NUM_CELLS
from hackmatrix.jax_env.geometry import Place, Spot

_HALF = NUM_CELLS // 2
_ALL = (1 << _HALF) - 1
_TOP_ROW = _HALF - GRID_SIZE  # from here on the bits of a word's uppermost row
_FIRST_COLUMN = sum(1 << (GRID_SIZE * row) for row in range(3))
_LAST_COLUMN = _FIRST_COLUMN << (GRID_SIZE - 1)
_BITS = 1 << np.arange(_HALF, dtype=np.uint32)[:, None]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CellSet:
    """A set of cells for each environment: `low` and `high`, uint32, any one shape."""

    low: Array
    high: Array

    def __or__(self, other: "CellSet") -> "CellSet":
        return CellSet(self.low | other.low, self.high | other.high)

    def __and__(self, other: "CellSet") -> "CellSet":
        return CellSet(self.low & other.low, self.high & other.high)

    def __sub__(self, other: "CellSet") -> "CellSet":
        return CellSet(self.low & ~other.low, self.high & ~other.high)

    def __invert__(self) -> "CellSet":
        return CellSet(~self.low & _ALL, ~self.high & _ALL)

    def equals(self, other: "CellSet") -> Array:
        """bool: are both the same set."""
        return (self.low == other.low) & (self.high == other.high)

    def has(self, place: Place) -> Array:
        """bool, in the broadcast shape: is the cell a member; the cell must be on the board."""
        bit = GRID_SIZE * place.row + place.col
        upper = bit >= _HALF
        word = jnp.where(upper, self.high, self.low)
        shift = jnp.where(upper, bit - _HALF, bit).astype(jnp.uint32)
        return (word >> shift) & 1 != 0

    def any(self) -> Array:
        """bool: is there any member."""
        return (self.low | self.high) != 0

    def count(self) -> Array:
        """int32: number of members."""
        counted = jax.lax.population_count(self.low) + jax.lax.population_count(self.high)
        return counted.astype(jnp.int32)

    def neighbours(self) -> "CellSet":
        """All cells one step up, down, left or right of a member."""
        up = CellSet(self.low << GRID_SIZE, (self.high << GRID_SIZE) | (self.low >> _TOP_ROW))
        down = CellSet((self.low >> GRID_SIZE) | (self.high << _TOP_ROW), self.high >> GRID_SIZE)
        sideways = [
            ((word & ~np.uint32(_LAST_COLUMN)) << 1) | ((word & ~np.uint32(_FIRST_COLUMN)) >> 1)
            for word in (self.low, self.high)
        ]
        return (up | down | CellSet(*sideways)) & everywhere()

    def nth(self, rank: Array) -> Spot:
        """The member with so many members before it, in row-major order."""
        in_low = jax.lax.population_count(self.low).astype(jnp.int32)
        upper = rank >= in_low
        word = jnp.where(upper, self.high, self.low)
        left = jnp.where(upper, rank - in_low, rank)
        bit = jnp.where(upper, jnp.uint32(_HALF), jnp.uint32(0))  # unsigned, as division is simpler then
        for width in (16, 8, 4, 2, 1):  # skip a stretch of bits as long as too few members are in it
            members = jax.lax.population_count(word & ((1 << width) - 1)).astype(jnp.int32)
            skip = left >= members
            left = jnp.where(skip, left - members, left)
            bit = jnp.where(skip, bit + width, bit)
            word = jnp.where(skip, word >> width, word)
        return Spot((bit // GRID_SIZE).astype(jnp.int32), (bit % GRID_SIZE).astype(jnp.int32))

    def flags(self) -> Array:
        """Bool (36, env): membership cell by cell, in row-major order."""
        return jnp.concatenate([(self.low & _BITS) != 0, (self.high & _BITS) != 0])


def everywhere() -> CellSet:
    """The whole board; broadcasts against any set."""
    return CellSet(jnp.uint32(_ALL), jnp.uint32(_ALL))


def fixed(cells: Iterable[tuple[int, int]]) -> CellSet:
    """The set of the given cells, the same for all environments."""
    bits = sum(1 << (GRID_SIZE * row + col) for row, col in cells)
    return CellSet(jnp.uint32(bits & _ALL), jnp.uint32(bits >> _HALF))


def single(place: Place) -> CellSet:
    """The set of one cell, in the shape of the place."""
    bit = GRID_SIZE * place.row + place.col
    upper = bit >= _HALF
    mark = jnp.uint32(1) << jnp.where(upper, bit - _HALF, bit).astype(jnp.uint32)
    nothing = jnp.uint32(0)
    return CellSet(jnp.where(upper, nothing, mark), jnp.where(upper, mark, nothing))


def of_flags(flags: Array) -> CellSet:
    """The cells whose flag is set; `flags` is bool (36, env) in row-major order."""
    return CellSet(
        jnp.sum(jnp.where(flags[:_HALF], _BITS, 0), axis=0, dtype=jnp.uint32),
        jnp.sum(jnp.where(flags[_HALF:], _BITS, 0), axis=0, dtype=jnp.uint32),
    )


def of_places(places: Place, present: Array) -> CellSet:
    """The cells on which somebody stands; places and `present` are (slots, env)."""
    cells = single(places)
    return CellSet(
        *(
            jax.lax.reduce(jnp.where(present, half, jnp.uint32(0)), np.uint32(0), jax.lax.bitwise_or, (0,))
            for half in (cells.low, cells.high)
        )
    )
