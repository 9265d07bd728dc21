"""From an action's number to the deed.

Rules: docs/game.md, sections 3 and 4 (steps 3 and 4).
"""

from dataclasses import replace

from jax import Array

from hackmatrix.jax_env import programs
from hackmatrix.jax_env.blocks import Blocks
from hackmatrix.jax_env.chance import Seed
from hackmatrix.jax_env.constants import SIPHON, WAIT
from hackmatrix.jax_env.movement import is_move, shoot_or_walk
from hackmatrix.jax_env.siphon import siphon
from hackmatrix.jax_env.state import EnvState
from hackmatrix.jax_env.walls import wall


def takes_turn(action: Array) -> Array:
    """bool: is the action followed by the enemies' turn."""
    return is_move(action) | (action == SIPHON) | (action == WAIT)


def carry_out(state: EnvState, blocks: Blocks, action: Array, seed: Seed) -> EnvState:
    """The position after a legal action itself, its turn counted; `NO_ACTION` changes nothing."""
    state = wall(state.turn, shoot_or_walk, state, action)
    state = wall(state.turn, _siphon_or_run, state, blocks, action, seed)
    return replace(state, turn=state.turn + takes_turn(action))


def _siphon_or_run(state: EnvState, blocks: Blocks, action: Array, seed: Seed) -> EnvState:
    return programs.run(siphon(state, action, seed), blocks, action, seed)
