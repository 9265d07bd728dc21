"""PPO in the form that is usual in JAX, written for this benchmark: the whole training is one compiled scan.

It is a yardstick for the trainer and no part of it: one file from the environment to the loss, without masks,
checkpoints, shards or figures but the returns. In each epoch all rows are put into a random order by a sort
(`jax.random.permutation`), gathered, and cut into minibatches. Network and settings are those of the trainer: two
tanh towers, Adam with a clipped global norm, a clipped value loss.

Source: Schulman et al. 2017, arXiv:1707.06347; the advantages: Schulman et al. 2016, arXiv:1506.02438.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import gymnax
import jax
import jax.numpy as jnp
import optax

from hackmatrix.purejaxrl import TrainConfig


class Towers(nn.Module):
    """Observations (n, feature) -> logits (n, act) and values (n,)."""

    num_actions: int
    hidden: int
    layers: int

    @nn.compact
    def __call__(self, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Apply both."""
        policy = value = observation
        for _ in range(self.layers):
            policy = nn.tanh(self._dense(self.hidden, 2.0**0.5)(policy))
            value = nn.tanh(self._dense(self.hidden, 2.0**0.5)(value))
        return self._dense(self.num_actions, 0.01)(policy), self._dense(1, 1.0)(value)[:, 0]

    def _dense(self, width: int, gain: float) -> nn.Dense:
        return nn.Dense(width, kernel_init=nn.initializers.orthogonal(gain))


class Agent(NamedTuple):
    """What goes from one update to the next."""

    params: Any
    opt_state: Any
    env_state: Any
    observation: jax.Array  # (env, feature)
    played: jax.Array  # (env,) rewards of the current episode so far
    key: jax.Array


class Moment(NamedTuple):
    """One step of all environments; leaves are (env, ...), later (t, env, ...) and (row, ...)."""

    observation: jax.Array
    action: jax.Array
    log_prob: jax.Array
    value: jax.Array
    reward: jax.Array
    done: jax.Array


