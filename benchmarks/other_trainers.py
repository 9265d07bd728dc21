"""Other trainers at the settings of ours: PureJaxRL's program by path, rejax if installed, the usual form always.

PureJaxRL    its published `ppo.py`, unmodified; its network is replaced by a wider one where 64 units are not asked
rejax        from PyPI; its environment in the older form of five values, no evaluation, an optimizer per tower
usual form   `usual_ppo.py` beside this file
"""

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from usual_ppo import Towers, make_usual_ppo

from hackmatrix.purejaxrl import TrainConfig

Round = Callable[[], None]
Curve = np.ndarray  # (update, 2): the sum of the returns of episodes that ended, and their number


@dataclasses.dataclass(frozen=True)
class OtherTrainer:
    """One to be compared with.

    Attributes:
        name: as the table says it.
        make_round: of a config and a number of updates: a function that trains for so many, compiled at its first
            call.
        make_curve: of a config: a function from a seed to the curve of a whole run; None: it tells none.
    """

    name: str
    make_round: Callable[[TrainConfig, int], Round]
    make_curve: Callable[[TrainConfig], Callable[[int], Curve]] | None = None


def other_trainers(purejaxrl: Path | None) -> list[OtherTrainer]:
    """The one that targets are about first: PureJaxRL where it is given, else the usual form."""
    found = [OtherTrainer("PPO in the usual form (`usual_ppo.py`)", _usual_round, _usual_curve)]
    if purejaxrl is not None:
        module = _module_at(purejaxrl)
        found = [
            OtherTrainer(
                "PureJaxRL's `ppo.py`",
                lambda config, updates: _purejaxrl_round(module, config, updates),
                lambda config: _purejaxrl_curve(module, config),
            )
        ]
    if importlib.util.find_spec("rejax") is not None:
        found.append(OtherTrainer("rejax", _rejax_round))
    return found


# The usual form.


def _usual_round(config: TrainConfig, updates: int) -> Round:
    first, train = make_usual_ppo(config, updates)
    agent = first(config.seed)

    def one_round() -> None:
        nonlocal agent
        agent, _ = jax.block_until_ready(train(agent))

    return one_round


def _usual_curve(config: TrainConfig) -> Callable[[int], Curve]:
    first, train = make_usual_ppo(config, config.num_updates)
    return lambda seed: np.asarray(train(first(seed))[1], np.float64)


# PureJaxRL.


def _module_at(path: Path) -> Any:
    sys.path.insert(0, str(path.parent))  # it imports its neighbours
    spec = importlib.util.spec_from_file_location("purejaxrl_ppo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _purejaxrl_program(module: Any, config: TrainConfig, updates: int) -> Any:
    theirs = {
        "LR": config.learning_rate, "NUM_ENVS": config.num_envs, "NUM_STEPS": config.num_steps,
        "TOTAL_TIMESTEPS": updates * config.batch_size, "UPDATE_EPOCHS": config.update_epochs,
        "NUM_MINIBATCHES": config.num_minibatches, "GAMMA": config.gamma, "GAE_LAMBDA": config.gae_lambda,
        "CLIP_EPS": config.clip_eps, "ENT_COEF": config.ent_coef, "VF_COEF": config.vf_coef,
        "MAX_GRAD_NORM": config.max_grad_norm, "ACTIVATION": "tanh",
        "ENV_NAME": config.env.removeprefix("gymnax:"), "ANNEAL_LR": config.anneal_lr, "DEBUG": False,
    }  # fmt: skip
    train, own = module.make_train(theirs), module.ActorCritic

    def traced(key: jax.Array) -> Any:  # it looks its network up while it is traced
        if config.hidden_dim != 64:
            module.ActorCritic = lambda actions, **_: _Wider(actions, config.hidden_dim, 2)
        try:
            return train(key)
        finally:
            module.ActorCritic = own

    return jax.jit(traced)


class _Wider(Towers):
    """Its network with another width: its own has the 64 written into it."""

    def __call__(self, observation: jax.Array) -> Any:
        import distrax  # what its loss expects

        logits, value = super().__call__(observation)
        return distrax.Categorical(logits=logits), value


def _purejaxrl_round(module: Any, config: TrainConfig, updates: int) -> Round:
    program = _purejaxrl_program(module, config, updates)
    return lambda: jax.block_until_ready(program(jax.random.PRNGKey(0)))


def _purejaxrl_curve(module: Any, config: TrainConfig) -> Callable[[int], Curve]:
    program = _purejaxrl_program(module, config, config.num_updates)

    def curve(seed: int) -> Curve:
        told = program(jax.random.PRNGKey(seed))["metrics"]
        ended = np.asarray(told["returned_episode"])  # (update, t, env)
        returns = np.asarray(told["returned_episode_returns"], np.float64)
        return np.stack([(returns * ended).sum((1, 2)), ended.sum((1, 2))], axis=1)

    return curve


# rejax.


class _FiveValues:
    """A Gymnax environment whose step gives the five values that rejax unpacks."""

    def __init__(self, env: Any) -> None:
        self._env, self.reset, self.default_params = env, env.reset, env.default_params
        self.action_space, self.observation_space = env.action_space, env.observation_space

    def step(self, key: Any, state: Any, action: Any, params: Any) -> Any:
        """One step; an episode that the clock ended is done like any other."""
        observation, state, reward, *ends, info = self._env.step(key, state, action, params)
        return observation, state, reward, ends[0] if len(ends) == 1 else ends[0] | ends[1], info


def _rejax_round(config: TrainConfig, updates: int) -> Round:
    import gymnax
    from rejax import PPO

    env, env_params = gymnax.make(config.env.removeprefix("gymnax:"))
    steps = updates * config.batch_size
    algorithm = PPO.create(
        env=_FiveValues(env), env_params=env_params,
        agent_kwargs={"activation": "tanh", "hidden_layer_sizes": (config.hidden_dim,) * config.num_layers},
        num_envs=config.num_envs, num_steps=config.num_steps, num_epochs=config.update_epochs,
        num_minibatches=config.num_minibatches, learning_rate=config.learning_rate, gamma=config.gamma,
        gae_lambda=config.gae_lambda, clip_eps=config.clip_eps, vf_coef=config.vf_coef,
        ent_coef=config.ent_coef, max_grad_norm=config.max_grad_norm, total_timesteps=steps, eval_freq=steps,
        skip_initial_evaluation=True,
    ).replace(eval_callback=lambda *_: ())  # fmt: skip
    state = jax.jit(algorithm.init_state)(jax.random.PRNGKey(0))
    program = jax.jit(lambda state: algorithm.train(train_state=state)[0], donate_argnums=0)

    def one_round() -> None:
        nonlocal state
        state = jax.block_until_ready(program(state))

    return one_round
