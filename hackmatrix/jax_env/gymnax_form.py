"""The environment as an object, for code that expects one.

Rules: docs/game.md, section 18.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array

from hackmatrix.jax_env import env
from hackmatrix.jax_env.batched import BatchedHackMatrix
from hackmatrix.jax_env.constants import FIRST_PROGRAM, NUM_ACTIONS, REWARD_PARTS, RIGHT, SIPHON, UP
from hackmatrix.jax_env.env import EnvParams
from hackmatrix.jax_env.features import network_features
from hackmatrix.jax_env.observation import NUM_FEATURES, expand_observation
from hackmatrix.jax_env.spaces import Box, Discrete
from hackmatrix.jax_env.state import EnvState

Step = tuple[Array, EnvState, Array, Array, dict[str, Array]]
Source = str | Callable[[Array, Mapping[str, Any]], Array]


def _is_move(action: Array, _: Mapping[str, Any]) -> Array:
    return (action >= UP) & (action <= RIGHT)


def _is_siphon(action: Array, _: Mapping[str, Any]) -> Array:
    return action == SIPHON


def _is_program(action: Array, _: Mapping[str, Any]) -> Array:
    return (action >= FIRST_PROGRAM) & (action < NUM_ACTIONS)


# What is worth logging: tag -> (source, reduction). The source is a key of `info`, or a function of action
# and info; of all steps the "mean" or "max" is taken, or the "episode_mean" over the last steps of games.
LOG_COLUMNS: Final[Mapping[str, tuple[Source, str]]] = MappingProxyType(
    {
        **{f"reward/{name}": (name, "mean") for name in REWARD_PARTS},
        "actions/move_frac": (_is_move, "mean"),
        "actions/siphon_frac": (_is_siphon, "mean"),
        "actions/program_frac": (_is_program, "mean"),
        "stats/highest_stage": ("stage", "max"),
        "stats/mean_score": ("score", "episode_mean"),
        "stats/win_rate": ("game_won", "episode_mean"),
    }
)


class HackMatrix:
    """One game; `reset` and `step` return the flat observation, float32 (1545,), and `step` never resets.

    A trainer finds besides: `batched()`, many games at once with compact observations, and
    `features`, what a network takes in of these; `log_columns`, what is worth logging;
    `max_episode_steps`, after how many steps to cut a game short, as the rules know no limit.
    """

    name: str = "HackMatrix"
    num_actions: int = NUM_ACTIONS
    resets_itself: bool = False
    max_episode_steps: int = 1000
    log_columns: Mapping[str, tuple[Source, str]] = LOG_COLUMNS

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
        compact, state, reward, done, info = env.step_compact(key, state, action, params)
        return expand_observation(compact), state, reward, done, info

    def get_action_mask(self, state: EnvState) -> Array:
        """Bool (28,): which actions are legal."""
        return env.action_mask(state)

    def batched(self, params: EnvParams | None = None) -> BatchedHackMatrix:
        """Many games at once, with compact observations."""
        return BatchedHackMatrix(params)

    def features(self, compact: Array) -> Array:
        """float32 (env, 1581) for a network, of compact observations, uint32 (env, 83)."""
        return network_features(compact)

    def observation_space(self, params: EnvParams | None = None) -> Box:
        """Of the flat observation; most features are in 0..1, but not all are bounded."""
        del params
        return Box(low=0, high=np.inf, shape=(NUM_FEATURES,), dtype=jnp.float32)

    def action_space(self, params: EnvParams | None = None) -> Discrete:
        """The 28 actions."""
        del params
        return Discrete(n=NUM_ACTIONS, dtype=jnp.int32)
