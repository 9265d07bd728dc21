"""Names and prices of the 23 programs.

Rules: docs/game.md, section 10.
"""

from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env.constants import FIRST_PROGRAM
from hackmatrix.jax_env.state import Player


class Price(NamedTuple):
    """What running a program costs."""

    credits: int
    energy: int


# Program n is the n-th entry, action FIRST_PROGRAM + n.
PRICES: Final = {
    "PUSH": Price(credits=0, energy=2),
    "PULL": Price(credits=0, energy=2),
    "CRASH": Price(credits=3, energy=2),
    "WARP": Price(credits=2, energy=2),
    "POLY": Price(credits=1, energy=1),
    "WAIT": Price(credits=0, energy=1),
    "DEBUG": Price(credits=3, energy=0),
    "ROW": Price(credits=3, energy=1),
    "COL": Price(credits=3, energy=1),
    "UNDO": Price(credits=1, energy=0),
    "STEP": Price(credits=0, energy=3),
    "SIPH+": Price(credits=5, energy=0),
    "EXCH": Price(credits=4, energy=0),
    "SHOW": Price(credits=2, energy=0),
    "RESET": Price(credits=0, energy=4),
    "CALM": Price(credits=2, energy=4),
    "D_BOM": Price(credits=3, energy=0),
    "DELAY": Price(credits=1, energy=2),
    "ANTI-V": Price(credits=3, energy=0),
    "SCORE": Price(credits=0, energy=5),
    "REDUC": Price(credits=2, energy=1),
    "ATK+": Price(credits=4, energy=4),
    "HACK": Price(credits=2, energy=2),
}
PROGRAM_NAMES: Final = tuple(PRICES)

# UNDO asks for its price but gives it back at once (docs/game.md, section 10).
_PAID = [Price(0, 0) if name == "UNDO" else price for name, price in PRICES.items()]
_FREE_ACTIONS = [Price(0, 0)] * (1 + FIRST_PROGRAM)  # NO_ACTION, moves and siphon
_PAID_CREDITS, _PAID_ENERGY = np.array(_FREE_ACTIONS + _PAID, np.int32).T


def affordable(player: Player) -> list[Array]:
    """For each program, bool (env,): do credits and energy cover its price."""
    return [(player.credits >= cost.credits) & (player.energy >= cost.energy) for cost in PRICES.values()]


def price_paid(action: Array) -> tuple[Array, Array]:
    """(credits, energy), int32 (env,), that the action takes away."""
    return jnp.asarray(_PAID_CREDITS)[action + 1], jnp.asarray(_PAID_ENERGY)[action + 1]
