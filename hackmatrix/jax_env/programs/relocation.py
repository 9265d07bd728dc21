"""The programs that move somebody elsewhere: PUSH, PULL and WARP.

Rules: docs/game.md, section 10.
"""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import slots
from hackmatrix.jax_env.chance import Seed, Use, below
from hackmatrix.jax_env.constants import GRID_SIZE, PULL, PUSH, WARP
from hackmatrix.jax_env.state import Enemies, EnvState, Player


def push_or_pull(enemies: Enemies, player: Player, action: Array) -> Enemies:
    """PUSH and PULL: everybody a cell away from or towards the player, diagonally where both axes differ."""
    sign = jnp.where(action == PUSH, 1, -1)
    row = enemies.row + sign * jnp.sign(enemies.row - player.row)
    col = enemies.col + sign * jnp.sign(enemies.col - player.col)
    moved = enemies.replace(row=jnp.clip(row, 0, GRID_SIZE - 1), col=jnp.clip(col, 0, GRID_SIZE - 1))
    acts = (action == PUSH) | (action == PULL)
    return enemies.where(enemies.present & acts, moved)


def warp(state: EnvState, action: Array, seed: Seed) -> EnvState:
    """WARP: one enemy or transmission, uniformly drawn, is gone; the player stands on its cell."""
    enemies, transmissions, player = state.enemies, state.transmissions, state.player
    acts = action == WARP
    enemy_number, transmission_number = slots.count(enemies.present), slots.count(transmissions.present)
    pick = below(seed.draw(Use.WARP_TARGET), enemy_number + transmission_number)
    taken_enemy = enemies.present & (slots.rank(enemies.present) == pick) & acts
    rank = slots.rank(transmissions.present) + enemy_number
    taken_transmission = transmissions.present & (rank == pick) & acts

    def of_target(enemies_value: Array, transmissions_value: Array) -> Array:
        chosen = jnp.where(taken_enemy, enemies_value, 0) + jnp.where(
            taken_transmission, transmissions_value, 0
        )
        return jnp.sum(chosen, axis=0, dtype=jnp.int32)

    player = replace(
        player,
        row=jnp.where(acts, of_target(enemies.row, transmissions.row), player.row),
        col=jnp.where(acts, of_target(enemies.col, transmissions.col), player.col),
    )
    return replace(
        state,
        player=player,
        enemies=enemies.without(taken_enemy),
        transmissions=transmissions.without(taken_transmission),
    )
