"""Train PPO with a tracker; see ``--help``."""

import argparse
import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from arguments import parse_arguments
from progress import ConsoleHandler, Display, draw_curve
from rich.console import Console

from hackmatrix import __version__
from hackmatrix.purejaxrl import (
    CheckpointError,
    ConfigError,
    Environment,
    Runner,
    SaveOptions,
    TrainConfig,
    load_checkpoint,
    make_environment,
    platform_facts,
    read_header,
    shards_for,
    train,
)
from hackmatrix.tracking import (
    BackendUnreachableError,
    FinishReport,
    FoundRun,
    RunInUseError,
    RunNotFoundError,
    Tracker,
    TrackingError,
    find_run,
    open_tracker,
    parse_options,
    read_run,
    tracker_names,
)
from hackmatrix.tracking.protocol import Status
from hackmatrix.tracking.roots import DEFAULT_ROOT

FINISHED, FAILED, USAGE, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143
DEFAULT_ENTITY = "charles-team"
RUN_PREFIX = "hackmatrix-jax"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    args = parse_arguments(argv)
    console = Console()
    for name in ("hackmatrix.tracking", "hackmatrix.purejaxrl"):
        logger = logging.getLogger(name)
        logger.addHandler(ConsoleHandler(console))
        logger.setLevel(logging.INFO)
    try:
        return _run(args, console)
    except (ConfigError, CheckpointError, TrackingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return FAILED if isinstance(problem, BackendUnreachableError | RunInUseError) else USAGE


class Stop:
    """Asks training to end after the chunk that is running; chains the handlers that were there."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._earlier = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            os._exit(INTERRUPTED)  # asked twice: the checkpoint before this one has to do
        self.signal = number
        earlier = self._earlier[signal.Signals(number)]
        if callable(earlier) and earlier is not signal.default_int_handler:
            earlier(number, frame)

    def asked(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def status(self) -> Status:
        """What the run is called when it ends now."""
        if self.signal is None:
            return "finished"
        return "interrupted" if self.signal == signal.SIGINT else "preempted"

    def exit_code(self) -> int:
        """The same for the shell."""
        if self.signal is None:
            return FINISHED
        return INTERRUPTED if self.signal == signal.SIGINT else TERMINATED


def _run(args: argparse.Namespace, console: Console) -> int:
    options = parse_options(args.tracker_option)
    if "wandb" in tracker_names(args.tracker):
        options.setdefault("wandb", {}).setdefault("step_metric", "train/update_step")
    root = Path(args.checkpoint_dir) if args.checkpoint_dir is not None else DEFAULT_ROOT
    found = _find(args, root, options)
    config = _config(args, found)
    env = make_environment(config.env)
    if found is not None and _is_done(found, config):
        console.print(
            f"run {found.name} has finished already; give other flags, or no --resume-run, for a new one"
        )
        return FINISHED
    start, saving = _load(args, found, config, env, console)
    stop = Stop()
    tracker = open_tracker(
        args.tracker,
        project=args.project,
        entity=args.entity or os.environ.get("WANDB_ENTITY") or DEFAULT_ENTITY,
        name=args.run_name if found is None else None,
        prefix=None if args.run_name is not None or found is not None else RUN_PREFIX,
        suffix=args.run_suffix if found is None else None,
        config=dataclasses.asdict(config),
        attempt={**platform_facts(), "hackmatrix": __version__, "commit": _commit()},
        group=args.group,
        tags=args.tags.split(",") if args.tags else None,
        notes=args.notes,
        root=root,
        resume=found if found is not None else "allow",
        may_change=() if config.anneal_lr else ("total_timesteps",),
        options=options,
    )
    return _train(config, env, tracker, start, saving, stop, console)


def _train(
    config: TrainConfig,
    env: Environment,
    tracker: Tracker,
    start: Runner | None,
    saving: SaveOptions,
    stop: Stop,
    console: Console,
) -> int:
    run = tracker.run
    console.print(f"run {run.name}" + (f", attempt {run.attempt}" if run.resumed else ""), highlight=False)
    for place in filter(None, (run.folder, run.url)):
        console.print(f"  {place}", highlight=False, soft_wrap=True)
    status: Status = "failed"
    try:
        with Display(console, config.num_updates, int(start.update) if start is not None else 0) as display:
            result = train(
                config,
                [tracker],
                env=env,
                start=start,
                stop=stop.asked,
                on_compiled=display.compiled,
                on_chunk=display.chunk,
                saving=saving,
            )
        status = "finished" if result.finished else stop.status()
        if result.row is not None:
            tracker.log_summary(result.row)
    finally:
        report = tracker.finish(status)
    _tell_end(console, tracker, report)
    if result.save_problem is not None:
        console.print(f"the last checkpoint is missing: {result.save_problem}", style="red")
        return FAILED
    return FINISHED if result.finished else stop.exit_code()


def _find(args: argparse.Namespace, root: Path, options: Mapping[str, Mapping[str, Any]]) -> FoundRun | None:
    """The run that the command line goes on with; none begins a new one."""
    wanted = args.run_name or args.resume_run
    if wanted is None:
        return None
    auto = args.resume_run == "auto"
    try:
        found = find_run(
            None if auto else wanted,
            root=root,
            backends=args.tracker,
            project=args.project,
            entity=args.entity or os.environ.get("WANDB_ENTITY") or DEFAULT_ENTITY,
            options=options,
            config=dataclasses.asdict(_config(args, None)) if auto else None,
        )
    except BackendUnreachableError:
        if args.run_name is None:
            raise
        found = None  # a named run begins here, and the backend follows when it can be reached
    if found is None and args.resume_run is not None and not auto:
        raise RunNotFoundError(
            f"no run {wanted!r} in {str(root)!r} or at {args.tracker}; see the names there, or begin it with "
            f"--run-name {wanted}"
        )
    return found


def _config(args: argparse.Namespace, found: FoundRun | None) -> TrainConfig:
    """The run's config: its own where it exists, else the flags over the defaults."""
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    known = {key: value for key, value in found.config.items() if key in fields} if found is not None else {}
    changed = {
        name: (known[name], value)
        for name, value in args.given.items()
        if name in known and known[name] != value
    }
    if "total_timesteps" in changed and not known["anneal_lr"]:
        before, now = changed["total_timesteps"]
        if now >= before:
            del changed["total_timesteps"]
    if changed and found is not None:
        told = ", ".join(
            f"--{name.replace('_', '-')}: {old} then, {new} now" for name, (old, new) in changed.items()
        )
        raise ConfigError(
            f"run {found.name} has another config ({told}); a run has one config for ever: leave these out to go on"
        )
    values = {**known, **args.given}
    if "num_shards" not in values:
        import jax  # noqa: PLC0415 - devices are asked for after the flags were read

        values["num_shards"] = shards_for(values.get("num_envs", TrainConfig.num_envs), jax.device_count())
    return TrainConfig(**values)


def _is_done(found: FoundRun, config: TrainConfig) -> bool:
    return found.status == "finished" and found.config.get("total_timesteps") == config.total_timesteps


def _load(
    args: argparse.Namespace,
    found: FoundRun | None,
    config: TrainConfig,
    env: Environment,
    console: Console,
) -> tuple[Runner | None, SaveOptions]:
    """The state to go on from, and how to save."""
    saving = SaveOptions(every_updates=args.save_interval, every_minutes=10.0, upload=not args.no_artifact)
    if found is None:
        return None, saving
    folder = found.fetch_checkpoint()
    if folder is None:
        console.print(f"run {found.name} has no checkpoint: it starts again at its first update")
        return None, saving
    header = read_header(folder)
    differs = {
        key: (header["platform"].get(key), value)
        for key, value in platform_facts().items()
        if header["platform"].get(key) != value
    }
    if differs:
        told = ", ".join(f"{key}: {then} then, {now} now" for key, (then, now) in differs.items())
        console.print(f"this platform is not the run's ({told}): equal up to rounding, not to the bit")
    console.print(f"going on from update {header['update']}", highlight=False)
    saving = dataclasses.replace(saving, best_return=header.get("best_return"))
    return load_checkpoint(folder, config, env), saving


def _commit() -> str | None:
    """The commit of this checkout; none where there is no git, or no checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _tell_end(console: Console, tracker: Tracker, report: FinishReport) -> None:
    run = tracker.run
    console.print(f"{report.status}: {report.rows} rows up to update {report.last_step}", highlight=False)
    if run.folder is None:
        return
    columns = read_run(run.folder).columns(["train/env_steps", "train/mean_episode_return"])
    points = [
        (steps, mean)
        for steps, mean in zip(columns["train/env_steps"], columns["train/mean_episode_return"], strict=True)
        if steps is not None and mean is not None
    ]
    if len(points) > 1:
        draw_curve(console, [steps for steps, _ in points], [mean for _, mean in points])
    console.print(f"rows:       {run.folder / 'metrics.jsonl'}", highlight=False, soft_wrap=True)
    if "tensorboard" in report.backends:
        console.print(
            f"curves:     tensorboard --logdir {run.folder.parent}", highlight=False, soft_wrap=True
        )
    if run.url is not None:
        console.print(f"curves:     {run.url}", highlight=False, soft_wrap=True)
    console.print(f"to go on:   --resume-run {run.name}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
