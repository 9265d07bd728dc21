"""The environment's functions: reset, step, mask and observation of one game.

All of them work under `jax.jit` and under `jax.vmap`, nested or not, and without either; with typed keys and
with raw ones. Mapped, they run the batch code of `step.py`.

The Gymnax interface is `reset` and `step`. `reset_compact` and `step_compact` are the same, but with the
observation as a row of 83 words, which `expand_observation` turns into the 1545 floats.

Rules: docs/game.md, sections 4, 16 and 18.
"""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.actions import action_number
from hackmatrix.jax_env.batching import per_environment
from hackmatrix.jax_env.chance import key_words
from hackmatrix.jax_env.compact import compact_observation
from hackmatrix.jax_env.mask import flags_of, legal_bits
from hackmatrix.jax_env.observation import Observation, expand
from hackmatrix.jax_env.start import bare_start, furnished_start
from hackmatrix.jax_env.state import EnvState
from hackmatrix.jax_env.step import batch_step
from hackmatrix.jax_env.walls import wall


def _flags_behind_a_wall(bits: Array) -> Array:
    return wall(bits.astype(jnp.int32), flags_of, bits)


# Each is compiled as a whole, so that calls outside `jit` are not carried out operation by operation.
_step = jax.jit(per_environment(batch_step))
_furnished_start = jax.jit(per_environment(furnished_start))
_legal_bits = jax.jit(per_environment(legal_bits))
_flags = jax.jit(per_environment(_flags_behind_a_wall, env_axis=0))
_observe = jax.jit(per_environment(compact_observation))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EnvParams:
    """What can be chosen about the game; static under `jit`.

    Attributes:
        furnished_start: `reset` draws a board for stage 1, with one transmission, instead of an empty one.
    """

    furnished_start: bool = field(default=False, metadata={"static": True})


def reset_compact(key: Array, params: EnvParams | None = None) -> tuple[Array, EnvState]:
    """Start a game; see `reset`. The observation is compact, uint32 (83,)."""
    if params is not None and params.furnished_start:
        state: EnvState = _furnished_start(key_words(key))
    else:
        state = jax.tree.map(lambda leaf: leaf[..., 0], bare_start(envs=1))
    return _observe(state), state


def step_compact(
    key: Array, state: EnvState, action: Array | int, params: EnvParams | None = None
) -> tuple[Array, EnvState, Array, Array, dict[str, Array]]:
    """Play one action; see `step`. The observation is compact, uint32 (83,)."""
    del params  # they concern the start only
    result: tuple[Array, EnvState, Array, Array, dict[str, Array]] = _step(
        key_words(key), state, action_number(action)
    )
    return result


def reset(key: Array, params: EnvParams | None = None) -> tuple[Observation, EnvState]:
    """Start a game.

    Args:
        key: a typed or a raw key; nothing depends on it unless the start is furnished.
        params: None stands for `EnvParams()`.
    """
    compact, state = reset_compact(key, params)
    return expand(compact), state


def step(
    key: Array, state: EnvState, action: Array | int, params: EnvParams | None = None
) -> tuple[Observation, EnvState, Array, Array, dict[str, Array]]:
    """Play one action; never resets by itself.

    An illegal action, and any action in a game that has ended, leaves the state as it is and is flagged in
    `info["invalid_action"]`.

    Args:
        key: the only source of chance of this step.
        state: of one game.
        action: any integer; 0..27 are actions. (`jit` and `vmap` cut what is wider than 32 bits before it
            gets here.)
        params: None stands for `EnvParams()`.

    Returns:
        (observation, state, reward float32 (), done bool (), info). `info` has the 15 reward components
        (float32), `stage`, `score` and `hp` after the step (int32), `stage_completed`, `player_died`,
        `game_won` and `invalid_action` (bool), the same keys on every step.

    Raises:
        TypeError: the action is no integer, but a float or a bool, say.
    """
    compact, state, reward, done, info = step_compact(key, state, action, params)
    return expand(compact), state, reward, done, info


def action_mask(state: EnvState) -> Array:
    """Bool (28,): which actions are legal; does not ask whether the game has ended."""
    mask: Array = _flags(_legal_bits(state))
    return mask


def observe_compact(state: EnvState) -> Array:
    """What the agent sees of a position, uint32 (83,)."""
    compact: Array = _observe(state)
    return compact


def observe(state: EnvState) -> Observation:
    """The observation of a position, the one that `step` returns with it."""
    return expand(_observe(state))
