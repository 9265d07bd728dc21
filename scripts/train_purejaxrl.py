"""Train PPO with a tracker; see ``--help``."""

import argparse
import dataclasses
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
from agents import find_group, group_of, name_of_seed, open_group
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
    Saved,
    SaveOptions,
    TrainConfig,
    choose_layout,
    make_environment,
    platform_differences,
    platform_facts,
    read_checkpoint,
    restore,
    shards_for,
    stack_agents,
    train,
)
from hackmatrix.purejaxrl.processes import (
    LeadError,
    lost_process,
    on_tpu_slice,
    share,
    share_bytes,
    start_processes,
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
from hackmatrix.tracking.protocol import Resume, Status
from hackmatrix.tracking.provenance import Provenance
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root
from hackmatrix.tracking.system_metrics import SYSTEM_TAGS, SystemMetrics, require_psutil

FINISHED, FAILED, USAGE, LOST, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
MANY_RUNS = 16  # of one process at wandb; each has a client of its own
DEFAULT_ENTITY = "charles-team"
RUN_PREFIX = "hackmatrix-jax"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    args = parse_arguments(argv)
    _connect(args)
    leads = _leads()
    console = Console(quiet=not leads)
    for name in ("hackmatrix.tracking", "hackmatrix.purejaxrl"):
        logger = logging.getLogger(name)
        logger.addHandler(ConsoleHandler(console if leads else Console(stderr=True)))
        logger.setLevel(logging.INFO if leads else logging.WARNING)
    try:
        return _benchmark(args, console) if args.benchmark else _run(args, console)
    except LeadError:
        return FAILED  # the first process says why
    except (ConfigError, CheckpointError, TrackingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return FAILED if isinstance(problem, BackendUnreachableError | RunInUseError) else USAGE


def _connect(args: argparse.Namespace) -> None:
    """Join the other processes, before anything touches a device."""
    if args.distributed:
        start_processes(args.coordinator, args.num_processes, args.process_id)
    elif args.distributed is None and on_tpu_slice():
        try:
            start_processes()
        except (RuntimeError, ValueError) as problem:
            print(f"this host trains alone: {problem}", file=sys.stderr)


def _leads() -> bool:
    """Whether this process tracks and talks; asks no device where there is but one process."""
    import jax  # noqa: PLC0415 - after the processes were connected

    return not jax.distributed.is_initialized() or jax.process_index() == 0


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
    if args.system_metrics is not None:
        require_psutil()
    source: FoundRun | None = None
    found: list[FoundRun | None] = []
    saved: list[Saved] = []

    def plan() -> dict[str, Any]:
        nonlocal source, found
        source = _source_of_fork(args, setup)
        found = _find_all(args, setup, source)
        first = found[0]
        config = _config(args, first or source, forked=first is None)
        make_environment(config.env)
        choose_layout(config, args.num_devices, num_seeds=args.num_seeds)
        done = all(run is not None and _is_done(run, config) for run in found)
        for run in found if not done else ():
            goes_on = run if run is not None else source
            one = None if goes_on is None else _read(goes_on, console)
            if one is not None:
                saved.append(one)
        headers = [one.header for one in saved]
        return {"config": dataclasses.asdict(config), "headers": headers, "done": done}

    told = share(plan)
    config = TrainConfig(**told["config"])
    if told["done"]:
        return max((_deliver_owed(run, setup, console) for run in found if run is not None), default=FINISHED)
    env = make_environment(config.env)
    layout = choose_layout(
        config, args.num_devices, num_seeds=args.num_seeds, seed_batching=args.seed_batching
    )
    start, saving = _start(args, config, env, told["headers"], [one.content for one in saved])
    stop = Stop()
    trackers: list[Tracker] = []

    def opened() -> dict[str, Any]:
        trackers.extend(_open_all(args, setup, config, found, source))
        return {"names": [tracker.run.name for tracker in trackers]}

    names = share(opened)["names"]
    if not trackers:
        trackers = [open_tracker("null", name=name, process_index=0) for name in names]
    return _train(config, env, layout, trackers, start, saving, stop, console, _beside(args, trackers))


def _beside(args: argparse.Namespace, trackers: Sequence[Tracker]) -> ExitStack:
    """What runs beside the loop."""
    beside = ExitStack()
    if _leads():
        for tracker in trackers:
            beside.enter_context(Provenance(tracker, Path(__file__), upload=not args.no_artifact))
        if args.system_metrics is not None:
            beside.enter_context(SystemMetrics(trackers[0], args.system_metrics))
    return beside


def _start(
    args: argparse.Namespace,
    config: TrainConfig,
    env: Environment,
    headers: Sequence[dict[str, Any]],
    contents: Sequence[bytes],
) -> tuple[Runner | None, list[SaveOptions]]:
    """The state to go on from, and for each seed how to save. The first process has what the others need."""
    shared = [share_bytes(contents[number] if contents else b"") for number in range(len(headers))]
    agents = [
        restore(Saved(header, content), dataclasses.replace(config, seed=config.seed + number), env)
        for number, (header, content) in enumerate(zip(headers, shared, strict=True))
    ]
    bests = [header.get("best_return") for header in headers] or [None] * args.num_seeds
    saving = [
        SaveOptions(
            every_updates=args.save_interval,
            every_minutes=args.save_interval_minutes,
            keep=args.keep,
            upload=not args.no_artifact,
            best_return=best,
        )
        for best in bests
    ]
    if not agents:
        return None, saving
    return agents[0] if args.num_seeds == 1 else stack_agents(agents), saving


def _open_all(
    args: argparse.Namespace,
    setup: Setup,
    config: TrainConfig,
    found: Sequence[FoundRun | None],
    source: FoundRun | None,
) -> list[Tracker]:
    """A tracker for each seed; nothing is left open if one fails."""
    seeds = range(config.seed, config.seed + len(found))
    trackers: list[Tracker] = []

    def open_one(
        seed: int, run: FoundRun | None, name: str | None, group: str | None, resume: Resume = "allow"
    ) -> None:
        automatic = run is None and name is None
        tracker = open_tracker(
            setup.trackers,
            project=args.project,
            entity=setup.entity,
            name=name if run is None else None,
            prefix=RUN_PREFIX if automatic else None,
            suffix=args.run_suffix if automatic else None,
            config=_described(dataclasses.replace(config, seed=seed), source, len(found)),
            attempt={**platform_facts(), "hackmatrix": __version__, "commit": _commit()},
            group=args.group or group or (_group_of(source) if source is not None else None),
            tags=args.tags.split(",") if args.tags else None,
            notes=args.notes,
            root=setup.root,
            resume=resume if run is None else run,
            may_change=() if config.anneal_lr else ("total_timesteps",),
            volatile=(*VOLATILE_TAGS, *SYSTEM_TAGS),
            options=setup.options,
        )
        trackers.append(tracker)

    try:
        if len(seeds) == 1:
            open_one(seeds[0], found[0], args.run_name, None)
            return trackers
        if len(seeds) > MANY_RUNS and "wandb" in setup.trackers:
            logging.getLogger("hackmatrix.tracking").warning(
                "%d runs at wandb have as many clients in this process; a group in jsonl can be replayed later",
                len(seeds),
            )
        known = next((group_of(run.name, seed) for seed, run in zip(seeds, found, strict=True) if run), None)
        group = known or args.run_name
        if group is None:
            group = open_group(
                RUN_PREFIX, args.run_suffix, run_root(setup.root), seeds[0],
                lambda name, group: open_one(seeds[0], None, name, group, "never"),
            )  # fmt: skip
        for seed, run in list(zip(seeds, found, strict=True))[len(trackers) :]:
            open_one(seed, run, name_of_seed(group, seed), group)
    except BaseException:
        for tracker in trackers:
            tracker.finish("failed", timeout=5.0)
        raise
    return trackers


def _train(
    config: TrainConfig,
    env: Environment,
    layout: Layout,
    trackers: Sequence[Tracker],
    start: Runner | None,
    saving: Sequence[SaveOptions],
    stop: Stop,
    console: Console,
    beside: ExitStack,
) -> int:
    _tell_begin(console, trackers)
    status: Status = "failed"
    lost: str | None = None
    first = 0 if start is None else int(np.max(np.asarray(start.update)))
    try:
        with Display(console, config.num_updates, first) as display:
            result = train(
                config,
                trackers,
                env=env,
                start=start,
                layout=layout,
                stop=stop.asked,
                on_compiled=display.compiled,
                on_chunk=display.chunk,
                saving=saving,
            )
        status = "finished" if result.finished else stop.status()
        for tracker, row in zip(trackers, result.rows, strict=False):
            tracker.log_summary(row)
    except Exception as problem:
        lost = lost_process(problem)
        raise
    finally:
        beside.close()  # what runs beside the loop ends before the run does
        reports = _finish_all(trackers, status)
        if status == "failed" and _is_one_of_several():
            _leave(lost)
    _tell_ends(console, trackers, reports)
    if result.save_problem is not None:
        console.print(f"the last checkpoint is missing: {result.save_problem}", style="red")
        return FAILED
    return FINISHED if result.finished else stop.exit_code()


def _leave(lost: str | None) -> None:
    """End at once: an ordinary end would wait for those that are gone, or let them wait for this one."""
    if lost is None:
        traceback.print_exc()
    else:
        print(f"error: {lost}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(FAILED if lost is None else LOST)


def _tell_begin(console: Console, trackers: Sequence[Tracker]) -> None:
    for run in (tracker.run for tracker in trackers):
        console.print(
            f"run {run.name}" + (f", attempt {run.attempt}" if run.resumed else ""), highlight=False
        )
        for place in filter(None, (run.folder, run.url)):
            console.print(f"  {place}", highlight=False, soft_wrap=True)


def _tell_ends(console: Console, trackers: Sequence[Tracker], reports: Sequence[FinishReport]) -> None:
    for tracker, report in zip(trackers, reports, strict=True):
        if len(trackers) == 1:
            _tell_end(console, tracker, report)
        else:
            console.print(
                f"{tracker.run.name}: {report.status}, {report.rows} rows up to update {report.last_step}",
                highlight=False,
                soft_wrap=True,
            )
    if len(trackers) > 1 and trackers[0].run.folder is not None:
        names = " ".join(tracker.run.name for tracker in trackers)
        console.print(f"together:   hackmatrix-runs plot {names}", highlight=False, soft_wrap=True)


def _finish_all(trackers: Sequence[Tracker], status: Status) -> list[FinishReport]:
    """End all runs, at once where there are several: each may wait for its backends."""
    if len(trackers) == 1:
        return [trackers[0].finish(status)]
    with ThreadPoolExecutor(min(len(trackers), MANY_RUNS)) as pool:
        return list(pool.map(lambda tracker: tracker.finish(status), trackers))


def _is_one_of_several() -> bool:
    import jax  # noqa: PLC0415 - as above

    return jax.distributed.is_initialized() and jax.process_count() > 1


def _find_all(args: argparse.Namespace, setup: Setup, source: FoundRun | None) -> list[FoundRun | None]:
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
    found = find_group(wanted, seeds, lambda name: _look_for(args, setup, name))
    if args.resume_run not in (None, "auto") and found[0] is None:
        raise RunNotFoundError(
            f"no run {name_of_seed(wanted, seeds[0])!r} in {str(run_root(setup.root))!r} or at "
            f"{setup.trackers}; begin the group with --run-name {wanted}"
        )
    return found


def _find(args: argparse.Namespace, setup: Setup, source: FoundRun | None) -> FoundRun | None:
    """The run that the command line goes on with; none begins a new one."""
    wanted = args.run_name or args.resume_run
    if wanted is None:
        return None
    auto = args.resume_run == "auto"
    try:
        found = _look_for_config(args, setup, source) if auto else _look_for(args, setup, wanted)
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


def _look_for_config(args: argparse.Namespace, setup: Setup, source: FoundRun | None) -> FoundRun | None:
    """The newest run of the command line's config; where it names no shards, with as many as it began with."""
    config = _config(args, source, forked=True)
    counts = [config.num_shards]
    if "num_shards" not in args.given:
        counts += [2**power for power in range(7) if 2**power != config.num_shards]
    for count in counts:
        try:
            other = dataclasses.replace(config, num_shards=count)
        except ConfigError:
            continue
        found = _look_for(args, setup, None, _described(other, source, args.num_seeds))
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


def _described(config: TrainConfig, source: FoundRun | None, num_seeds: int = 1) -> dict[str, Any]:
    """The run's config for ever: its numbers, where they began, and how many runs its group has."""
    described = dataclasses.asdict(config)
    if num_seeds > 1:
        described["num_seeds"] = num_seeds
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


def _read(found: FoundRun, console: Console) -> Saved | None:
    """The checkpoint to go on from."""
    folder = found.fetch_checkpoint(-1 if found.step is None else found.step)
    if folder is None:
        console.print(
            f"run {found.name} has no checkpoint: it starts again at its first update", highlight=False
        )
        return None
    saved = read_checkpoint(folder)
    differs = platform_differences(saved.header["platform"], platform_facts())
    if differs:
        told = ", ".join(f"{key}: {then} then, {now} now" for key, (then, now) in differs.items())
        console.print(f"this platform is not the run's ({told}): equal up to rounding, not to the bit")
    console.print(
        f"going on from update {saved.header['update']} of {found.name}", highlight=False, soft_wrap=True
    )
    return saved


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
