"""Directions, adjacency and lines of sight on the board.

Rules: docs/game.md, sections 1 and 5.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env.constants import DIRECTIONS, GRID_SIZE, NUM_CELLS


class Place(Protocol):
    """Whatever has a row and a column, int32: the player, the slots of enemies, the cells of the board."""

    @property
    def row(self) -> Any:
        """Row 0..5, counted from the bottom."""

    @property
    def col(self) -> Any:
        """Column 0..5."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Spot:
    """A place and nothing else; need not be on the board."""

    row: Any
    col: Any


# All 36 cells in row-major order, int32 (36, 1): compared with a place (env,) this gives (36, env).
CELLS = Spot(*(axis.reshape(NUM_CELLS, 1) for axis in np.indices((GRID_SIZE, GRID_SIZE), np.int32)))


def direction(action: Array) -> tuple[Array, Array]:
    """(row step, col step) of the actions up, down, left, right; (0, 0) for any other."""
    row_step = sum(jnp.where(action == number, step, 0) for number, (step, _) in enumerate(DIRECTIONS))
    col_step = sum(jnp.where(action == number, step, 0) for number, (_, step) in enumerate(DIRECTIONS))
    return jnp.asarray(row_step), jnp.asarray(col_step)


def moved(place: Place, step: tuple[Any, Any]) -> Spot:
    """The spot that lies a (row step, col step) away."""
    return Spot(place.row + step[0], place.col + step[1])


def on_board(place: Place) -> Array:
    """Is it a cell: bool."""
    inside: Array = (place.row >= 0) & (place.row < GRID_SIZE) & (place.col >= 0) & (place.col < GRID_SIZE)
    return inside


def same(one: Place, other: Place) -> Array:
    """Are both the same cell: bool."""
    equal: Array = (one.row == other.row) & (one.col == other.col)
    return equal


def steps_between(one: Place, other: Place) -> Array:
    """Up/down/left/right steps from one to the other, int32; adjacent means 1."""
    return jnp.abs(one.row - other.row) + jnp.abs(one.col - other.col)


def surrounding(one: Place, other: Place) -> Array:
    """Is one among the eight cells round the other: bool."""
    return jnp.maximum(jnp.abs(one.row - other.row), jnp.abs(one.col - other.col)) == 1


def distance_ahead(place: Place, viewer: Place, step: tuple[Any, Any]) -> Array:
    """Cells from the viewer to the place in that direction, int32; 0 or less if it is not straight ahead."""
    rows, cols = place.row - viewer.row, place.col - viewer.col
    ahead, aside = rows * step[0] + cols * step[1], rows * step[1] + cols * step[0]
    return jnp.where(aside == 0, ahead, 0)
