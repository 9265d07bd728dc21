"""A trained network, by the name of its run."""

from pathlib import Path
from typing import NamedTuple

from hackmatrix.purejaxrl import (
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
    config = TrainConfig(**read_header(folder)["config"])
    env = make_environment(config.env)
    return Trained(found, config, env, load_checkpoint(folder, config, env))
