"""The environment as an object, for code that expects one.

Rules: docs/game.md, section 18.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env import env
from hackmatrix.jax_env.compact import COMPACT_SIZE
from hackmatrix.jax_env.constants import FIRST_PROGRAM, NUM_ACTIONS, REWARD_PARTS, RIGHT, SIPHON
from hackmatrix.jax_env.env import EnvParams
from hackmatrix.jax_env.observation import NUM_FEATURES, expand_observation
from hackmatrix.jax_env.spaces import Box, Discrete
from hackmatrix.jax_env.state import EnvState

Step = tuple[Array, EnvState, Array, Array, dict[str, Array]]

# What is worth logging: tag -> (key of `log_values`, how the steps of a chunk are put together).
# "mean" and "max" run over all steps, "mean_at_end" over the steps with `done`.
LOG_COLUMNS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        **{f"reward/{name}": (name, "mean") for name in REWARD_PARTS},
        "actions/move_frac": ("is_move", "mean"),
        "actions/siphon_frac": ("is_siphon", "mean"),
        "actions/program_frac": ("is_program", "mean"),
        "stats/highest_stage": ("stage", "max"),
        "stats/mean_score": ("score", "mean_at_end"),
        "stats/win_rate": ("game_won", "mean_at_end"),
    }
)


class HackMatrix:
    """One game; `reset` and `step` return the flat observation, float32 (1545,), and `step` never resets.

    Beside the Gymnax interface there is what a trainer of many games wants: `reset_compact` and
    `step_compact`, which return the observation as uint32 (83,), and `expand_observation`, which makes the
    1545 floats of it (any leading axes) where a network takes it in; and `log_columns` with `log_values`.
    """

    num_actions: int = NUM_ACTIONS
    log_columns: Mapping[str, tuple[str, str]] = LOG_COLUMNS

    @property
    def name(self) -> str:
        """What the environment is called."""
        return "HackMatrix"

    @property
    def default_params(self) -> EnvParams:
        """The game as the rules have it."""
        return EnvParams()

    def reset(self, key: Array, params: EnvParams | None = None) -> tuple[Array, EnvState]:
        """(flat observation, state) of a new game; see `env.reset`."""
        compact, state = env.reset_compact(key, params)
        return expand_observation(compact), state

    def step(self, key: Array, state: EnvState, action: Array | int, params: EnvParams | None = None) -> Step:
        """(flat observation, state, reward, done, info) of one action; see `env.step`."""
        compact, *rest = env.step_compact(key, state, action, params)
        return expand_observation(compact), *rest  # type: ignore[return-value] # the rest keeps its types

    def reset_compact(self, key: Array, params: EnvParams | None = None) -> tuple[Array, EnvState]:
        """`reset` with the observation as uint32 (83,)."""
        return env.reset_compact(key, params)

    def step_compact(
        self, key: Array, state: EnvState, action: Array | int, params: EnvParams | None = None
    ) -> Step:
        """`step` with the observation as uint32 (83,)."""
        return env.step_compact(key, state, action, params)

    def expand_observation(self, compact: Array) -> Array:
        """float32 (..., 1545) of uint32 (..., 83)."""
        return expand_observation(compact)

    def get_action_mask(self, state: EnvState) -> Array:
        """Bool (28,): which actions are legal."""
        return env.action_mask(state)

    def log_values(self, action: Array, info: Mapping[str, Array]) -> dict[str, Array]:
        """What `log_columns` refers to: all of `info`, and which kind of action was chosen (bool).

        Elementwise, so any batch shape will do. The kinds are not in `info`, whose keys are fixed by the
        rules.
        """
        return {
            **info,
            "is_move": (action >= 0) & (action <= RIGHT),
            "is_siphon": action == SIPHON,
            "is_program": (action >= FIRST_PROGRAM) & (action < NUM_ACTIONS),
        }

    def observation_space(self, params: EnvParams | None = None) -> Box:
        """Of the flat observation; most features are in 0..1, but not all are bounded."""
        del params
        return Box(low=0, high=np.inf, shape=(NUM_FEATURES,), dtype=jnp.float32)

    def compact_observation_space(self, params: EnvParams | None = None) -> Box:
        """Of the compact observation, whose words mean nothing as numbers."""
        del params
        return Box(low=0, high=2**32 - 1, shape=(COMPACT_SIZE,), dtype=jnp.uint32)

    def action_space(self, params: EnvParams | None = None) -> Discrete:
        """The 28 actions."""
        del params
        return Discrete(n=NUM_ACTIONS, dtype=jnp.int32)
