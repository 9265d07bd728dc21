"""Which run the command line means: where to look, its config, and what it goes on from or begins with."""

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from agents import find_group, group_of, group_size, name_of_seed

from hackmatrix.purejaxrl import ConfigError, TrainConfig, shards_for
from hackmatrix.tracking import (
    BackendUnreachableError,
    FoundRun,
    RunNotFoundError,
    find_run,
    parse_options,
    tracker_names,
)
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root

DEFAULT_ENTITY = "charles-team"
_MOST_SHARDS = 1024  # that a run is looked for with; one of more is found with --num-shards


class Setup(NamedTuple):
    """What the flags say about tracking."""

    trackers: str  # comma-separated
    options: dict[str, dict[str, Any]]
    root: Path
    entity: str


def setup_of(args: argparse.Namespace) -> Setup:
    """What the flags say about tracking, as one value."""
    options: dict[str, dict[str, Any]] = {
        name: dict(each) for name, each in parse_options(args.tracker_option).items()
    }
    names = list(tracker_names(args.tracker))
    if "wandb" in names:
        wandb = options.setdefault("wandb", {})
        wandb.setdefault("step_metric", "train/update_step")
        wandb.update({"rewind": True} if args.rewind else {})
        wandb.update({"keep_remote_all": True} if args.keep_remote == "all" else {})
    if args.mirror is not None:
        names.append("mirror")
        options["mirror"] = {"path": args.mirror}
    return Setup(
        trackers=",".join(names),
        options=options,
        root=Path(args.checkpoint_dir) if args.checkpoint_dir is not None else DEFAULT_ROOT,
        entity=args.entity or os.environ.get("WANDB_ENTITY") or DEFAULT_ENTITY,
    )


def find_all(args: argparse.Namespace, setup: Setup, source: FoundRun | None) -> list[FoundRun | None]:
    """The run of each seed that the command line goes on with; none begins new ones."""
    if args.num_seeds == 1:
        return [_find(args, setup, source)]
    seeds = range(
        args.given.get("seed", TrainConfig.seed), args.given.get("seed", TrainConfig.seed) + args.num_seeds
    )
    wanted = args.run_name or args.resume_run
    if wanted == "auto":
        first = _find(args, setup, source)
        wanted = None if first is None else group_of(first.name, seeds[0])
    if wanted is None:
        return [None] * args.num_seeds
    found = find_group(
        wanted, seeds, lambda name: _of_this_size(_look_for(args, setup, name), args.num_seeds)
    )
    if args.resume_run not in (None, "auto") and found[0] is None:
        raise RunNotFoundError(
            f"no run {name_of_seed(wanted, seeds[0])!r} in {str(run_root(setup.root))!r} or at "
            f"{setup.trackers}; begin the group with --run-name {wanted}"
        )
    return found


def _of_this_size(run: FoundRun | None, num_seeds: int) -> FoundRun | None:
    if run is not None and group_size(run) != num_seeds:
        raise ConfigError(
            f"run {run.name} is one of a group of {group_size(run)}, and --num-seeds {num_seeds} was given; give "
            f"--num-seeds {group_size(run)}, or another --run-name for a new group"
        )
    return run


def _find(args: argparse.Namespace, setup: Setup, source: FoundRun | None) -> FoundRun | None:
    """The run that the command line goes on with; none begins a new one."""
    wanted = args.run_name or args.resume_run
    if wanted is None:
        return None
    auto = args.resume_run == "auto"
    try:
        found = _look_for_config(args, setup, source) if auto else _look_for(args, setup, wanted)
    except BackendUnreachableError as problem:
        if args.run_name is None:
            raise BackendUnreachableError(f"{problem}; --run-name NAME begins one here") from problem
        found = None  # a named run begins here, and the backend follows when it can be reached
    if found is None and args.resume_run is not None and not auto:
        raise RunNotFoundError(
            f"no run {wanted!r} in {str(run_root(setup.root))!r} or at {setup.trackers}; see the names there, or "
            f"begin it with --run-name {wanted}"
        )
    return found


