"""What a run is: the numbers that decide its numbers."""

import dataclasses
import math
from typing import Literal, get_args

LogEvery = Literal["chunk", "update"]

_COUNTS = (
    "num_envs",
    "num_steps",
    "total_timesteps",
    "num_minibatches",
    "update_epochs",
    "hidden_dim",
    "num_layers",
    "log_interval",
    "num_shards",
)
_POSITIVE = ("learning_rate", "clip_eps", "max_grad_norm")
_NOT_NEGATIVE = ("vf_coef", "ent_coef")
_FRACTIONS = ("gamma", "gae_lambda")
_MAX_COUNT = 2**31 - 1  # counters on the device are int32; JAX makes no wider integer by default


class ConfigError(ValueError):
    """A config that cannot be trained; the message says which value would do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One PPO run. Units are in brackets; defaults are meant for the HackMatrix game.

    Source of the defaults: Schulman et al. 2017, arXiv:1707.06347, table 5, with many more environments, hence a
    higher rate.
    """

    env: str = "hackmatrix"
    """[name] ``hackmatrix``, or ``gymnax:`` and the id of a Gymnax environment with discrete actions."""
    num_envs: int = 256
    """[environments] played side by side."""
    num_steps: int = 128
    """[env steps per environment] between two updates."""
    total_timesteps: int = 10_000_000
    """[env steps] over all environments; rounded down to whole updates."""
    learning_rate: float = 1e-3
    """[1] Adam's, at the first update."""
    anneal_lr: bool = True
    """[yes/no] lower the rate in a straight line to zero over the run."""
    gamma: float = 0.99
    """[1 per env step] discount, in [0, 1]."""
    gae_lambda: float = 0.95
    """[1 per env step] decay of the advantage estimator, in [0, 1]."""
    num_minibatches: int = 4
    """[minibatches per epoch]."""
    update_epochs: int = 4
    """[passes over the batch per update]."""
    clip_eps: float = 0.2
    """[1] how far the probability ratio, and the value, may move in one update."""
    vf_coef: float = 0.5
    """[1] weight of the value loss."""
    ent_coef: float = 0.01
    """[1 per nat] weight of the entropy bonus."""
    max_grad_norm: float = 0.5
    """[1] the gradient's global norm is clipped to this."""
    hidden_dim: int = 64
    """[units] of each hidden layer."""
    num_layers: int = 2
    """[layers] hidden ones, in each of the two towers."""
    seed: int = 0
    """[1] everything random in the run follows from it; 0 to 2**31 - 1."""
    log_interval: int = 10
    """[updates] per chunk: how many run between two visits of the Python loop."""
    log_every: LogEvery = "chunk"
    """[chunk | update] a row per chunk, at its end, or a row per update."""
    num_shards: int = 1
    """[shards] fixed parts of the environments whose sums are added in a fixed order; a power of two."""
    max_episode_steps: int | None = None
    """[env steps] after which the rollout truncates an episode; None: the environment's own limit."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        _check_kinds(self)
        _check_ranges(self)
        _check_sizes(self)

    @property
    def batch_size(self) -> int:
        """Env steps per update, over all environments."""
        return self.num_envs * self.num_steps

    @property
    def num_updates(self) -> int:
        """Updates of the whole run."""
        return self.total_timesteps // self.batch_size

    @property
    def envs_per_shard(self) -> int:
        """Environments in one shard."""
        return self.num_envs // self.num_shards

    @property
    def rows_per_shard(self) -> int:
        """Rows that one shard gives to an update."""
        return self.envs_per_shard * self.num_steps


def shards_for(num_envs: int, device_count: int) -> int:
    """Return the largest power of two that divides ``num_envs`` and is at most ``device_count``."""
    shards = 1
    while shards * 2 <= device_count and num_envs % (shards * 2) == 0:
        shards *= 2
    return shards


def _check_kinds(config: TrainConfig) -> None:
    """Each value is of its kind; whole numbers given for rates become floats, so equal configs are equal."""
    for name in (*_COUNTS, "seed"):
        _require_int(name, getattr(config, name))
    if config.max_episode_steps is not None:
        _require_int("max_episode_steps", config.max_episode_steps)
    for name in (*_POSITIVE, *_NOT_NEGATIVE, *_FRACTIONS):
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"{name} = {value!r} is no finite number")
        object.__setattr__(config, name, float(value))
    if not isinstance(config.anneal_lr, bool):
        raise ConfigError(f"anneal_lr = {config.anneal_lr!r} is neither True nor False")
    if not isinstance(config.env, str) or not config.env:
        raise ConfigError(f"env = {config.env!r} is no name; 'hackmatrix' would be one")
    if config.log_every not in get_args(LogEvery):
        raise ConfigError(f"log_every = {config.log_every!r} is unknown; 'chunk' or 'update' would do")


def _require_int(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} = {value!r} is no whole number")


def _check_ranges(config: TrainConfig) -> None:
    for name in _COUNTS:
        _require_at_least(name, getattr(config, name), 1)
    _require_at_least("seed", config.seed, 0)
    if config.max_episode_steps is not None:
        _require_at_least("max_episode_steps", config.max_episode_steps, 1)
    for name in _POSITIVE:
        if getattr(config, name) <= 0.0:
            raise ConfigError(f"{name} = {getattr(config, name)!r} must be greater than 0")
    for name in _NOT_NEGATIVE:
        if getattr(config, name) < 0.0:
            raise ConfigError(f"{name} = {getattr(config, name)!r} must not be negative; 0 turns it off")
    for name in _FRACTIONS:
        if not 0.0 <= getattr(config, name) <= 1.0:
            raise ConfigError(f"{name} = {getattr(config, name)!r} must be in [0, 1]")


def _require_at_least(name: str, value: int, least: int) -> None:
    most = 2**53 if name == "total_timesteps" else _MAX_COUNT
    if not least <= value <= most:
        raise ConfigError(f"{name} = {value!r} must be from {least} to {most}")


def _check_sizes(config: TrainConfig) -> None:
    """Sizes fit together: shards into environments, minibatches into a shard's rows, an update into all."""
    shards = config.num_shards
    if shards & (shards - 1) or config.num_envs % shards:
        fit = shards_for(config.num_envs, shards)
        raise ConfigError(
            f"num_shards = {shards} must be a power of two that divides num_envs = {config.num_envs}; "
            f"{fit} would"
        )
    rows = config.rows_per_shard
    if rows % config.num_minibatches:
        part = "num_envs * num_steps" if shards == 1 else "num_envs / num_shards * num_steps"
        raise ConfigError(
            f"{part} = {rows} does not divide into num_minibatches = {config.num_minibatches}; "
            f"{_nearest_divisors(rows, config.num_minibatches)} would"
        )
    if config.num_updates < 1:
        raise ConfigError(
            f"total_timesteps = {config.total_timesteps} is less than one update of num_envs * num_steps = "
            f"{config.batch_size}; raise it to {config.batch_size} or more"
        )
    _require_at_least("total_timesteps // (num_envs * num_steps)", config.num_updates, 1)


def _nearest_divisors(number: int, near: int) -> str:
    """Return the divisors of ``number`` next to ``near``, as words."""
    below = next(d for d in range(min(near, number), 0, -1) if number % d == 0)
    if near >= number:
        return str(below)
    above = next(d for d in range(near + 1, number + 1) if number % d == 0)
    return f"{below} or {above}"
