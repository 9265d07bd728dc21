"""When each program can be run, apart from being owned and paid for.

Rules: docs/game.md, section 10, column "condition".
"""

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import constants as c
from hackmatrix.jax_env.blocks import Blocks
from hackmatrix.jax_env.census import Census
from hackmatrix.jax_env.state import EnvState


def conditions(state: EnvState, blocks: Blocks, census: Census) -> dict[int, Array]:
    """For each program's action, bool (env,): does its condition hold."""
    always = jnp.ones_like(state.undo_available)
    attack = state.player.attack_damage
    return {
        c.PUSH: census.enemy,
        c.PULL: census.enemy,
        c.CRASH: census.neighbourhood_occupied,
        c.WARP: census.enemy | census.transmission,
        c.POLY: census.enemy,
        c.WAIT: always,
        c.DEBUG: census.enemy_on_block,
        c.ROW: census.enemy_in_row,
        c.COL: census.enemy_in_column,
        c.UNDO: state.undo_available,
        c.STEP: always,
        c.SIPH_PLUS: always,
        c.EXCH: always,
        c.SHOW: ~state.show_activated,
        c.RESET: state.player.hp < c.MAX_HP,
        c.CALM: ~state.scheduled_tasks_disabled,
        c.D_BOM: census.daemon,
        c.DELAY: census.transmission,
        c.ANTI_V: census.virus,
        c.SCORE: state.stage < c.LAST_STAGE,
        c.REDUC: jnp.any(state.cells.unsiphoned & (state.cells.spawn_count > 0), axis=0),
        c.ATK_PLUS: (state.atk_plus_uses < c.MAX_ATK_PLUS_USES) & (attack < c.MAX_ATTACK_DAMAGE),
        c.HACK: blocks.siphoned.any(),
    }