def make_usual_ppo(
    config: TrainConfig, updates: int
) -> tuple[Callable[[int], Agent], Callable[[Agent], tuple[Agent, jax.Array]]]:
    """Return ``first(seed)``, the agent before training, and ``train(agent)``, compiled, which uses it up.

    ``train`` gives besides, for each update, the sum of the returns of episodes that ended and their number,
    (update, 2) float32.

    Args:
        config: the settings; of the environment a Gymnax one.
        updates: of one call of ``train``.
    """
    env, env_params = gymnax.make(config.env.removeprefix("gymnax:"))
    network = Towers(env.action_space(env_params).n, config.hidden_dim, config.num_layers)
    falling = optax.linear_schedule(
        config.learning_rate, 0.0, config.num_updates * config.update_epochs * config.num_minibatches
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adam(falling if config.anneal_lr else config.learning_rate, eps=1e-5),
    )

    def flat(observation: jax.Array) -> jax.Array:
        return observation.reshape(config.num_envs, -1).astype(jnp.float32)

    def first(seed: int) -> Agent:
        network_key, reset_key, key = jax.random.split(jax.random.key(seed), 3)
        keys = jax.random.split(reset_key, config.num_envs)
        observation, env_state = jax.vmap(env.reset, in_axes=(0, None))(keys, env_params)
        params = network.init(network_key, flat(observation)[:1])
        played = jnp.zeros(config.num_envs)
        return Agent(params, optimizer.init(params), env_state, flat(observation), played, key)

    def one_step(agent: Agent, _: None) -> tuple[Agent, tuple[Moment, jax.Array]]:
        key, action_key, step_key = jax.random.split(agent.key, 3)
        logits, value = network.apply(agent.params, agent.observation)
        action = jax.random.categorical(action_key, logits)
        keys = jax.random.split(step_key, config.num_envs)
        observation, env_state, reward, *ends, _ = jax.vmap(env.step, in_axes=(0, 0, 0, None))(
            keys, agent.env_state, action, env_params
        )
        done = ends[0] if len(ends) == 1 else ends[0] | ends[1]
        moment = Moment(agent.observation, action, log_prob_of(logits, action), value, reward, done)
        played = agent.played + reward
        ended = jnp.stack([jnp.sum(jnp.where(done, played, 0.0)), jnp.sum(done, dtype=jnp.float32)])
        after = agent._replace(
            env_state=env_state, observation=flat(observation), played=jnp.where(done, 0.0, played), key=key
        )
        return after, (moment, ended)

    def one_minibatch(learner: tuple[Any, Any], rows: Any) -> tuple[tuple[Any, Any], None]:
        params, opt_state = learner
        steps, opt_state = optimizer.update(jax.grad(loss)(params, config, network, rows), opt_state, params)
        return (optax.apply_updates(params, steps), opt_state), None

    def one_update(agent: Agent, _: None) -> tuple[Agent, jax.Array]:
        agent, (moments, ended) = jax.lax.scan(one_step, agent, None, length=config.num_steps)
        advantages = advantages_of(config, moments, network.apply(agent.params, agent.observation)[1])
        batch = (moments, advantages, advantages + moments.value)
        batch = jax.tree.map(lambda x: x.reshape(config.batch_size, *x.shape[2:]), batch)

        def one_epoch(learner: tuple[Any, Any], key: jax.Array) -> tuple[tuple[Any, Any], None]:
            order = jax.random.permutation(key, config.batch_size)
            shuffled = jax.tree.map(lambda x: jnp.take(x, order, axis=0), batch)
            cut = jax.tree.map(lambda x: x.reshape(config.num_minibatches, -1, *x.shape[1:]), shuffled)
            return jax.lax.scan(one_minibatch, learner, cut)[0], None

        key, *keys = jax.random.split(agent.key, 1 + config.update_epochs)
        learner, _ = jax.lax.scan(one_epoch, (agent.params, agent.opt_state), jnp.stack(keys))
        return Agent(*learner, *agent[2:5], key), ended.sum(axis=0)

    def train(agent: Agent) -> tuple[Agent, jax.Array]:
        return jax.lax.scan(one_update, agent, None, length=updates)

    return jax.jit(first), jax.jit(train, donate_argnums=0)


def advantages_of(config: TrainConfig, moments: Moment, last_value: jax.Array) -> jax.Array:
    """Generalised advantages (t, env); an episode that the clock ended counts as ended."""

    def backwards(carry: tuple[jax.Array, jax.Array], moment: Moment) -> tuple[Any, jax.Array]:
        advantage, next_value = carry
        goes_on = 1.0 - moment.done
        delta = moment.reward + config.gamma * next_value * goes_on - moment.value
        advantage = delta + config.gamma * config.gae_lambda * goes_on * advantage
        return (advantage, moment.value), advantage

    start = (jnp.zeros_like(last_value), last_value)
    return jax.lax.scan(backwards, start, moments, reverse=True)[1]


def loss(
    params: Any, config: TrainConfig, network: Towers, rows: tuple[Moment, jax.Array, jax.Array]
) -> jax.Array:
    """PPO's loss of a minibatch: moments, their advantages, and the targets of their values."""
    moment, advantage, target = rows
    logits, value = network.apply(params, moment.observation)
    ratio = jnp.exp(log_prob_of(logits, moment.action) - moment.log_prob)
    scaled = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    kept = jnp.clip(ratio, 1.0 - config.clip_eps, 1.0 + config.clip_eps)
    policy_loss = -jnp.minimum(ratio * scaled, kept * scaled).mean()
    near = moment.value + jnp.clip(value - moment.value, -config.clip_eps, config.clip_eps)
    value_loss = 0.5 * jnp.maximum((value - target) ** 2, (near - target) ** 2).mean()
    log_p = jax.nn.log_softmax(logits)
    entropy = -jnp.sum(jnp.exp(log_p) * log_p, axis=-1).mean()
    return policy_loss + config.vf_coef * value_loss - config.ent_coef * entropy


def log_prob_of(logits: jax.Array, action: jax.Array) -> jax.Array:
    """Log-probability (n,) of actions (n,) under logits (n, act)."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], axis=-1)[:, 0]
