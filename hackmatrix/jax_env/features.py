"""What a network should take in: the flat observation, and the player's cell spelled out.

The observation gives the player's row and column as two numbers, and all else cell by cell. A dense layer can hardly
combine the two; a one for the player's cell among 36 lets it. What else was tried: docs/game.md, section 21.
"""

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.batching import per_environment
from hackmatrix.jax_env.constants import GRID_SIZE, NUM_CELLS
from hackmatrix.jax_env.observation import Observation, expand_batch, flatten_observation
from hackmatrix.jax_env.walls import wall


def network_features(compact: Array) -> Array:
    """float32 (env, 1581) of compact rows, uint32 (env, 83): the flat observation's 1545, and 36 of a cell."""
    features: Array = jax.vmap(_features)(compact)
    return features


def _features_batch(compact: Array) -> Array:
    row, col = compact[:, 0].astype(jnp.int32), compact[:, 1].astype(jnp.int32)
    place = jax.nn.one_hot(GRID_SIZE * row + col, NUM_CELLS, dtype=jnp.float32)
    return wall(row, _beside, expand_batch(compact), place)


def _beside(obs: Observation, place: Array) -> Array:
    return jnp.concatenate([flatten_observation(obs), place], axis=-1)


_features = jax.jit(per_environment(_features_batch, env_axis=0))
