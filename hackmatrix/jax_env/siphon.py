"""Siphoning: the action that takes one of the four adjacent blocks.

Rules: docs/game.md, section 9.
"""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import transmissions
from hackmatrix.jax_env.chance import Seed, Use
from hackmatrix.jax_env.constants import DIRECTIONS, SIPHON
from hackmatrix.jax_env.geometry import CELLS, Spot, moved, same
from hackmatrix.jax_env.slots import SLOT
from hackmatrix.jax_env.state import Cells, EnvState, Transmissions

PROGRAM_WORTH = 100
MOST_SPAWNS = 9
SPAWN_TURNS = 3
SCHEDULE_DELAY = 5  # added to the date of the next scheduled spawn


def siphon(state: EnvState, action: Array, seed: Seed) -> EnvState:
    """Spend a data siphon; take the most worthy adjacent block, if there is one, and pay with its spawns."""
    acts = action == SIPHON
    target, block, found = _target(state)
    takes = acts & found
    player, cells = state.player, state.cells

    gained = jnp.where(takes & block.has_data_block, block.points, 0)
    program_bit = jnp.uint32(1) << jnp.where(block.has_program_block, block.program, 31).astype(jnp.uint32)
    learned = jnp.where(takes & block.has_program_block, program_bit, jnp.uint32(0))
    player = replace(
        player,
        data_siphons=player.data_siphons - acts,
        score=player.score + gained,
    )
    is_target = same(CELLS, target) & takes
    is_center = same(CELLS, player) & takes
    cells = cells.where(is_target, cells.replace(siphoned=True))
    cells = cells.where(is_center, cells.replace(siphon_center=True))
    return replace(
        state,
        player=player,
        cells=cells,
        owned_programs=state.owned_programs | learned,
        next_scheduled_task_turn=state.next_scheduled_task_turn + jnp.where(takes, SCHEDULE_DELAY, 0),
        transmissions=transmissions.place(
            state.transmissions,
            jnp.where(takes, jnp.minimum(block.spawn_count, MOST_SPAWNS), 0),
            _spawn(target, seed),
        ),
    )


def worth(block: Cells) -> Array:
    """int32: a program block's 100, a data block's points, 0 for what cannot be a target."""
    value = jnp.where(block.has_program_block, PROGRAM_WORTH, block.points)
    return jnp.where(block.unsiphoned, value, 0)


def _target(state: EnvState) -> tuple[Spot, Cells, Array]:
    """(place, block, found): the adjacent block of highest worth; a tie goes to up, down, left, right."""
    player, cells = state.player, state.cells
    best, best_block = Spot(player.row, player.col), Cells(jnp.zeros_like(state.owned_programs))
    best_worth = jnp.zeros_like(player.row)
    for step in DIRECTIONS:
        place = moved(player, step)
        block = cells.at(place)
        better = worth(block) > best_worth
        best = Spot(jnp.where(better, place.row, best.row), jnp.where(better, place.col, best.col))
        best_block = best_block.where(better, block)
        best_worth = jnp.where(better, worth(block), best_worth)
    return best, best_block, best_worth > 0


def _spawn(target: Spot, seed: Seed) -> Transmissions:
    """What each slot (20, env) would receive: all on the block's own cell, each of a type of its own."""
    enemy_type = seed.draw(Use.SIPHONED_TYPE, SLOT) >> 30
    return Transmissions(jnp.zeros_like(enemy_type)).replace(
        row=target.row,
        col=target.col,
        enemy_type=enemy_type,
        spawned_from_siphon=True,
        turns_remaining=SPAWN_TURNS,
    )
