"""A new stage: exit, data siphons, blocks, pickups and the first transmissions.

Rules: docs/game.md, section 11, points 4-9.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env import cellset
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.chance import Seed, Use, below
from hackmatrix.jax_env.constants import (
    CORNERS,
    LAST_STAGE,
    MAX_TRANSMISSIONS,
    NUM_CELLS,
    NUM_PROGRAMS,
)
from hackmatrix.jax_env.geometry import Place
from hackmatrix.jax_env.layout import draw_layout
from hackmatrix.jax_env.state import Cells, Transmissions, data_content, program_content

LEAST_BLOCKS = 5
MOST_BLOCKS = 11
MOST_POINTS = 9
PROGRAM_SPAWNS = 2
TRANSMISSION_TURNS = 1
_LANES = np.arange(NUM_CELLS, dtype=np.uint32)[:, None]
_PICKUP_AMOUNTS = (9, 18, 20)  # of 20 draws 9 are a 1, 9 a 2 and 2 a 3


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Board:
    """What a new stage puts on the board; exit int32 (env,)."""

    exit_row: Array
    exit_col: Array
    cells: Cells
    transmissions: Transmissions


def new_board(seed: Seed, stage: Array, player: Place) -> Board:
    """Draw the board of `stage` with the player standing there; all (env,)."""
    own_cell = cellset.single(player)
    corners = cellset.fixed(CORNERS)
    exits = corners - own_cell
    exit_cell = exits.nth(below(seed.draw(Use.EXIT), exits.count()))
    siphon_corners = exits - cellset.single(exit_cell)

    number = LEAST_BLOCKS + below(seed.draw(Use.BLOCK_COUNT), MOST_BLOCKS - LEAST_BLOCKS + 1)
    layout = draw_layout(seed, number)
    cells = _contents(seed, layout, ~(corners | layout)).replace(data_siphon=siphon_corners.flags())
    open_cells = ~(corners | layout | own_cell)
    return Board(exit_cell.row, exit_cell.col, cells, _first_transmissions(seed, stage, open_cells))


def _contents(seed: Seed, layout: CellSet, pickup_cells: CellSet) -> Cells:
    """A block for every cell of the layout, a pickup for every cell of `pickup_cells`.

    One random word serves a cell: its first bit says which of two kinds, the others how much.
    """
    word = seed.draw(Use.CELL_CONTENT, _LANES)
    first_kind, rest = word >> 31 == 0, word << 1

    points = 1 + below(rest, MOST_POINTS)
    content = jnp.where(first_kind, data_content(points), program_content(below(rest, NUM_PROGRAMS)))
    spawns = jnp.where(first_kind, points, PROGRAM_SPAWNS)
    draw = below(rest, _PICKUP_AMOUNTS[-1])
    amount = 1 + (draw >= _PICKUP_AMOUNTS[0]).astype(jnp.int32) + (draw >= _PICKUP_AMOUNTS[1])

    is_block, is_pickup = layout.flags(), pickup_cells.flags()
    return Cells(jnp.zeros_like(word)).replace(
        content=jnp.where(is_block, content, 0),
        spawn_count=jnp.where(is_block, spawns, 0),
        credits=jnp.where(is_pickup & first_kind, amount, 0),
        energy=jnp.where(is_pickup & ~first_kind, amount, 0),
    )


def _first_transmissions(seed: Seed, stage: Array, open_cells: CellSet) -> Transmissions:
    """As many transmissions as the stage's number, 8 at most, on distinct open cells, from slot 0 on."""

    def announce(left: CellSet, slot: Array) -> tuple[CellSet, Array]:
        cell = left.nth(below(seed.draw(Use.STAGE_TRANSMISSION_CELL, slot), left.count()))
        announced = Transmissions(jnp.zeros_like(left.low)).replace(
            row=cell.row,
            col=cell.col,
            enemy_type=seed.draw(Use.STAGE_TRANSMISSION_TYPE, slot) >> 30,
            turns_remaining=TRANSMISSION_TURNS,
        )
        return left - cellset.single(cell), announced.without(slot >= stage).word

    _, words = jax.lax.scan(announce, open_cells, jnp.arange(LAST_STAGE, dtype=jnp.int32))
    nobody = jnp.zeros((MAX_TRANSMISSIONS - LAST_STAGE, *stage.shape), jnp.uint32)
    return Transmissions(jnp.concatenate([words, nobody]))
