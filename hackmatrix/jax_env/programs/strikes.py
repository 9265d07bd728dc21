"""The programs that hurt enemies: CRASH, DEBUG, ROW, COL, D_BOM, ANTI-V and HACK.

Rules: docs/game.md, section 10.
"""

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import slots
from hackmatrix.jax_env.blocks import Blocks
from hackmatrix.jax_env.census import in_column, in_row, of_type, on_block, on_siphoned_block
from hackmatrix.jax_env.constants import (
    ANTI_V,
    COL,
    CRASH,
    D_BOM,
    DAEMON,
    DEBUG,
    HACK,
    MAX_HP,
    ROW,
    VIRUS,
)
from hackmatrix.jax_env.geometry import Spot, steps_between, surrounding
from hackmatrix.jax_env.slots import SLOT
from hackmatrix.jax_env.state import Enemies, Player


def strike(enemies: Enemies, player: Player, blocks: Blocks, action: Array) -> Enemies:
    """The enemies after one of the programs that hurt; the same for any other action."""
    # program: (who is hurt, by how much, are survivors stunned)
    strikes = {
        CRASH: (enemies.present, 1, False),
        DEBUG: (on_block(enemies, blocks), 1, True),
        ROW: (in_row(enemies, player), 1, False),
        COL: (in_column(enemies, player), 1, False),
        ANTI_V: (of_type(enemies, VIRUS), 1, True),
        HACK: (on_siphoned_block(enemies, blocks), 2, False),
    }
    damage, stuns = _bomb(enemies, player, action == D_BOM)
    for program, (struck, by, stunning) in strikes.items():
        hurts = struck & (action == program)
        damage = jnp.where(hurts, by, damage)
        if stunning:
            stuns = stuns | hurts
    return enemies.hurt(damage, stuns)


def _bomb(enemies: Enemies, player: Player, explodes: Array) -> tuple[Array, Array]:
    """D_BOM's (damage, stuns), both (20, env): the nearest daemon is gone, the eight cells round it are hit.

    Enemies that share the daemon's cell are not touched.
    """
    distance = steps_between(enemies, player)
    _, target_slot = slots.nearest(distance, of_type(enemies, DAEMON))
    is_target = (target_slot == SLOT) & enemies.present & explodes
    target = Spot(
        jnp.sum(jnp.where(is_target, enemies.row, 0), axis=0, dtype=jnp.int32),
        jnp.sum(jnp.where(is_target, enemies.col, 0), axis=0, dtype=jnp.int32),
    )
    near = surrounding(enemies, target) & enemies.present & explodes & ~is_target
    return jnp.where(is_target, MAX_HP, near.astype(jnp.int32)), near
