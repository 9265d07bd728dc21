"""Where the blocks of a new stage lie: distinct cells that leave the rest of the board in one piece.

Rules: docs/game.md, section 11, point 7 and the layout condition.
"""

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import cellset
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.chance import Seed, Use, below
from hackmatrix.jax_env.constants import CORNERS, GRID_SIZE
from hackmatrix.jax_env.pathfinding import connected

_ATTEMPTS = 16  # side by side; about half of all layouts are good, so one round nearly always does
_PLACES = [(row, col) for row in range(GRID_SIZE) for col in range(GRID_SIZE) if (row, col) not in CORNERS]


def draw_layout(seed: Seed, number: Array) -> CellSet:
    """`number` (env,) distinct cells without corners, uniform over the layouts that meet the condition.

    Whole layouts are drawn until one is good, several at once.
    """

    def unfinished(carry: tuple[Array, CellSet, Array]) -> Array:
        return ~jnp.all(carry[2])

    def attempt(carry: tuple[Array, CellSet, Array]) -> tuple[Array, CellSet, Array]:
        first_attempt, layout, found = carry
        drawn = _any_layouts(seed, number, first_attempt)
        good = connected(~drawn)
        first_good = (jnp.cumsum(good, axis=0) == 1) & good & ~found
        return (
            first_attempt + _ATTEMPTS,
            CellSet(
                *(
                    _pick(first_good, new) | old
                    for new, old in ((drawn.low, layout.low), (drawn.high, layout.high))
                )
            ),
            found | jnp.any(good, axis=0),
        )

    nothing = CellSet(jnp.zeros_like(seed.first), jnp.zeros_like(seed.first))
    start = (jnp.int32(0), nothing, jnp.zeros_like(number, dtype=bool))
    return jax.lax.while_loop(unfinished, attempt, start)[1]


def _pick(which: Array, words: Array) -> Array:
    """The one word chosen along the first axis; 0 if none is."""
    return jnp.sum(jnp.where(which, words, jnp.uint32(0)), axis=0, dtype=jnp.uint32)


def _any_layouts(seed: Seed, number: Array, first_attempt: Array) -> CellSet:
    """Layouts (16, env) of `number` of the 32 places, connected or not, all choices equally likely.

    Place after place is taken with the chance needed / left.
    """
    attempts = first_attempt + jnp.arange(_ATTEMPTS, dtype=jnp.int32)[:, None]
    needed = jnp.broadcast_to(number, (_ATTEMPTS, *number.shape))
    low = high = jnp.zeros(needed.shape, jnp.uint32)
    for place, cell in enumerate(_PLACES):
        left = len(_PLACES) - place
        take = below(seed.draw(Use.LAYOUT, attempts * len(_PLACES) + place), left) < needed
        mark = cellset.fixed([cell])
        low = jnp.where(take, low | mark.low, low)
        high = jnp.where(take, high | mark.high, high)
        needed = needed - take
    return CellSet(low, high)
