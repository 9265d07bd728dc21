"""Many games at once, in the form in which rollouts want them.

Observations are compact rows, uint32 (env, 83), which `expand_observation` turns into float32 (env, 1545)
where a network takes them in; the env axis is the first one of everything that goes in or comes out.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import env
from hackmatrix.jax_env.actions import action_number
from hackmatrix.jax_env.batching import per_environment
from hackmatrix.jax_env.chance import key_words
from hackmatrix.jax_env.compact import compact_observation
from hackmatrix.jax_env.env import EnvParams
from hackmatrix.jax_env.start import furnished_start_where
from hackmatrix.jax_env.state import EnvState
from hackmatrix.jax_env.walls import wall

Step = tuple[Array, EnvState, Array, Array, dict[str, Array]]


class BatchedHackMatrix:
    """Any number of games side by side; `keys` and `action` have one entry for each."""

    def __init__(self, params: EnvParams | None = None) -> None:
        self._params = params or EnvParams()

    def reset(self, keys: Array) -> tuple[Array, EnvState]:
        """(compact observation, state) of new games."""
        return jax.vmap(partial(env.reset_compact, params=self._params))(keys)

    def step(self, keys: Array, state: EnvState, action: Array) -> Step:
        """(compact observation, state, reward, done, info) of one action in each game; never resets.

        Raises:
            TypeError: the actions are no integers.
        """
        result: Step = jax.vmap(env.step_compact)(keys, state, action_number(action))
        return result

    def action_mask(self, state: EnvState) -> Array:
        """Bool (env, 28): which actions are legal."""
        return jax.vmap(env.action_mask)(state)

    def reset_where(
        self, ended: Array, keys: Array, observation: Array, state: EnvState
    ) -> tuple[Array, EnvState]:
        """Start a new game where `ended`, bool (env,), and go on with the others.

        Boards are drawn only for those that start, so that a furnished start costs next to nothing.
        """
        if self._params.furnished_start:
            anew: tuple[Array, EnvState] = _start_furnished_where(ended, key_words(keys), observation, state)
            return anew
        first = env.reset_compact(keys[0])  # all bare starts are the same

        def choose(start: Array, leaf: Array) -> Array:
            return jnp.where(ended.reshape(-1, *[1] * (leaf.ndim - 1)), start, leaf)

        chosen: tuple[Array, EnvState] = jax.tree.map(choose, first, (observation, state))
        return chosen


@jax.jit
@jax.vmap
@per_environment
def _start_furnished_where(
    ended: Array, words: Array, observation: Array, state: EnvState
) -> tuple[Array, EnvState]:
    """`reset_where` with the env axis last."""

    def see(ended: Array, observation: Array, state: EnvState) -> Array:
        return jnp.where(ended, compact_observation(state), observation)

    state = wall(state.turn, furnished_start_where, ended, words, state)
    return wall(state.turn, see, ended, observation, state), state
