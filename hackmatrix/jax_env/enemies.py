"""What enemies do in their turn: move, hit, recover.

Rules: docs/game.md, section 6.
"""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import slots
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.constants import GLITCH, VIRUS
from hackmatrix.jax_env.geometry import Spot, steps_between
from hackmatrix.jax_env.state import Enemies, Player


def move(enemies: Enemies, player: Player, unsiphoned: CellSet, allowed: Array) -> Enemies:
    """Move everybody who is neither stunned nor disabled; viruses twice. `allowed` is bool (env,)."""
    moves = enemies.present & ~enemies.stunned & (enemies.disabled_turns == 0) & allowed
    moved = enemies.where(moves, _one_move(enemies, player, unsiphoned))
    return moved.where(moves & (enemies.type == VIRUS), _one_move(moved, player, unsiphoned))


def _one_move(enemies: Enemies, player: Player, unsiphoned: CellSet) -> Enemies:
    """One cell towards the player; beside a block, swerve along the other axis as well, unchecked."""
    row, col = enemies.row, enemies.col
    row_difference, col_difference = player.row - row, player.col - col
    row_first = jnp.abs(row_difference) >= jnp.abs(col_difference)
    row_step, col_step = jnp.sign(row_difference), jnp.sign(col_difference)

    wanted_row = row + jnp.where(row_first, row_step, 0)
    wanted_col = col + jnp.where(row_first, 0, col_step)
    beside_player = steps_between(enemies, player) <= 1  # or on the same cell
    wanted_row = jnp.where(beside_player, row, wanted_row)
    wanted_col = jnp.where(beside_player, col, wanted_col)

    swerves = unsiphoned.has(Spot(wanted_row, wanted_col)) & (enemies.type != GLITCH)
    return enemies.replace(
        row=jnp.where(swerves & ~row_first, row + row_step, wanted_row),
        col=jnp.where(swerves & row_first, col + col_step, wanted_col),
    )


def hit(enemies: Enemies, player: Player, turn_taken: Array) -> Player:
    """Every enemy beside the player that is not stunned takes 1 hp; 0 is the least."""
    beside = steps_between(enemies, player) == 1
    hits = slots.count(enemies.present & beside & ~enemies.stunned & turn_taken)
    return replace(player, hp=jnp.maximum(player.hp - hits, 0))


def recover(enemies: Enemies, turn_taken: Array) -> Enemies:
    """The turn's end: stuns are over, disabled enemies have a turn less to wait."""
    rested = enemies.replace(stunned=False, disabled_turns=jnp.maximum(enemies.disabled_turns - 1, 0))
    return enemies.where(turn_taken, rested)
