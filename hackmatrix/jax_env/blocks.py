"""Where blocks lie, as sets of cells.

Rules: docs/game.md, section 9.
"""

from dataclasses import dataclass

import jax

from hackmatrix.jax_env import cellset
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.state import Cells


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Blocks:
    """Unsiphoned blocks are in the way of walking, both kinds of walking distance."""

    unsiphoned: CellSet
    siphoned: CellSet

    @property
    def all(self) -> CellSet:
        """Blocks, siphoned or not."""
        return self.unsiphoned | self.siphoned


def blocks_of(cells: Cells) -> Blocks:
    """The blocks on the board."""
    return Blocks(
        unsiphoned=cellset.of_flags(cells.unsiphoned),
        siphoned=cellset.of_flags(cells.has_block & cells.siphoned),
    )
