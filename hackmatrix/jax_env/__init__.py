"""The HackMatrix game in pure JAX: exact to docs/game.md, and fast in batches.

Play it through the Gymnax interface: `reset(key)`, `step(key, state, action)`, `action_mask(state)`, or the
object `HackMatrix`; all of it under `jax.jit` and `jax.vmap`. Rollouts of many games take
`HackMatrix().batched()`, with observations in a compact form that `expand_observation` turns into floats.
Positions go in and out as plain Python by `state_from_dict` and `state_to_dict`.
"""

from hackmatrix.jax_env.batched import BatchedHackMatrix
from hackmatrix.jax_env.constants import (
    ENEMY_TYPES,
    GRID_SIZE,
    MAX_ENEMIES,
    MAX_TRANSMISSIONS,
    NUM_ACTIONS,
    NUM_PROGRAMS,
    REWARD_PARTS,
)
from hackmatrix.jax_env.doors import (
    path_distance,
    reward_breakdown,
    siphon_enemy_adjacent,
    siphon_quality,
)
from hackmatrix.jax_env.env import (
    EnvParams,
    action_mask,
    observe,
    observe_compact,
    reset,
    reset_compact,
    step,
    step_compact,
)
from hackmatrix.jax_env.gymnax_form import HackMatrix
from hackmatrix.jax_env.observation import Observation, expand_observation, flatten_observation
from hackmatrix.jax_env.positions import state_from_dict, state_to_dict
from hackmatrix.jax_env.programs import PROGRAM_NAMES
from hackmatrix.jax_env.render import render
from hackmatrix.jax_env.schema import PositionError
from hackmatrix.jax_env.state import EnvState

__all__ = [
    "ENEMY_TYPES",
    "GRID_SIZE",
    "MAX_ENEMIES",
    "MAX_TRANSMISSIONS",
    "NUM_ACTIONS",
    "NUM_PROGRAMS",
    "PROGRAM_NAMES",
    "REWARD_PARTS",
    "BatchedHackMatrix",
    "EnvParams",
    "EnvState",
    "HackMatrix",
    "Observation",
    "PositionError",
    "action_mask",
    "expand_observation",
    "flatten_observation",
    "observe",
    "observe_compact",
    "path_distance",
    "render",
    "reset",
    "reset_compact",
    "reward_breakdown",
    "siphon_enemy_adjacent",
    "siphon_quality",
    "state_from_dict",
    "state_to_dict",
    "step",
    "step_compact",
]
