"""Directions, adjacency and lines of sight on the board.

Rules: docs/game.md, sections 1 and 5.
"""

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.constants import DIRECTIONS, GRID_SIZE


def direction(action: Array) -> tuple[Array, Array]:
    """(row step, col step) of the actions up, down, left, right; (0, 0) for any other."""
    row_step = sum(jnp.where(action == number, step, 0) for number, (step, _) in enumerate(DIRECTIONS))
    col_step = sum(jnp.where(action == number, step, 0) for number, (_, step) in enumerate(DIRECTIONS))
    return jnp.asarray(row_step), jnp.asarray(col_step)


def on_board(row: Array, col: Array) -> Array:
    """bool: is (row, col) a cell."""
    return (row >= 0) & (row < GRID_SIZE) & (col >= 0) & (col < GRID_SIZE)


def steps_between(row: Array, col: Array, other_row: Array, other_col: Array) -> Array:
    """int32: up/down/left/right steps between two cells."""
    return jnp.abs(row - other_row) + jnp.abs(col - other_col)


def surrounding(row: Array, col: Array, other_row: Array, other_col: Array) -> Array:
    """bool: is one cell among the other's eight neighbours."""
    return jnp.maximum(jnp.abs(row - other_row), jnp.abs(col - other_col)) == 1


def distance_ahead(
    row: Array, col: Array, from_row: Array, from_col: Array, row_step: Array | int, col_step: Array | int
) -> Array:
    """int32: cells ahead of (from_row, from_col) in a direction; 0 or less if not straight ahead."""
    ahead = (row - from_row) * row_step + (col - from_col) * col_step
    aside = (row - from_row) * col_step + (col - from_col) * row_step
    return jnp.where(aside == 0, ahead, 0)
