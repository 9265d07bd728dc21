"""All that lives between two chunks, as one tree of arrays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.network import ActorCritic
from hackmatrix.purejaxrl.sharding import map_shards, shard_keys

ADAM_EPS = (
    1e-5  # larger than Adam's own 1e-8; Andrychowicz et al. 2021, arXiv:2006.05990, and PPO's first code
)


class Episodes(NamedTuple):
    """The episodes being played. Leaves are (n, ...) in one shard, (shard, n, ...) in a :class:`Runner`."""

    state: Any
    observation: Any  # the one that the next action is chosen from
    episode_return: jax.Array  # (n,) float32, rewards of the current episode so far
    episode_length: jax.Array  # (n,) int32, env steps of the current episode so far


class Runner(NamedTuple):
    """The whole state of one agent's training: what a checkpoint holds. Of several agents leaves are (seed, ...)."""

    params: Any
    opt_state: Any
    episodes: Episodes
    key: jax.Array  # () typed key, the parent of every later update's
    update: jax.Array  # () int32, finished updates


class Parts(NamedTuple):
    """What never changes in a run, and is part of the compiled program."""

    config: TrainConfig
    env: Environment
    network: nn.Module
    optimizer: optax.GradientTransformation
    time_limit: int | None  # env steps
    num_devices: int = 1  # that the shards lie on; above 1 an update runs inside ``shard_map``

    def forward(self, params: Any, observation: Any) -> tuple[jax.Array, jax.Array]:
        """Return logits (n, act) and values (n,) of observations (n, ...)."""
        result: Any = self.network.apply(params, self.env.features(observation))
        logits, value = result
        return logits, value


def make_parts(config: TrainConfig, env: Environment, num_devices: int = 1) -> Parts:
    """Build network and optimizer of ``config`` for ``env``."""
    network = ActorCritic(env.num_actions, config.hidden_dim, config.num_layers)
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.scale_by_adam(eps=ADAM_EPS),  # the rate is applied in the update, where it is also logged
    )
    limit = env.max_episode_steps if config.max_episode_steps is None else config.max_episode_steps
    return Parts(config, env, network, optimizer, limit, num_devices)


def init_runner(config: TrainConfig, env: Environment, num_seeds: int = 1) -> Runner:
    """Return the state before the first update, computed by one compiled program.

    With more than one seed, of agents with the seeds ``config.seed``, ``config.seed + 1``, ...: leaves are
    (seed, ...). They are made one after the other: orthogonal matrices of many at once can hang for ever on
    CPU, where each waits inside the thread pool that the others need.
    """
    parts = make_parts(config, env)
    first = jax.jit(lambda seed: first_runner(parts, seed))
    agents = [first(np.uint32(config.seed + number)) for number in range(num_seeds)]
    return agents[0] if num_seeds == 1 else stack_agents(agents)


def stack_agents(agents: Sequence[Runner]) -> Runner:
    """Lay the states of several agents on each other; leaves become (seed, ...)."""
    stacked: Runner = jax.tree.map(lambda *leaves: jnp.stack(leaves), *agents)
    return stacked


def first_runner(parts: Parts, seed: jax.Array | int) -> Runner:
    """Return the state before the first update; everything in it follows from the seed."""
    config, env = parts.config, parts.env
    network_key, reset_key, key = jax.random.split(jax.random.key(seed), 3)
    keys = shard_keys(reset_key, config.num_shards)
    episodes = map_shards(lambda shard: _first_episodes(env, shard, config.envs_per_shard), keys)
    one = jax.tree.map(lambda x: x[0, :1], episodes.observation)
    params = parts.network.init(network_key, env.features(one))
    runner = Runner(params, parts.optimizer.init(params), episodes, key, jnp.zeros((), jnp.int32))
    stripped: Runner = jax.tree.map(strip_weak_type, runner)
    return stripped


def _first_episodes(env: Environment, key: jax.Array, count: int) -> Episodes:
    observation, state = env.reset(jax.random.split(key, count))
    return Episodes(state, observation, jnp.zeros((count,), jnp.float32), jnp.zeros((count,), jnp.int32))


def strip_weak_type(x: jax.Array) -> jax.Array:
    """Make the dtype binding: an array from a file is never weak, and another type is another program."""
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        return x
    return jax.lax.convert_element_type(x, x.dtype)
