"""Moving: the actions up, down, left and right, which shoot or walk.

Rules: docs/game.md, section 5.
"""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import slots, transmissions
from hackmatrix.jax_env.constants import RIGHT, UP
from hackmatrix.jax_env.geometry import CELLS, Spot, direction, distance_ahead, moved, same
from hackmatrix.jax_env.slots import SLOT
from hackmatrix.jax_env.state import EnvState


def is_move(action: Array) -> Array:
    """bool: is it one of up, down, left, right."""
    return (action >= UP) & (action <= RIGHT)


def shoot_or_walk(state: EnvState, action: Array) -> EnvState:
    """Shoot the nearest enemy or transmission ahead; walk a cell if there is none.

    Blocks stop neither the look nor the shot. On the nearest cell that holds anything, enemies come before
    transmissions and low slots before high ones.
    """
    player, enemies, transmits = state.player, state.enemies, state.transmissions
    step = direction(action)
    enemies_ahead = distance_ahead(enemies, player, step)
    enemy_distance, enemy_slot = slots.nearest(enemies_ahead, enemies.present & (enemies_ahead > 0))
    transmits_ahead = distance_ahead(transmits, player, step)
    transmit_distance, transmit_slot = slots.nearest(
        transmits_ahead, transmits.present & (transmits_ahead > 0)
    )

    moves = is_move(action)
    target_distance = jnp.minimum(enemy_distance, transmit_distance)
    shoots = moves & (target_distance < slots.NOBODY)
    shoots_enemy = shoots & (enemy_distance == target_distance)
    shoots_transmission = shoots & ~shoots_enemy

    struck = (enemy_slot == SLOT) & shoots_enemy
    enemies = enemies.hurt(jnp.where(struck, player.attack_damage, 0), jnp.zeros_like(struck))
    transmits = transmissions.remove(transmits, transmit_slot, shoots_transmission)
    state = replace(state, enemies=enemies, transmissions=transmits)
    return _walk(state, moved(player, step), moves & ~shoots)


def _walk(state: EnvState, target: Spot, walks: Array) -> EnvState:
    """Step onto the target where `walks`, and pick up everything that lies there."""
    player, cells = state.player, state.cells
    found = cells.at(target)
    player = replace(
        player,
        row=jnp.where(walks, target.row, player.row),
        col=jnp.where(walks, target.col, player.col),
        credits=player.credits + jnp.where(walks, found.credits, 0),
        energy=player.energy + jnp.where(walks, found.energy, 0),
        data_siphons=player.data_siphons + jnp.where(walks, found.data_siphon, 0),
    )
    emptied = cells.replace(credits=0, energy=0, data_siphon=False)
    return replace(state, player=player, cells=cells.where(same(CELLS, target) & walks, emptied))
