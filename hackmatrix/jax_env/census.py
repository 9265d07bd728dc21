"""Who is where: all that the action mask asks about enemies and transmissions, counted in one pass.

Rules: docs/game.md, sections 5, 10 and 12.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import slots
from hackmatrix.jax_env.blocks import Blocks
from hackmatrix.jax_env.constants import DAEMON, DIRECTIONS, VIRUS
from hackmatrix.jax_env.geometry import CELLS, distance_ahead, surrounding
from hackmatrix.jax_env.state import Cells, Enemies, EnvState, Player, Transmissions


def on_block(enemies: Enemies, blocks: Blocks) -> Array:
    """Bool (20, env): who stands on a block, siphoned or not (DEBUG)."""
    return enemies.present & blocks.all.has(enemies)


def on_siphoned_block(enemies: Enemies, blocks: Blocks) -> Array:
    """Bool (20, env): who stands on a siphoned block (HACK)."""
    return enemies.present & blocks.siphoned.has(enemies)


def in_row(enemies: Enemies, player: Player) -> Array:
    """Bool (20, env): who is in the player's row (ROW)."""
    return enemies.present & (enemies.row == player.row)


def in_column(enemies: Enemies, player: Player) -> Array:
    """Bool (20, env): who is in the player's column (COL)."""
    return enemies.present & (enemies.col == player.col)


def of_type(enemies: Enemies, enemy_type: int) -> Array:
    """Bool (20, env): who is a virus, a daemon and so on (ANTI-V, D_BOM)."""
    return enemies.present & (enemies.type == enemy_type)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Census:
    """Bool (env,) each: is there such an enemy or transmission; `target_ahead` in order of DIRECTIONS."""

    enemy: Array
    transmission: Array
    enemy_on_block: Array
    enemy_in_row: Array
    enemy_in_column: Array
    daemon: Array
    virus: Array
    neighbourhood_occupied: Array
    target_ahead: tuple[Array, ...]


def take_census(state: EnvState, blocks: Blocks) -> Census:
    """Ask every enemy and every transmission once."""
    enemies, transmissions, player = state.enemies, state.transmissions, state.player
    enemy, enemy_on_block, enemy_in_row, enemy_in_column, daemon, virus, near_enemy, *enemy_ahead = (
        slots.any_of(
            enemies.present,
            on_block(enemies, blocks),
            in_row(enemies, player),
            in_column(enemies, player),
            of_type(enemies, DAEMON),
            of_type(enemies, VIRUS),
            _near(enemies, player),
            *_ahead(enemies, player),
        )
    )
    transmission, near_transmission, *transmission_ahead = slots.any_of(
        transmissions.present, _near(transmissions, player), *_ahead(transmissions, player)
    )
    return Census(
        enemy=enemy,
        transmission=transmission,
        enemy_on_block=enemy_on_block,
        enemy_in_row=enemy_in_row,
        enemy_in_column=enemy_in_column,
        daemon=daemon,
        virus=virus,
        neighbourhood_occupied=near_enemy | near_transmission | _near_block(state.cells, player),
        target_ahead=tuple(a | b for a, b in zip(enemy_ahead, transmission_ahead, strict=True)),
    )


def _near(somebody: Enemies | Transmissions, player: Player) -> Array:
    """Bool (20, env): who is in one of the eight cells surrounding the player."""
    return somebody.present & surrounding(somebody, player)


def _near_block(cells: Cells, player: Player) -> Array:
    """Bool (env,): is a block, siphoned or not, in one of the eight cells surrounding the player."""
    return jnp.any(cells.has_block & surrounding(CELLS, player), axis=0)


def _ahead(somebody: Enemies | Transmissions, player: Player) -> list[Array]:
    """For each direction, bool (20, env): who is straight ahead, at any distance."""
    return [somebody.present & (distance_ahead(somebody, player, step) > 0) for step in DIRECTIONS]
