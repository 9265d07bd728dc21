"""Completing a stage: who has, and what the next stage changes.

Rules: docs/game.md, sections 4 (step 7) and 11.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.chance import Seed
from hackmatrix.jax_env.constants import LAST_STAGE, MAX_HP, WARP
from hackmatrix.jax_env.geometry import Spot, same
from hackmatrix.jax_env.movement import is_move
from hackmatrix.jax_env.stage import Board, new_board
from hackmatrix.jax_env.state import EnvState

_BUILT_AT_ONCE = 8  # few games of a batch complete a stage in the same step; 4 to 16 cost the same


def completes_stage(state: EnvState, action: Array) -> Array:
    """Bool (env,): does the action, just carried out, complete the stage."""
    on_exit = same(state.player, state.exit)
    return (is_move(action) | (action == WARP)) & on_exit & (state.stage <= LAST_STAGE)


def next_stage(state: EnvState, completed: Array, seed: Seed) -> EnvState:
    """The position after the completed stages; where none was completed, the same position."""
    player = state.player
    hp = jnp.where(completed, jnp.minimum(player.hp + 1, MAX_HP), player.hp)
    state = replace(
        state,
        player=replace(player, hp=hp),
        stage=state.stage + completed,
        show_activated=state.show_activated & ~completed,
        scheduled_tasks_disabled=state.scheduled_tasks_disabled & ~completed,
        step_active=state.step_active & ~completed,
        atk_plus_uses=jnp.where(completed, 0, state.atk_plus_uses),
        enemies=state.enemies.without(completed),
    )
    return set_up(state, completed, seed)


def set_up(state: EnvState, wanted: Array, seed: Seed) -> EnvState:
    """Put a new board in place where `wanted` (env,), at no cost for the others.

    Drawing a board takes a hundred times longer than the rest of a step, and under a select every game of a
    batch would pay for it. So the games in want of one are gathered, a few at a time, until none is left.
    """
    batch = wanted.shape[0]
    group = min(_BUILT_AT_ONCE, batch)
    boards = Board(state.exit_row, state.exit_col, state.cells, state.transmissions)

    def unfinished(carry: tuple[Array, Board]) -> Array:
        return jnp.any(carry[0])

    def build_some(carry: tuple[Array, Board]) -> tuple[Array, Board]:
        waiting, boards = carry
        place_in_queue = jnp.cumsum(waiting, dtype=jnp.int32)
        # With fewer than `group` waiting, the rest of the indices are past the end, and dropped.
        who = jnp.sum(
            place_in_queue < 1 + jnp.arange(group, dtype=jnp.int32)[:, None], axis=1, dtype=jnp.int32
        )
        inputs = (seed, state.stage, Spot(state.player.row, state.player.col))
        built = new_board(*jax.tree.map(lambda all_: all_.at[who].get(mode="clip"), inputs))
        boards = jax.tree.map(lambda all_, some: all_.at[..., who].set(some, mode="drop"), boards, built)
        return waiting & (place_in_queue > group), boards

    _, boards = jax.lax.while_loop(unfinished, build_some, (wanted, boards))
    return replace(
        state,
        exit_row=boards.exit_row,
        exit_col=boards.exit_col,
        cells=boards.cells,
        transmissions=boards.transmissions,
    )
