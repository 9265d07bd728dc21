"""Which actions are legal.

Rules: docs/game.md, section 12.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env import programs
from hackmatrix.jax_env.blocks import blocks_of
from hackmatrix.jax_env.census import Census, take_census
from hackmatrix.jax_env.constants import DIRECTIONS, FIRST_PROGRAM, NUM_ACTIONS
from hackmatrix.jax_env.geometry import moved, on_board
from hackmatrix.jax_env.state import EnvState

_ACTION = np.arange(NUM_ACTIONS, dtype=np.uint32)


def legal_bits(state: EnvState) -> Array:
    """uint32 (env,): bit a says whether action a is legal; does not ask whether the game has ended."""
    blocks = blocks_of(state.cells)
    census = take_census(state, blocks)
    conditions = programs.conditions(state, blocks, census)
    affordable = programs.affordable(state.player)
    legal = [
        *_legal_moves(state, census),
        state.player.data_siphons > 0,
        *(
            ((state.owned_programs >> number) & 1 != 0)
            & affordable[number]
            & conditions[FIRST_PROGRAM + number]
            for number in range(len(affordable))
        ),
    ]
    bits: Array = jnp.zeros_like(state.owned_programs)
    for action, flag in enumerate(legal):
        bits = bits | (flag.astype(jnp.uint32) << action)
    return bits


def is_legal(bits: Array, action: Array) -> Array:
    """Bool (env,): one action looked up; numbers outside 0..27 are not legal."""
    known = (action >= 0) & (action < NUM_ACTIONS)
    return known & ((bits >> jnp.where(known, action, 0).astype(jnp.uint32)) & 1 != 0)


def flags_of(bits: Array) -> Array:
    """Bool (env, 28): the legal actions' bits, uint32 (env,), one by one; env axis first."""
    flags: Array = (bits[:, None] >> _ACTION) & 1 != 0
    return flags


def _legal_moves(state: EnvState, census: Census) -> list[Array]:
    """A move needs a cell on the board ahead, and either no unsiphoned block on it or somebody to shoot."""
    player = state.player
    legal = []
    for step, target in zip(DIRECTIONS, census.target_ahead, strict=True):
        next_cell = moved(player, step)
        legal.append(on_board(next_cell) & (target | ~state.cells.at(next_cell).unsiphoned))
    return legal
