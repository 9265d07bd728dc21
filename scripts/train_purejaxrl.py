"""Train PPO with a tracker; see ``--help``."""

import argparse
import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from arguments import parse_arguments
from compile_cache import use_compile_cache
from progress import ConsoleHandler, Display, draw_curve
from rich.console import Console

from hackmatrix import __version__
from hackmatrix.purejaxrl import (
    VOLATILE_TAGS,
    CheckpointError,
    ConfigError,
    Environment,
    Layout,
    Runner,
    SaveOptions,
    TrainConfig,
    choose_layout,
    load_checkpoint,
    make_environment,
    platform_differences,
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
    owed,
    parse_options,
    read_run,
    replay,
    tracker_names,
)
from hackmatrix.tracking.protocol import Status
from hackmatrix.tracking.provenance import Provenance
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root
from hackmatrix.tracking.system_metrics import SYSTEM_TAGS, SystemMetrics, require_psutil

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
        return _benchmark(args, console) if args.benchmark else _run(args, console)
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


class Setup(NamedTuple):
    """What the flags say about tracking."""

    trackers: str  # comma-separated
    options: dict[str, dict[str, Any]]
    root: Path
    entity: str


def _setup(args: argparse.Namespace) -> Setup:
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


def _benchmark(args: argparse.Namespace, console: Console) -> int:
    from benchmark import DEFAULT_LIMIT, plan_of, run_benchmark  # noqa: PLC0415 - not needed for training

    if not args.no_compile_cache:
        use_compile_cache()
    plan = plan_of(
        args.tracker if args.tracker_given else None,
        _setup(args).options,
        limit=DEFAULT_LIMIT if args.max_overhead is None else args.max_overhead,
        chunks=args.benchmark_chunks,
        self_test=args.benchmark_self_test,
        output=None if args.output is None else Path(args.output),
    )
    config = _config(args, None, forked=True)
    return run_benchmark(plan, config, make_environment(config.env), console)


def _run(args: argparse.Namespace, console: Console) -> int:
    setup = _setup(args)
    if not args.no_compile_cache:
        use_compile_cache()
    source = _source_of_fork(args, setup)
    found = _find(args, setup, source)
    config = _config(args, found or source, forked=found is None)
    env = make_environment(config.env)
    layout = choose_layout(config, args.num_devices)
    if found is not None and _is_done(found, config):
        return _deliver_owed(found, setup, console)
    start, best_return = _load(found or source, config, env, console)
    saving = SaveOptions(
        every_updates=args.save_interval,
        every_minutes=args.save_interval_minutes,
        keep=args.keep,
        upload=not args.no_artifact,
        best_return=best_return,
    )
    if args.system_metrics is not None:
        require_psutil()
    stop = Stop()
    new = found is None
    tracker = open_tracker(
        setup.trackers,
        project=args.project,
        entity=setup.entity,
        name=args.run_name if new else None,
        prefix=RUN_PREFIX if new and args.run_name is None else None,
        suffix=args.run_suffix if new else None,
        config=_described(config, source),
        attempt={**platform_facts(), "hackmatrix": __version__, "commit": _commit()},
        group=args.group or (_group_of(source) if source is not None else None),
        tags=args.tags.split(",") if args.tags else None,
        notes=args.notes,
        root=setup.root,
        resume="allow" if found is None else found,
        may_change=() if config.anneal_lr else ("total_timesteps",),
        volatile=(*VOLATILE_TAGS, *SYSTEM_TAGS),
        options=setup.options,
    )
    beside = ExitStack()
    beside.enter_context(Provenance(tracker, Path(__file__), upload=not args.no_artifact))
    if args.system_metrics is not None:
        beside.enter_context(SystemMetrics(tracker, args.system_metrics))
    return _train(config, env, layout, tracker, start, saving, stop, console, beside)


def _train(
    config: TrainConfig,
    env: Environment,
    layout: Layout,
    tracker: Tracker,
    start: Runner | None,
    saving: SaveOptions,
    stop: Stop,
    console: Console,
    beside: ExitStack,
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
                layout=layout,
                stop=stop.asked,
                on_compiled=display.compiled,
                on_chunk=display.chunk,
                saving=saving,
            )
        status = "finished" if result.finished else stop.status()
        if result.row is not None:
            tracker.log_summary(result.row)
    finally:
        beside.close()  # what runs beside the loop ends before the run does
        report = tracker.finish(status)
    _tell_end(console, tracker, report)
    if result.save_problem is not None:
        console.print(f"the last checkpoint is missing: {result.save_problem}", style="red")
        return FAILED
    return FINISHED if result.finished else stop.exit_code()


