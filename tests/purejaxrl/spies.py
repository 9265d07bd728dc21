"""Small environments that write down what was done to them; real JAX code, with both of Gymnax's shapes."""

import dataclasses
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

NUM_ACTIONS = 4


class ClockState(NamedTuple):
    time: jax.Array  # () int32, steps of this episode
    born: jax.Array  # (2,) uint32, words of the key that the episode was reset with
    moved: jax.Array  # (2,) uint32, words of the key of the newest step


@dataclasses.dataclass(frozen=True)
class Clock:
    """Episodes of ``length`` steps that tell the time and the keys. Rewards are 1, 2, 3, ... in each episode.

    With ``masked`` only action ``time % 4`` is legal.
    """

    length: int = 5
    six_values: bool = False
    ends_by_clock: bool = False  # truncated, not terminated; six values only
    resets_itself: bool = True
    masked: bool = False
    ragged: bool = False  # an episode lasts up to four steps longer, as its key says
    max_episode_steps: int | None = None

    num_actions = NUM_ACTIONS
    default_params = None
    log_columns = {  # noqa: RUF012 - declared as an environment would
        "spy/time": ("time", "mean"),
        "spy/latest": ("time", "max"),
        "spy/time_at_end": ("time", "episode_mean"),
        "spy/action": (lambda action, _info: action, "mean"),
    }

    def action_space(self, _params: Any) -> Any:
        return SimpleNamespace(n=self.num_actions)

    def reset(self, key: jax.Array, _params: Any = None) -> tuple[Any, ClockState]:
        words = jax.random.key_data(key)
        state = ClockState(jnp.zeros((), jnp.int32), words, jnp.zeros_like(words))
        return observe(state), state

    def step(self, key: jax.Array, state: ClockState, action: jax.Array, params: Any = None) -> Any:
        step_key, reset_key = jax.random.split(key)
        words = jax.random.key_data(step_key)
        after = ClockState(state.time + 1, state.born, words)
        longer = after.born[0] % 5 if self.ragged else 0
        ended = after.time >= self.length + longer
        info = {"time": after.time, "final_observation": observe(after)}
        reward = after.time.astype(jnp.float32) + 0.0 * action
        last = after
        if self.resets_itself:
            _, fresh = self.reset(reset_key, params)
            last = jax.tree.map(lambda a, b: jnp.where(ended, a, b), fresh, after)
        if not self.six_values:
            del info["final_observation"]
            return observe(last), last, reward, ended, info
        terminated, truncated = ended & (not self.ends_by_clock), ended & self.ends_by_clock
        return observe(last), last, reward, terminated, truncated, info

    def features(self, observation: ClockState) -> jax.Array:
        """The network sees the time, and a second feature that never changes."""
        time = observation.time.astype(jnp.float32)
        return jnp.stack([time, jnp.ones_like(time)], axis=-1)

    def __getattr__(self, name: str) -> Any:
        if name == "action_mask" and self.masked:
            return lambda state: jnp.arange(NUM_ACTIONS) == state.time % NUM_ACTIONS
        raise AttributeError(name)


def observe(state: ClockState) -> ClockState:
    """The whole state is seen, so that a batch holds every key."""
    return state
