"""A trained network, by the name of its run."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from hackmatrix.purejaxrl import (
    CheckpointError,
    Environment,
    Runner,
    TrainConfig,
    load_checkpoint,
    make_environment,
    read_header,
)
from hackmatrix.tracking import FoundRun, RunNotFoundError, find_run
from hackmatrix.tracking.roots import run_root


class Trained(NamedTuple):
    """A run's network at a checkpoint."""

    found: FoundRun
    config: TrainConfig
    env: Environment
    runner: Runner


def load_trained(name: str, root: str | Path, step: int | None = None) -> Trained:
    """Load the newest whole checkpoint of a run on this disk, or that of a step.

    Raises:
        RunNotFoundError: there is no such run, or no such checkpoint.
        CheckpointError: it is damaged, or of another version of hackmatrix.
        ConfigError: the config that it has cannot be trained.
    """
    found = find_run(name, root=root)
    if found is None:
        raise RunNotFoundError(f"no run {name!r} in {str(run_root(root))!r}; see the names there")
    folder = found.fetch_checkpoint(step)
    if folder is None or (step is not None and found.step != step):
        raise RunNotFoundError(
            f"run {name} has no whole checkpoint{'' if step is None else f' of step {step}'}; it has "
            f"{', '.join(map(str, found.steps)) or 'none'}"
        )
    config = _config(folder)
    env = make_environment(config.env)
    return Trained(found, config, env, load_checkpoint(folder, config, env))


def _config(folder: Path) -> TrainConfig:
    """What the checkpoint says about its run's config."""
    given: Any = read_header(folder).get("config")
    if not isinstance(given, dict):
        raise CheckpointError(
            f"{str(folder)!r} says nothing about its config; it was not written by this trainer"
        )
    unknown = sorted(set(given) - {field.name for field in dataclasses.fields(TrainConfig)})
    if unknown:
        raise CheckpointError(
            f"{str(folder)!r} has a config with {', '.join(map(repr, unknown))}, which this version of hackmatrix "
            "does not know; use the version that wrote it, or a newer one"
        )
    return TrainConfig(**given)
