"""Every environment, seen by the trainer as one batched thing.

What the trainer takes: objects with the Gymnax interface, in both its shapes, or their own batched form.

- ``reset(key, params) -> (observation, state)``
- ``step(key, state, action, params)`` gives five values, ``(observation, state, reward, done, info)``, or
  six, ``(observation, state, reward, terminated, truncated, info)`` with ``info["final_observation"]``.
- ``num_actions``, or ``action_space(params).n``.

What it may declare besides, as plain attributes (nothing need be imported for that):

- ``action_mask(state)`` or ``get_action_mask(state)`` -> (act,) bool: which actions are legal.
- ``resets_itself = False``: ``step`` stays in the ended state; the rollout resets. Gymnax resets itself.
- ``max_episode_steps``: the time limit where the config names none.
- ``features(observation)``: what the network takes in, (n, feature) float32, of the form that a rollout keeps,
  which may be more compact; leaves of ``observation`` are (n, ...).
- ``log_columns``: tag -> (source, reduction), what of ``info`` is worth logging; see :class:`LogColumn`.
- ``batched(params)``: an object with the same methods over n environments at once, ``reset(keys)``,
  ``step(keys, state, action)``, ``action_mask(state)``, and, if it has a faster way to reset some of them,
  ``reset_where(ended, keys, observation, state) -> (observation, state)``.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp

Reduction = Literal["mean", "episode_mean", "max"]
Source = str | Callable[[jax.Array, Mapping[str, Any]], jax.Array]


@dataclasses.dataclass(frozen=True)
class LogColumn:
    """A figure that an environment wants in the log.

    ``tag``: its name there, ``group/name``. ``source``: a key of ``info``, or a function of
    ``(action, info)``. ``reduction``: ``mean`` over all env steps, ``episode_mean`` over the
    last steps of ended episodes (absent where none ended), or ``max`` over all env steps.
    """

    tag: str
    source: Source
    reduction: Reduction

    def __post_init__(self) -> None:
        """Refuse a reduction that there is not."""
        if self.reduction not in get_args(Reduction):
            known = ", ".join(get_args(Reduction))
            raise ValueError(f"{self.tag} is declared with reduction {self.reduction!r}; {known} would do")

    def read(self, action: jax.Array, info: Mapping[str, Any]) -> jax.Array:
        """Return the figure of each environment, (n,) float32."""
        if not isinstance(self.source, str):
            return jnp.asarray(self.source(action, info), jnp.float32)
        if self.source not in info:
            raise KeyError(f"{self.tag} is declared to be info[{self.source!r}]; info has {', '.join(info)}")
        return jnp.asarray(info[self.source], jnp.float32)


class Step(NamedTuple):
    """What one step of n environments gave. Leaves are (n, ...)."""

    observation: Any  # to go on from; already of the next episode where the environment resets itself
    state: Any
    reward: jax.Array  # (n,) float32
    terminated: jax.Array  # (n,) bool: the world ended
    truncated: jax.Array  # (n,) bool: only the clock did
    final_observation: Any  # what the step led to, before any reset
    info: Mapping[str, Any]


class Environment:
    """n environments at once: reset, step, legal actions, features."""

    def __init__(self, env: Any, params: Any = None, *, name: str = "") -> None:
        params = getattr(env, "default_params", None) if params is None else params
        self.name = name or str(getattr(env, "name", type(env).__name__))
        self.num_actions = _num_actions(env, params)
        self.resets_itself = bool(getattr(env, "resets_itself", True))
        self.max_episode_steps: int | None = getattr(env, "max_episode_steps", None)
        self.log_columns = tuple(
            LogColumn(tag, source, reduction)
            for tag, (source, reduction) in getattr(env, "log_columns", {}).items()
        )
        self._batched = env.batched(params) if hasattr(env, "batched") else _Vmapped(env, params)
        self._features = getattr(env, "features", _flatten)

    def reset(self, keys: jax.Array) -> tuple[Any, Any]:
        """Begin an episode in each environment; ``keys`` (n,). Gives observation and state."""
        observation, state = self._batched.reset(keys)
        return observation, state

    def step(self, keys: jax.Array, state: Any, action: jax.Array) -> Step:
        """Act in each environment; ``keys`` (n,), ``action`` (n,) int32."""
        observation, state, reward, *ends, info = self._batched.step(keys, state, action)
        reward = jnp.asarray(reward, jnp.float32)
        ends = [jnp.asarray(end, jnp.bool_) for end in ends]
        if len(ends) == 1:  # done: a time limit inside it cannot be told from a termination
            return Step(observation, state, reward, ends[0], jnp.zeros_like(ends[0]), observation, info)
        terminated, truncated = ends
        final = observation if not self.resets_itself else info["final_observation"]
        return Step(observation, state, reward, terminated, truncated & ~terminated, final, info)

    def reset_where(self, ended: jax.Array, keys: jax.Array, observation: Any, state: Any) -> tuple[Any, Any]:
        """Begin a new episode where ``ended`` (n,) says so; the others go on."""
        if hasattr(self._batched, "reset_where"):
            observation, state = self._batched.reset_where(ended, keys, observation, state)
            return observation, state
        fresh = self._batched.reset(keys)
        return select(ended, fresh[0], observation), select(ended, fresh[1], state)

    def action_mask(self, state: Any) -> jax.Array | None:
        """Legal actions (n, act) bool, or None where all always are."""
        mask = getattr(self._batched, "action_mask", None)
        return None if mask is None else mask(state)

    def features(self, observation: Any) -> jax.Array:
        """What the network takes in, (n, feature) float32."""
        return jnp.asarray(self._features(observation), jnp.float32)


class _Vmapped:
    """The batched form of a per-environment Gymnax object."""

    def __init__(self, env: Any, params: Any) -> None:
        self.reset = jax.vmap(lambda key: env.reset(key, params))
        self.step = jax.vmap(lambda key, state, action: env.step(key, state, action, params))
        mask = getattr(env, "action_mask", None) or getattr(env, "get_action_mask", None)
        if mask is not None:
            self.action_mask = jax.vmap(mask)


def select(where: jax.Array, yes: Any, no: Any) -> Any:
    """Take leaves (n, ...) of ``yes`` where ``where`` (n,) is true, else of ``no``."""

    def choose(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(where.reshape(where.shape + (1,) * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, yes, no)


def _flatten(observation: Any) -> jax.Array:
    """Lay the leaves (n, ...) of an observation side by side, (n, feature) float32."""
    leaves = [x.reshape(x.shape[0], -1).astype(jnp.float32) for x in jax.tree.leaves(observation)]
    return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves, axis=1)


def _num_actions(env: Any, params: Any) -> int:
    space = env.action_space(params) if hasattr(env, "action_space") else None
    number = getattr(space, "n", None) if space is not None else env.num_actions
    if number is None:
        raise TypeError(f"environment {type(env).__name__} has continuous actions; discrete ones are needed")
    return int(number)
