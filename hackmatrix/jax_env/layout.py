"""Where the blocks of a new stage lie: distinct cells that leave the rest of the board in one piece.

Rules: docs/game.md, section 11, point 7 and the layout condition.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import cellset
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.chance import Seed, Use, below
from hackmatrix.jax_env.constants import CORNERS, GRID_SIZE
from hackmatrix.jax_env.pathfinding import connected

_ATTEMPTS = 16  # side by side; about half of all layouts are good, so one round nearly always does
_UNROLLED = 8  # places per round of the loop: more would take longer to compile, fewer to run
_PLACES = [(row, col) for row in range(GRID_SIZE) for col in range(GRID_SIZE) if (row, col) not in CORNERS]


class Place(NamedTuple):
    """One of the 32 cells that may hold a block."""

    number: Array
    mark: CellSet


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
        first_good = (jnp.cumsum(good, axis=0, dtype=jnp.int32) == 1) & good & ~found
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
    shape = (_ATTEMPTS, *number.shape)

    def decide(carry: tuple[CellSet, Array], place: Place) -> tuple[tuple[CellSet, Array], None]:
        chosen, needed = carry
        left = len(_PLACES) - place.number
        take = below(seed.draw(Use.LAYOUT, attempts * len(_PLACES) + place.number), left) < needed
        low = jnp.where(take, chosen.low | place.mark.low, chosen.low)
        high = jnp.where(take, chosen.high | place.mark.high, chosen.high)
        return (CellSet(low, high), needed - take), None

    nothing = CellSet(jnp.zeros(shape, jnp.uint32), jnp.zeros(shape, jnp.uint32))
    marks = [cellset.fixed([cell]) for cell in _PLACES]
    places = Place(
        number=jnp.arange(len(_PLACES), dtype=jnp.int32),
        mark=CellSet(jnp.stack([mark.low for mark in marks]), jnp.stack([mark.high for mark in marks])),
    )
    start = (nothing, jnp.broadcast_to(number, shape))
    return jax.lax.scan(decide, start, places, unroll=_UNROLLED)[0][0]