def _look_for_config(args: argparse.Namespace, setup: Setup, source: FoundRun | None) -> FoundRun | None:
    """The newest run of the command line's config; where it names no shards, with as many as it began with."""
    config = config_of(args, source, forked=True)
    counts = [config.num_shards]
    if "num_shards" not in args.given:
        counts += [2**power for power in range(_MOST_SHARDS.bit_length()) if 2**power != config.num_shards]
    for count in counts:
        try:
            other = dataclasses.replace(config, num_shards=count)
        except ConfigError:
            continue
        found = _look_for(args, setup, None, described(other, source, args.num_seeds))
        if found is not None:
            return found
    return None


def _look_for(
    args: argparse.Namespace, setup: Setup, name: str | None, config: Mapping[str, Any] | None = None
) -> FoundRun | None:
    return find_run(
        name,
        root=setup.root,
        backends=setup.trackers,
        project=args.project,
        entity=setup.entity,
        options=setup.options,
        config=config,
    )


def source_of_fork(args: argparse.Namespace, setup: Setup) -> FoundRun | None:
    """The run whose checkpoint a new run begins with; its ``step`` is that of the checkpoint."""
    if args.fork_run is None:
        return None
    name, at, step = args.fork_run.partition("@")
    if at and not step.isdecimal():
        raise ConfigError(f"--fork-run {args.fork_run!r}: {step!r} is no step; write NAME or NAME@40")
    source = _look_for(args, setup, name)
    if source is None:
        raise RunNotFoundError(
            f"no run {name!r} to fork in {str(run_root(setup.root))!r} or at {setup.trackers}"
        )
    if at and int(step) not in source.steps:
        steps = ", ".join(map(str, source.steps)) or "none"
        raise RunNotFoundError(f"run {name} has no checkpoint {step}; it has {steps}")
    if source.fetch_checkpoint(int(step) if at else None) is None:
        raise RunNotFoundError(f"run {name} has no whole checkpoint to fork")
    if at and source.step != int(step):
        raise RunNotFoundError(
            f"checkpoint {step} of run {name} is damaged; the newest whole one is {source.step}"
        )
    return source


def described(config: TrainConfig, source: FoundRun | None, num_seeds: int = 1) -> dict[str, Any]:
    """The run's config for ever: its numbers, where they began, and how many runs its group has."""
    described = dataclasses.asdict(config)
    if num_seeds > 1:
        described["num_seeds"] = num_seeds
    if source is not None:
        described["forked_from"] = f"{source.name}@{source.step}"
    return described


def group_of_source(source: FoundRun) -> str:
    """The group of a fork: that of the run it begins with, else the name of that run."""
    group = (source.identity or {}).get("group")
    return str(group) if group else source.name


def config_of(args: argparse.Namespace, known_run: FoundRun | None, *, forked: bool) -> TrainConfig:
    """The run's config: its own where it exists, else the flags over the defaults, or over the fork's source."""
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    known = {key: value for key, value in known_run.config.items() if key in fields} if known_run else {}
    if known_run is not None and not forked:
        _refuse_changes(args, known_run, known)
    values = {**known, **args.given}
    if "num_shards" not in values:
        import jax  # noqa: PLC0415 - devices are asked for after the flags were read

        values["num_shards"] = shards_for(values.get("num_envs", TrainConfig.num_envs), jax.device_count())
    return TrainConfig(**values)


def _refuse_changes(args: argparse.Namespace, found: FoundRun, known: Mapping[str, Any]) -> None:
    changed = {
        name: (known[name], value)
        for name, value in args.given.items()
        if name in known and known[name] != value
    }
    if "total_timesteps" in changed and not known["anneal_lr"]:
        before, now = changed["total_timesteps"]
        if now >= before:
            del changed["total_timesteps"]
    if not changed:
        return
    told = ", ".join(f"{_flag(name)}: {then} then, {now} now" for name, (then, now) in changed.items())
    flags = " ".join(f"{_flag(name)} {now}" for name, (_, now) in changed.items())
    raise ConfigError(
        f"run {found.name} has another config ({told}); a run has one config for ever: leave these out to go on, "
        f"or begin a new run from its checkpoint: --fork-run {found.name} {flags}"
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def is_done(found: FoundRun, config: TrainConfig) -> bool:
    """Whether nothing is left to train."""
    return found.status == "finished" and found.config.get("total_timesteps") == config.total_timesteps