def _find(args: argparse.Namespace, setup: Setup, source: FoundRun | None) -> FoundRun | None:
    """The run that the command line goes on with; none begins a new one."""
    wanted = args.run_name or args.resume_run
    if wanted is None:
        return None
    auto = args.resume_run == "auto"
    config = _described(_config(args, source, forked=True), source) if auto else None
    try:
        found = _look_for(args, setup, None if auto else wanted, config)
    except BackendUnreachableError:
        if args.run_name is None:
            raise
        found = None  # a named run begins here, and the backend follows when it can be reached
    if found is None and args.resume_run is not None and not auto:
        raise RunNotFoundError(
            f"no run {wanted!r} in {str(run_root(setup.root))!r} or at {setup.trackers}; see the names there, or "
            f"begin it with --run-name {wanted}"
        )
    return found


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


def _source_of_fork(args: argparse.Namespace, setup: Setup) -> FoundRun | None:
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


def _described(config: TrainConfig, source: FoundRun | None) -> dict[str, Any]:
    """The run's config for ever: its numbers, and where they began."""
    described = dataclasses.asdict(config)
    if source is not None:
        described["forked_from"] = f"{source.name}@{source.step}"
    return described


def _group_of(source: FoundRun) -> str:
    group = (source.identity or {}).get("group")
    return str(group) if group else source.name


def _config(args: argparse.Namespace, known_run: FoundRun | None, *, forked: bool) -> TrainConfig:
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


def _is_done(found: FoundRun, config: TrainConfig) -> bool:
    return found.status == "finished" and found.config.get("total_timesteps") == config.total_timesteps


def _deliver_owed(found: FoundRun, setup: Setup, console: Console) -> int:
    """A run that has finished says so, and delivers what it still owes."""
    console.print(
        f"run {found.name} has finished already; leave out --resume-run for a second one", highlight=False
    )
    in_use = tracker_names(setup.trackers)
    for name in owed(found.identity or {}):
        if name not in in_use:
            continue
        console.print(f"{name} is still owed a part of it: delivering ...", highlight=False)
        options = {key: value for key, value in setup.options.items() if key == name}
        report = replay(found.folder, name, options=options, timeout=600.0)
        console.print(
            f"{name}: {'delivered' if report.complete else report.backends[name].problem}", highlight=False
        )
    return FINISHED


def _load(
    found: FoundRun | None, config: TrainConfig, env: Environment, console: Console
) -> tuple[Runner | None, float | None]:
    """The state to go on from, and the best return before it."""
    if found is None:
        return None, None
    folder = found.fetch_checkpoint(found.step)
    if folder is None:
        console.print(
            f"run {found.name} has no checkpoint: it starts again at its first update", highlight=False
        )
        return None, None
    header = read_header(folder)
    differs = platform_differences(header["platform"], platform_facts())
    if differs:
        told = ", ".join(f"{key}: {then} then, {now} now" for key, (then, now) in differs.items())
        console.print(f"this platform is not the run's ({told}): equal up to rounding, not to the bit")
    console.print(f"going on from update {header['update']} of {found.name}", highlight=False, soft_wrap=True)
    return load_checkpoint(folder, config, env), header.get("best_return")


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
    if points:
        steps, mean = points[-1]
        best = max(mean for _, mean in points)
        console.print(
            f"mean episode return {mean:.1f} at {steps:,.0f} env steps; the best row has {best:.1f}",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"rows:       {run.folder / 'metrics.jsonl'}", highlight=False, soft_wrap=True)
    if "tensorboard" in report.backends:
        console.print(
            f"curves:     tensorboard --logdir {run.folder.parent}", highlight=False, soft_wrap=True
        )
    if run.url is not None:
        console.print(f"curves:     {run.url}", highlight=False, soft_wrap=True)
    if report.status == "finished":
        console.print(
            f"in Python:  hackmatrix.tracking.read_run({str(run.folder)!r}).columns()",
            highlight=False,
            soft_wrap=True,
        )
    else:
        console.print(f"to go on:   --resume-run {run.name}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
