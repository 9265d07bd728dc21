"""Scheduled spawns: a transmission every so many turns.

Rules: docs/game.md, section 8.
"""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import cellset, transmissions
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.chance import Seed, Use, below
from hackmatrix.jax_env.geometry import Spot
from hackmatrix.jax_env.state import EnvState, Transmissions


def scheduled_spawn(state: EnvState, unsiphoned: CellSet, turn_taken: Array, seed: Seed) -> EnvState:
    """Announce an enemy on a random unoccupied cell if the date has come, and set the next date."""
    due = (
        turn_taken
        & ~state.scheduled_tasks_disabled
        & (state.scheduled_task_interval > 0)
        & (state.turn >= state.next_scheduled_task_turn)
    )
    cell = _cell(state, unsiphoned, seed)
    newcomer = Transmissions(jnp.zeros_like(state.owned_programs)).replace(
        row=cell.row,
        col=cell.col,
        enemy_type=seed.draw(Use.SCHEDULED_TYPE) >> 30,
        from_scheduled_task=True,
        turns_remaining=1,
    )
    next_turn = state.turn + state.scheduled_task_interval
    return replace(
        state,
        transmissions=transmissions.place(state.transmissions, due.astype(jnp.int32), newcomer),
        next_scheduled_task_turn=jnp.where(due, next_turn, state.next_scheduled_task_turn),
    )


def _cell(state: EnvState, unsiphoned: CellSet, seed: Seed) -> Spot:
    """A cell without player, unsiphoned block, enemy and transmission; (0, 0) if there is none."""
    player = cellset.single(state.player)
    free = ~(player | unsiphoned | state.enemies.cells() | state.transmissions.cells())
    drawn = free.nth(below(seed.draw(Use.SCHEDULED_CELL), free.count()))
    return Spot(jnp.where(free.any(), drawn.row, 0), jnp.where(free.any(), drawn.col, 0))
