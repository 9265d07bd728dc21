"""What takes the game's place in an update, so that the rest of the update can be measured.

Its state, its observation, its mask, its rewards and what it logs have the game's shapes and depend on state and
action, but nothing is played.
"""

from typing import Any

import jax
import jax.numpy as jnp

from hackmatrix.jax_env import EnvState, HackMatrix

GAME = HackMatrix()


class NoGame:
    """Many games side by side, none of them played; every method costs a few operations on what it gives back."""

    name, num_actions = GAME.name, GAME.num_actions
    resets_itself, max_episode_steps = GAME.resets_itself, GAME.max_episode_steps
    log_columns, features = GAME.log_columns, staticmethod(GAME.features)

    def __init__(self) -> None:
        game = GAME.batched()
        self.reset, self._step, self._mask = game.reset, game.step, game.action_mask

    def batched(self, params: Any = None) -> "NoGame":
        """It is many games already."""
        del params
        return self

    def step(self, keys: jax.Array, state: EnvState, action: jax.Array) -> Any:
        """Outputs of the right shapes that depend on the action; the state stays as it is."""
        like = jax.eval_shape(self._step, keys, state, action)
        observation, _, *rest = jax.tree.map(lambda leaf: _made(leaf, action), like)
        reward, done, info = rest
        return observation, state, reward, done & (action < 0), info

    def action_mask(self, state: EnvState) -> jax.Array:
        """All are legal, as far as the compiler knows by the state."""
        like = jax.eval_shape(self._mask, state)
        return jnp.broadcast_to(jax.tree.leaves(state)[0].reshape(like.shape[0], -1)[:, :1] >= 0, like.shape)

    def reset_where(self, ended: jax.Array, keys: jax.Array, observation: Any, state: Any) -> Any:
        """Go on in any case."""
        del ended, keys
        return observation, state


def _made(like: jax.ShapeDtypeStruct, action: jax.Array) -> jax.Array:
    """An array of that shape, (env, ...), that the action decides."""
    column = action.reshape(-1, *[1] * (len(like.shape) - 1))
    return jnp.broadcast_to(column, like.shape).astype(like.dtype)
