"""The observation in compact form: one row of 83 words, from which the 1545 floats can be made at any time.

A rollout keeps this form, which is a twentieth of the floats' size; `observation.py` expands it where a
network takes it in. A row is uint32 (83,): ten player numbers before scaling, the owned programs as one
word, then for each of the 36 cells a word of ground and a word of figures.

Rules: docs/game.md, section 13.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.constants import CRYPTOG, GRID_SIZE, MAX_ENEMIES, NUM_CELLS
from hackmatrix.jax_env.geometry import CELLS, same
from hackmatrix.jax_env.packed import Flag, Number, Packed
from hackmatrix.jax_env.state import Enemies, EnvState, Player

NUM_PLAYER_FEATURES = 10
PROGRAMS_WORD = NUM_PLAYER_FEATURES
GROUND_START = PROGRAMS_WORD + 1
FIGURES_START = GROUND_START + NUM_CELLS
COMPACT_SIZE = FIGURES_START + NUM_CELLS

MOST_RESOURCES_SEEN = 50
MOST_TURNS_SEEN = 4


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ground(Packed):
    """What lies on a cell (36,): blocks, pickups and marks."""

    spawn_count = Number(0, bits=7)
    credits = Number(7, bits=7)
    energy = Number(14, bits=7)
    program = Number(21, bits=5)  # 1 + n for a block of program n, 0 without one
    data_block = Flag(26)
    program_block = Flag(27)
    siphoned = Flag(28)
    data_siphon = Flag(29)
    exit = Flag(30)
    siphon_center = Flag(31)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Figures(Packed):
    """Who is to be seen on a cell (36,), and the points of its data block, for which there was room here."""

    types = Number(0, bits=4)  # bit t for a visible enemy of type t
    hp = Number(4, bits=2)
    stunned = Flag(6)
    spawned_from_siphon = Flag(7)
    turns_remaining = Number(8, bits=3)
    points = Number(11, bits=7)


def compact_observation(state: EnvState) -> Array:
    """uint32 (83, env)."""
    return jnp.concatenate(
        [
            jnp.stack([*_player_numbers(state)]).astype(jnp.uint32),
            state.owned_programs[None],
            _ground(state).word,
            _figures(state).word,
        ]
    )


def _player_numbers(state: EnvState) -> tuple[Array, ...]:
    """Ten int32 (env,); divided by `PLAYER_SCALES` they are the player's features."""
    player = state.player
    return (
        player.row,
        player.col,
        player.hp,
        jnp.minimum(player.credits, MOST_RESOURCES_SEEN),
        jnp.minimum(player.energy, MOST_RESOURCES_SEEN),
        state.stage - 1,
        player.data_siphons,
        player.attack_damage - 1,
        state.show_activated.astype(jnp.int32),
        state.scheduled_tasks_disabled.astype(jnp.int32),
    )


def _ground(state: EnvState) -> Ground:
    cells = state.cells
    return Ground(jnp.zeros_like(cells.word)).replace(
        spawn_count=jnp.where(cells.has_block, cells.spawn_count, 0),
        credits=cells.credits,
        energy=cells.energy,
        program=jnp.where(cells.has_program_block, 1 + cells.program, 0),
        data_block=cells.has_data_block,
        program_block=cells.has_program_block,
        siphoned=cells.has_block & cells.siphoned,
        data_siphon=cells.data_siphon,
        exit=same(CELLS, state.exit),
        siphon_center=cells.siphon_center,
    )


def visible(enemies: Enemies, player: Player, show_activated: Array) -> Array:
    """Bool (20, env): not a cryptog, or in the player's row or column, or SHOW is on."""
    in_sight = (enemies.row == player.row) | (enemies.col == player.col) | show_activated
    return enemies.present & ((enemies.type != CRYPTOG) | in_sight)


def _figures(state: EnvState) -> Figures:
    """All visible types of a cell together; the other details are those of the highest slot."""
    enemies, transmissions = state.enemies, state.transmissions
    seen = visible(enemies, state.player, state.show_activated)
    details = Figures(jnp.zeros_like(enemies.word)).replace(
        types=jnp.uint32(1) << enemies.type.astype(jnp.uint32),
        hp=enemies.hp,
        stunned=enemies.stunned,
        spawned_from_siphon=enemies.spawned_from_siphon,
    )
    nowhere = NUM_CELLS
    enemy_cell = jnp.where(seen, GRID_SIZE * enemies.row + enemies.col, nowhere)
    transmission_cell = jnp.where(
        transmissions.present, GRID_SIZE * transmissions.row + transmissions.col, nowhere
    )
    turns = jnp.minimum(transmissions.turns_remaining, MOST_TURNS_SEEN)

    cell = GRID_SIZE * CELLS.row + CELLS.col
    word, turns_here = jnp.zeros_like(state.cells.word), jnp.zeros_like(state.cells.content)
    types_only = jnp.uint32(Figures.types.largest)
    for slot in range(MAX_ENEMIES):  # slot by slot, so that the last one seen is the highest
        here = cell == enemy_cell[slot]
        word = jnp.where(here, (word & types_only) | details.word[slot], word)
        turns_here = jnp.where(cell == transmission_cell[slot], turns[slot], turns_here)
    return Figures(word).replace(turns_remaining=turns_here, points=state.cells.points)
