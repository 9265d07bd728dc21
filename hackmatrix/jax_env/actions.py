"""From an action's number to the deed.

Rules: docs/game.md, sections 3, 4 (steps 3 and 4) and 16.
"""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env import programs
from hackmatrix.jax_env.blocks import Blocks
from hackmatrix.jax_env.chance import Seed
from hackmatrix.jax_env.constants import NO_ACTION, NUM_ACTIONS, SIPHON, WAIT
from hackmatrix.jax_env.movement import is_move
from hackmatrix.jax_env.siphon import siphon
from hackmatrix.jax_env.state import EnvState

_WIDE = 4  # bytes; a cast from more than that to int32 could turn a number that is no action into one


def action_number(action: Any) -> Array:
    """int32, in the action's shape: 0..27 as they are, any other integer as some number that is no action.

    Args:
        action: an int of any size, or an array of integers of any width, a NumPy one, too.

    Raises:
        TypeError: it holds no integers; a bool is none.
    """
    if isinstance(action, int) and not isinstance(action, bool):
        return jnp.asarray(action if 0 <= action < NUM_ACTIONS else NO_ACTION, jnp.int32)
    array = action if hasattr(action, "dtype") else np.asarray(action)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(
            f"the action is of type {array.dtype}, expected an integer, 0..{NUM_ACTIONS - 1}; "
            "convert it first: int(action), or action.astype(int) of an array"
        )
    if array.dtype.itemsize > _WIDE:
        xp = jnp if isinstance(array, Array) else np
        array = xp.where((array >= 0) & (array < NUM_ACTIONS), array.astype(np.int32), NO_ACTION)
    return jnp.asarray(array).astype(jnp.int32)


def takes_turn(action: Array) -> Array:
    """bool: is the action followed by the enemies' turn."""
    return is_move(action) | (action == SIPHON) | (action == WAIT)


def count_turn(state: EnvState, action: Array) -> EnvState:
    """One turn more where the action takes it."""
    return replace(state, turn=state.turn + takes_turn(action))


def siphon_or_run(state: EnvState, blocks: Blocks, action: Array, seed: Seed) -> EnvState:
    """The position after siphon or a program, which must be legal; unchanged for any other action.

    Args:
        state: before it.
        blocks: of the same position.
        action: int32 (env,).
        seed: what the step draws from.
    """
    return programs.run(siphon(state, action, seed), blocks, action, seed)
