"""The programs that touch only the player, the flags or the blocks: SIPH+ to ATK+, REDUC, STEP, UNDO.

Rules: docs/game.md, section 10.
"""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.constants import (
    ATK_PLUS,
    CALM,
    EXCH,
    LAST_STAGE,
    MAX_HP,
    NO_ACTION,
    REDUC,
    RESET,
    SCORE,
    SHOW,
    SIPH_PLUS,
    STEP,
    UNDO,
)
from hackmatrix.jax_env.programs.table import price_paid
from hackmatrix.jax_env.state import Cells, EnvState, Player

EXCHANGED_ENERGY = 4


def pay_and_gain(player: Player, stage: Array, action: Array) -> Player:
    """The player after the price and after SIPH+, EXCH, RESET, SCORE or ATK+."""
    credits_paid, energy_paid = price_paid(action)
    return replace(
        player,
        hp=jnp.where(action == RESET, MAX_HP, player.hp),
        credits=player.credits - credits_paid,
        energy=player.energy - energy_paid + jnp.where(action == EXCH, EXCHANGED_ENERGY, 0),
        data_siphons=player.data_siphons + (action == SIPH_PLUS),
        attack_damage=player.attack_damage + (action == ATK_PLUS),
        score=player.score + jnp.where(action == SCORE, LAST_STAGE - stage, 0),
    )


def set_flags(state: EnvState, action: Array) -> EnvState:
    """STEP, SHOW, CALM, ATK+'s counter, and what every legal action does to `undo_available`.

    UNDO restores the position it was played in, so lowering that flag is all that it does (docs/game.md,
    sections 10 and 17).
    """
    raised = state.undo_available | (action != NO_ACTION)
    return replace(
        state,
        step_active=state.step_active | (action == STEP),
        show_activated=state.show_activated | (action == SHOW),
        scheduled_tasks_disabled=state.scheduled_tasks_disabled | (action == CALM),
        atk_plus_uses=state.atk_plus_uses + (action == ATK_PLUS),
        undo_available=raised & (action != UNDO),
    )


def reduce_spawns(cells: Cells, action: Array) -> Cells:
    """REDUC: every unsiphoned block will spawn one enemy less; points stay."""
    reduced = cells.replace(spawn_count=jnp.maximum(cells.spawn_count - 1, 0))
    return cells.where(cells.unsiphoned & (action == REDUC), reduced)
