"""Walking distance: fewest steps between two cells round walls.

Rules: docs/game.md, section 14, "Walking distance".
"""

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import cellset
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.geometry import Place, same

NO_PATH = -1
_STEPS_PER_ROUND = 3  # a round of the loop costs more than a step; typical distances are 0..10


def walking_distance(start: Place, target: Place, blocked: CellSet) -> Array:
    """int32 (env,): fewest up/down/left/right steps, -1 if there is no path.

    The start and the target count as free, whatever `blocked` says. All cells within n steps are grown from
    those within n - 1, until in every environment the target is reached or nothing grows any more.
    """
    passable = ~blocked | cellset.single(target)
    arrived = same(start, target)
    distance = jnp.where(arrived, 0, NO_PATH)

    def unfinished(carry: tuple[CellSet, Array, Array, Array]) -> Array:
        return jnp.any(carry[3])

    def grow(carry: tuple[CellSet, Array, Array, Array]) -> tuple[CellSet, Array, Array, Array]:
        reached, distance, steps, _ = carry
        before = reached
        for _ in range(_STEPS_PER_ROUND):
            reached = reached | (reached.neighbours() & passable)
            steps = steps + 1
            arrived = (distance == NO_PATH) & reached.has(target)
            distance = jnp.where(arrived, steps, distance)
        return reached, distance, steps, (distance == NO_PATH) & ~reached.equals(before)

    carry = (cellset.single(start), distance, jnp.int32(0), ~arrived)
    _, distance, _, _ = jax.lax.while_loop(unfinished, grow, carry)
    return distance


def connected(cells: CellSet) -> Array:
    """bool: do the cells form one region; any one shape, no cells count as one region."""
    first = cells.nth(jnp.zeros_like(cells.low, dtype=jnp.int32))
    start = cellset.single(first) & cells

    def unfinished(carry: tuple[CellSet, Array]) -> Array:
        return carry[1]

    def grow(carry: tuple[CellSet, Array]) -> tuple[CellSet, Array]:
        reached, _ = carry
        before = reached
        for _ in range(_STEPS_PER_ROUND):
            reached = reached | (reached.neighbours() & cells)
        return reached, jnp.any(~reached.equals(before))

    reached, _ = jax.lax.while_loop(unfinished, grow, (start, jnp.bool_(True)))  # noqa: FBT003 - a value
    return reached.equals(cells)
