"""What the agent sees: the table of channels and scales.

Rules: docs/game.md, section 13.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from hackmatrix.jax_env.batching import per_environment
from hackmatrix.jax_env.compact import (
    FIGURES_START,
    GROUND_START,
    MOST_RESOURCES_SEEN,
    MOST_TURNS_SEEN,
    NUM_PLAYER_FEATURES,
    PROGRAMS_WORD,
    Figures,
    Ground,
)
from hackmatrix.jax_env.constants import ENEMY_TYPES, GRID_SIZE, MAX_HP, NUM_PROGRAMS
from hackmatrix.jax_env.packed import Field
from hackmatrix.jax_env.walls import wall


class Channel(NamedTuple):
    """One of the grid's channels: a field of a cell's two words, as it is or compared, and its scale.

    With `equals` the channel says whether the field has that value; with `bit` whether that bit is set.
    """

    source: type[Ground] | type[Figures]
    field: Field
    scale: float = 1.0
    equals: int | None = None
    bit: int | None = None


NUM_CHANNELS: Final = 42
CHANNELS: Final = (
    *(Channel(Figures, Figures.types, bit=number) for number in range(len(ENEMY_TYPES))),
    Channel(Figures, Figures.hp, scale=MAX_HP),
    Channel(Figures, Figures.stunned),
    Channel(Figures, Figures.spawned_from_siphon),
    Channel(Ground, Ground.data_block),
    Channel(Ground, Ground.program_block),
    Channel(Ground, Ground.program, equals=NUM_PROGRAMS + 1),  # a third kind of block, which never is
    Channel(Figures, Figures.points, scale=9),
    Channel(Ground, Ground.siphoned),
    *(Channel(Ground, Ground.program, equals=1 + number) for number in range(NUM_PROGRAMS)),
    Channel(Ground, Ground.spawn_count, scale=9),
    Channel(Figures, Figures.turns_remaining, scale=MOST_TURNS_SEEN),
    Channel(Ground, Ground.credits, scale=3),
    Channel(Ground, Ground.energy, scale=3),
    Channel(Ground, Ground.data_siphon),
    Channel(Ground, Ground.exit),
    Channel(Ground, Ground.siphon_center),
)
# row, col, hp, credits, energy, stage - 1, data siphons, attack - 1, show_activated, scheduled_tasks_disabled
PLAYER_SCALES: Final = np.array(
    [5, 5, MAX_HP, MOST_RESOURCES_SEEN, MOST_RESOURCES_SEEN, 7, 10, 2, 1, 1], np.float32
)
NUM_FEATURES: Final = NUM_PLAYER_FEATURES + NUM_PROGRAMS + GRID_SIZE * GRID_SIZE * NUM_CHANNELS

_FROM_FIGURES = np.array([channel.source is Figures for channel in CHANNELS])
_SHIFT = np.array([channel.field.shift + (channel.bit or 0) for channel in CHANNELS], np.uint32)
_MASK = np.array([1 if channel.bit is not None else channel.field.largest for channel in CHANNELS], np.uint32)
_COMPARED = np.array([channel.equals is not None for channel in CHANNELS])
_EQUALS = np.array([channel.equals or 0 for channel in CHANNELS], np.uint32)
_SCALE = np.array([channel.scale for channel in CHANNELS], np.float32)
_COARSE = 2**10
_PROGRAM = np.arange(NUM_PROGRAMS, dtype=np.uint32)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Observation:
    """What the agent sees of one position.

    `player` is float32 (10,), `programs` int32 (23,), `grid` float32 (6, 6, 42) by row, column, channel.
    """

    player: Array
    programs: Array
    grid: Array


def expand_batch(compact: Array) -> Observation:
    """The observations of compact rows, uint32 (env, 83); env axis first, as networks want it."""
    witness = compact[:, 0].astype(jnp.int32)
    grid = wall(witness, _grid, compact)
    player = _quotient(compact[:, :NUM_PLAYER_FEATURES].astype(jnp.int32), PLAYER_SCALES)
    programs = ((compact[:, PROGRAMS_WORD, None] >> _PROGRAM) & 1).astype(jnp.int32)
    return Observation(player, programs, grid)


def _grid(compact: Array) -> Array:
    """float32 (env, 6, 6, 42): every cell's two words, taken apart channel by channel."""
    ground = compact[:, GROUND_START:FIGURES_START, None]
    figures = compact[:, FIGURES_START:, None]
    value = (jnp.where(_FROM_FIGURES, figures, ground) >> _SHIFT) & _MASK
    value = jnp.where(_COMPARED, (value == _EQUALS).astype(jnp.uint32), value)
    grid = _quotient(value.astype(jnp.int32), _SCALE)
    return grid.reshape(-1, GRID_SIZE, GRID_SIZE, NUM_CHANNELS)


def _expand_and_flatten_batch(compact: Array) -> Array:
    """float32 (env, 1545) of uint32 (env, 83)."""
    return wall(compact[:, 0].astype(jnp.int32), flatten_observation, expand_batch(compact))


_expand = jax.jit(per_environment(expand_batch, env_axis=0))
_expand_and_flatten = jax.jit(per_environment(_expand_and_flatten_batch, env_axis=0))


def expand(compact: Array) -> Observation:
    """The observation of a compact row, uint32 (83,)."""
    observation: Observation = _expand(compact)
    return observation


def _quotient(value: Array, scale: npt.NDArray[np.float32]) -> Array:
    """Value / scale rounded to float32, for whole numbers below 2**14.

    XLA turns a division by constants into a multiplication by their reciprocals, which misses the last bit
    of 15 / 50. So the reciprocal is given in two parts, of which the product with the first one is exact.
    """
    reciprocal = 1 / scale.astype(np.float64)
    exponent = np.exp2(np.floor(np.log2(reciprocal)))
    coarse = np.floor(reciprocal / exponent * _COARSE) / _COARSE * exponent
    rest = reciprocal - coarse
    number = value.astype(jnp.float32)
    return number * coarse.astype(np.float32) + number * rest.astype(np.float32)


def flatten_observation(obs: Observation) -> Array:
    """float32 (..., 1545): player, programs and grid in that order, the grid in row-major order."""
    leading = obs.player.shape[:-1]
    return jnp.concatenate(
        [obs.player, obs.programs.astype(jnp.float32), obs.grid.reshape(*leading, -1)], axis=-1
    )


def expand_observation(compact: Array) -> Array:
    """float32 (..., 1545): the flat observation of a compact row, uint32 (..., 83); leading axes stay."""
    expand_one = _expand_and_flatten
    for _ in compact.shape[:-1]:
        expand_one = jax.vmap(expand_one)
    flat: Array = expand_one(compact)
    return flat
