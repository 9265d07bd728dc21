"""The position of a game, as frozen pytrees; nothing here changes one by a rule.

For one environment the arrays have the shapes given below. Inside the rules the env axis is appended as the
*last* one, so that (20, env) `op` (env,) means what it says and every operation runs over contiguous
environments. Fields and start values: docs/game.md, section 2.
"""

from dataclasses import dataclass
from typing import Self

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import cellset
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.constants import FULL_HP
from hackmatrix.jax_env.geometry import CELLS, Place, Spot, same
from hackmatrix.jax_env.packed import Flag, Number, Packed

FIRST_DATA_CONTENT = 1  # content of a data block is FIRST_DATA_CONTENT + points
FIRST_PROGRAM_CONTENT = 101  # content of a program block is FIRST_PROGRAM_CONTENT + n


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Player:
    """The player; all int32 ()."""

    row: Array
    col: Array
    hp: Array
    credits: Array
    energy: Array
    data_siphons: Array
    attack_damage: Array
    score: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Enemies(Packed):
    """The enemies' slots (20,). A slot with hp 0 is free, and all its bits are 0."""

    row = Number(0, bits=3)
    col = Number(3, bits=3)
    type = Number(6, bits=2)
    hp = Number(8, bits=2)
    stunned = Flag(10)
    spawned_from_siphon = Flag(11)
    from_scheduled_task = Flag(12)
    disabled_turns = Number(13, bits=7)

    @property
    def present(self) -> Array:
        """Bool (20,): who is there."""
        return self.hp > 0

    def hurt(self, damage: Array, stuns: Array) -> Self:
        """Take hp off, free the slots of those who fall to 0, stun survivors; arrays (20,)."""
        hp = self.hp - damage
        struck = self.replace(hp=jnp.maximum(hp, 0), stunned=self.stunned | stuns)
        return self.where(damage > 0, struck).without(hp <= 0)

    def cells(self) -> CellSet:
        """Where enemies stand."""
        return cellset.of_places(self, self.present)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Transmissions(Packed):
    """The transmissions' slots (20,). A slot with turns_remaining 0 is free, and all its bits are 0."""

    row = Number(0, bits=3)
    col = Number(3, bits=3)
    enemy_type = Number(6, bits=2)
    spawned_from_siphon = Flag(8)
    from_scheduled_task = Flag(9)
    turns_remaining = Number(10, bits=20)

    @property
    def present(self) -> Array:
        """Bool (20,): which slots are taken."""
        return self.turns_remaining > 0

    def cells(self) -> CellSet:
        """Where transmissions are announced."""
        return cellset.of_places(self, self.present)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cells(Packed):
    """Blocks, pickups and siphon centres of the cells (36,), in row-major order."""

    content = Number(0, bits=7)
    spawn_count = Number(7, bits=7)
    credits = Number(14, bits=7)
    energy = Number(21, bits=7)
    siphoned = Flag(28)
    data_siphon = Flag(29)
    siphon_center = Flag(30)

    @property
    def has_block(self) -> Array:
        """bool: a block, siphoned or not."""
        return self.content > 0

    @property
    def has_data_block(self) -> Array:
        """bool: a data block, siphoned or not."""
        return (self.content >= FIRST_DATA_CONTENT) & (self.content < FIRST_PROGRAM_CONTENT)

    @property
    def has_program_block(self) -> Array:
        """bool: a program block, siphoned or not."""
        return self.content >= FIRST_PROGRAM_CONTENT

    @property
    def points(self) -> Array:
        """int32: points of the data block, 0 without one."""
        return jnp.where(self.has_data_block, self.content - FIRST_DATA_CONTENT, 0)

    @property
    def program(self) -> Array:
        """int32: number 0..22 of the program block's program; meaningless without one."""
        return self.content - FIRST_PROGRAM_CONTENT

    @property
    def unsiphoned(self) -> Array:
        """bool: a block that still is in the way."""
        return self.has_block & ~self.siphoned

    def at(self, place: Place) -> "Cells":
        """The cell at each environment's place; empty if that is off the board."""
        here = jnp.where(same(CELLS, place), self.word, jnp.uint32(0))
        return Cells(jnp.sum(here, axis=0, dtype=jnp.uint32))


def data_content(points: Array | int) -> Array:
    """`Cells.content` of a data block."""
    return jnp.asarray(points) + FIRST_DATA_CONTENT


def program_content(program: Array | int) -> Array:
    """`Cells.content` of a program block; program number 0..22."""
    return jnp.asarray(program) + FIRST_PROGRAM_CONTENT


def full_hp(enemy_type: Array) -> Array:
    """int32: what an enemy of that type starts with (docs/game.md, section 6)."""
    hp: Array = jnp.full_like(enemy_type, FULL_HP[0])
    for number, full in enumerate(FULL_HP):
        hp = jnp.where(enemy_type == number, full, hp)
    return hp


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EnvState:
    """All that the rules know of one game.

    `stage`, `turn`, the exit, the ATK+ counter and the schedule's two numbers are int32 (), the four flags
    bool (), `owned_programs` is uint32 () with bit n for program n.
    """

    player: Player
    stage: Array
    turn: Array
    exit_row: Array
    exit_col: Array
    owned_programs: Array
    show_activated: Array
    scheduled_tasks_disabled: Array
    step_active: Array
    undo_available: Array
    atk_plus_uses: Array
    scheduled_task_interval: Array
    next_scheduled_task_turn: Array
    enemies: Enemies
    transmissions: Transmissions
    cells: Cells

    @property
    def exit(self) -> Spot:
        """The cell of the exit."""
        return Spot(self.exit_row, self.exit_col)
