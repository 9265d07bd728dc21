"""Doors for tests and tools, on the host: plain numbers in, plain numbers out.

Rules: docs/game.md, section 18, and for what they compute section 14.
"""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hackmatrix.jax_env import cellset, step
from hackmatrix.jax_env import siphon_quality as quality
from hackmatrix.jax_env.batching import per_environment
from hackmatrix.jax_env.constants import GRID_SIZE
from hackmatrix.jax_env.geometry import Spot
from hackmatrix.jax_env.pathfinding import walking_distance
from hackmatrix.jax_env.positions import one_game
from hackmatrix.jax_env.rewards import StepFacts, reward_parts
from hackmatrix.jax_env.schema import COORDINATE, PositionError
from hackmatrix.jax_env.state import EnvState

_siphon_quality = jax.jit(per_environment(quality.siphon_quality))
_siphon_enemy_adjacent = jax.jit(per_environment(step.siphon_enemy_adjacent))


@jax.jit
def _walking_distance(cells: jax.Array, blocked: jax.Array) -> jax.Array:
    """int32 (1,): from cells (4, 1), rows and columns of start and target, and blocked bool (36, 1)."""
    return walking_distance(Spot(cells[0], cells[1]), Spot(cells[2], cells[3]), cellset.of_flags(blocked))


def path_distance(
    row: int, col: int, target_row: int, target_col: int, blocked: Sequence[Sequence[bool]]
) -> int:
    """Fewest up/down/left/right steps between two cells, -1 if there is no path.

    Args:
        row: of the start, which counts as free.
        col: of the start.
        target_row: of the target, which counts as free.
        target_col: of the target.
        blocked: 6 x 6, by row and column: which cells are walls.

    Raises:
        PositionError: a cell is off the board, or `blocked` is of another shape.
    """
    given = {"row": row, "col": col, "target_row": target_row, "target_col": target_col}
    cells = [COORDINATE.read(_plain(value), name) for name, value in given.items()]
    walls = np.asarray(blocked, bool)
    if walls.shape != (GRID_SIZE, GRID_SIZE):
        raise PositionError(f"blocked has shape {walls.shape}, expected {(GRID_SIZE, GRID_SIZE)}")
    places = jnp.asarray(cells, jnp.int32)[:, None]
    return int(_walking_distance(places, jnp.asarray(walls.reshape(-1, 1)))[0])


def siphon_quality(state: EnvState) -> tuple[bool, int, int]:
    """(is there a better cell, missed credits, missed energy), whether or not a data siphon is at hand.

    Raises:
        PositionError: the state is batched.
    """
    found = _siphon_quality(one_game(state))
    return bool(found.better), int(found.missed_credits), int(found.missed_energy)


def siphon_enemy_adjacent(state: EnvState) -> bool:
    """Does an enemy that came of a siphon stand beside the player.

    Raises:
        PositionError: the state is batched.
    """
    return bool(_siphon_enemy_adjacent(one_game(state)))


def reward_breakdown(**facts: Any) -> dict[str, float]:
    """The 15 components, in order, for the facts of one step, which are taken as they are.

    Args:
        facts: all the fields of `StepFacts`, as plain numbers and bools.

    Raises:
        TypeError: a fact is missing or unknown.
    """
    return {name: float(value) for name, value in reward_parts(StepFacts(**facts), xp=np).items()}


def _plain(value: Any) -> Any:
    """An integer of any library as a plain int, all else as it is."""
    try:
        return operator.index(value)
    except TypeError:  # an array has the method whatever it holds
        return value
