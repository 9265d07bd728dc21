"""PPO as compiled chunks of updates, with effects between the chunks.

    >>> from hackmatrix.purejaxrl import TrainConfig
    >>> TrainConfig(num_envs=16, num_steps=128, total_timesteps=300_000).num_updates
    146

Read top-down: ``train.py`` (the loop), ``chunk.py``, ``update.py``, ``rollout.py``, ``losses.py``.
"""

from hackmatrix.purejaxrl.catalogue import make_environment
from hackmatrix.purejaxrl.checkpoint import (
    CheckpointError,
    Saved,
    load_checkpoint,
    read_checkpoint,
    read_header,
    restore,
)
from hackmatrix.purejaxrl.config import ConfigError, TrainConfig, shards_for
from hackmatrix.purejaxrl.environments import Environment, LogColumn
from hackmatrix.purejaxrl.evaluation import Games, play_games
from hackmatrix.purejaxrl.layout import Layout, choose_layout, place
from hackmatrix.purejaxrl.metrics import VOLATILE_TAGS
from hackmatrix.purejaxrl.platform import differences as platform_differences
from hackmatrix.purejaxrl.platform import instruction_set, platform_facts
from hackmatrix.purejaxrl.runner import Runner, init_runner, make_parts, stack_agents
from hackmatrix.purejaxrl.saving import SaveOptions
from hackmatrix.purejaxrl.train import ChunkReport, TrainResult, make_train_chunk, train

__all__ = [
    "VOLATILE_TAGS",
    "CheckpointError",
    "ChunkReport",
    "ConfigError",
    "Environment",
    "Games",
    "Layout",
    "LogColumn",
    "Runner",
    "SaveOptions",
    "Saved",
    "TrainConfig",
    "TrainResult",
    "choose_layout",
    "init_runner",
    "instruction_set",
    "load_checkpoint",
    "make_environment",
    "make_parts",
    "make_train_chunk",
    "place",
    "platform_differences",
    "platform_facts",
    "play_games",
    "read_checkpoint",
    "read_header",
    "restore",
    "shards_for",
    "stack_agents",
    "train",
]
