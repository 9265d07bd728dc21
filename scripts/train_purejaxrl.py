"""Train PPO with a tracker; see ``--help``."""

import argparse
import dataclasses
import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from arguments import parse_arguments
from choosing import Setup, config_of, find_all, is_done, setup_of, source_of_fork
from compile_cache import use_compile_cache
from ending import LOST_FINISH_S, finish_all, leave
from opening import open_all
from progress import ConsoleHandler, Display
from rich.console import Console
from stopping import FAILED, FINISHED, USAGE, Stop
from telling import tell_begin, tell_ends

from hackmatrix.purejaxrl import (
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
    memory,
    platform_differences,
    platform_facts,
    read_checkpoint,
    restore,
    stack_agents,
    train,
)
from hackmatrix.purejaxrl.processes import (
    LeadError,
    is_one_of_several,
    lost_process,
    on_tpu_slice,
    share,
    share_bytes,
    start_processes,
    watched,
)
from hackmatrix.tracking import (
    BackendUnreachableError,
    FoundRun,
    RunInUseError,
    Tracker,
    TrackingError,
    open_tracker,
    owed,
    replay,
    tracker_names,
)
from hackmatrix.tracking.protocol import Status
from hackmatrix.tracking.provenance import Provenance
from hackmatrix.tracking.system_metrics import SystemMetrics, require_psutil


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    args = parse_arguments(argv)
    memory.keep_little()
    code = _connect(args)
    if code is not None:
        return code
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


def _connect(args: argparse.Namespace) -> int | None:
    """Join the other processes, before anything touches a device; the exit code where that cannot be done."""
    if not args.distributed and (args.distributed is False or not on_tpu_slice()):
        return None
    try:
        start_processes(args.coordinator, args.num_processes, args.process_id)
    except ValueError as problem:  # nobody says who the others are
        if args.distributed:
            print(
                f"error: no cluster says who the other processes are ({problem}); give --coordinator HOST:PORT, "
                "--num-processes N and --process-id I on each",
                file=sys.stderr,
            )
            return USAGE
        print(f"this host trains alone: {problem}", file=sys.stderr)
    except RuntimeError as problem:
        print(
            f"error: the other processes cannot be reached ({problem}); start them, too, and this one again; "
            "--no-distributed trains on this host alone",
            file=sys.stderr,
        )
        return FAILED  # later is fine
    return None


def _leads() -> bool:
    """Whether this process tracks and talks; asks no device where there is but one process."""
    import jax  # noqa: PLC0415 - after the processes were connected

    return not jax.distributed.is_initialized() or jax.process_index() == 0


def _benchmark(args: argparse.Namespace, console: Console) -> int:
    from benchmark import DEFAULT_LIMIT, plan_of, run_benchmark  # noqa: PLC0415 - not needed for training

    if not args.no_compile_cache:
        use_compile_cache()
    plan = plan_of(
        args.tracker if args.tracker_given else None,
        setup_of(args).options,
        limit=DEFAULT_LIMIT if args.max_overhead is None else args.max_overhead,
        chunks=args.benchmark_chunks,
        self_test=args.benchmark_self_test,
        output=None if args.output is None else Path(args.output),
    )
    config = config_of(args, None, forked=True)
    return run_benchmark(plan, config, make_environment(config.env), console)


def _run(args: argparse.Namespace, console: Console) -> int:
    setup = setup_of(args)
    if not args.no_compile_cache:
        use_compile_cache()
    if args.system_metrics is not None:
        require_psutil()
    source: FoundRun | None = None
    found: list[FoundRun | None] = []
    saved: list[Saved] = []

    def plan() -> dict[str, Any]:
        nonlocal source, found
        source = source_of_fork(args, setup)
        found = find_all(args, setup, source)
        first = found[0]
        config = config_of(args, first or source, forked=first is None)
        make_environment(config.env)
        layout = {
            "num_devices": args.num_devices,
            "num_seeds": args.num_seeds,
            "seed_batching": args.seed_batching,
        }
        choose_layout(config, **layout)
        done = all(run is not None and is_done(run, config) for run in found)
        for run in found if not done else ():
            goes_on = run if run is not None else source
            one = None if goes_on is None else _read(args, goes_on, console)
            if one is not None:
                saved.append(one)
        headers = [one.header for one in saved]
        return {"config": dataclasses.asdict(config), "layout": layout, "headers": headers, "done": done}

    told = share(plan)
    config = TrainConfig(**told["config"])
    if told["done"]:
        return max(
            (_deliver_owed(args, run, setup, console) for run in found if run is not None), default=FINISHED
        )
    env = make_environment(config.env)
    layout = choose_layout(config, **told["layout"])
    start, saving = _start(
        args, config, env, layout.num_seeds, told["headers"], [one.content for one in saved]
    )
    trackers: list[Tracker] = []

    def opened() -> dict[str, Any]:
        trackers.extend(open_all(args, setup, config, found, source))
        return {"names": [tracker.run.name for tracker in trackers]}

    with Stop() as stop:
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
    num_seeds: int,
    headers: Sequence[dict[str, Any]],
    contents: Sequence[bytes],
) -> tuple[Runner | None, list[SaveOptions]]:
    """The state to go on from, and for each seed how to save. The first process has what the others need."""
    shared = [share_bytes(contents[number] if contents else b"") for number in range(len(headers))]
    agents = [
        restore(Saved(header, content), dataclasses.replace(config, seed=config.seed + number), env)
        for number, (header, content) in enumerate(zip(headers, shared, strict=True))
    ]
    bests = [header.get("best_return") for header in headers] or [None] * num_seeds
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
    return agents[0] if num_seeds == 1 else stack_agents(agents), saving


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
    tell_begin(console, trackers)
    status: Status = "failed"
    lost: str | None = None
    first = 0 if start is None else int(np.max(np.asarray(start.update)))

    def on_silence(who: str) -> None:  # from another thread: this one waits for a device that waits for them
        try:
            finish_all(trackers, "failed", min(LOST_FINISH_S, stop.finish_timeout()))
        finally:
            leave(who)

    try:
        with Display(console, config.num_updates, first) as display, watched(on_silence):
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
        stop.heard(result.stopped_by)
        status = "finished" if result.finished else stop.status()
        for tracker, row in zip(trackers, result.rows, strict=False):
            tracker.log_summary(row)
    except Exception as problem:
        lost = lost_process(problem)
        raise
    finally:
        beside.close()  # what runs beside the loop ends before the run does
        timeout = stop.finish_timeout()
        reports = finish_all(trackers, status, timeout if lost is None else min(LOST_FINISH_S, timeout))
        if status == "failed" and is_one_of_several():
            leave(lost)
    tell_ends(console, trackers, reports)
    if result.save_problem is not None:
        console.print(f"the last checkpoint is missing: {result.save_problem}", style="red")
        return FAILED
    return FINISHED if result.finished else stop.exit_code()


def _deliver_owed(args: argparse.Namespace, found: FoundRun, setup: Setup, console: Console) -> int:
    """A run that has finished says so, and delivers what it still owes."""
    another = "leave out --resume-run" if args.resume_run is not None else "give another --run-name"
    console.print(f"run {found.name} has finished already; {another} for a second one", highlight=False)
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


def _read(args: argparse.Namespace, found: FoundRun, console: Console) -> Saved | None:
    """The checkpoint to go on from."""
    folder = found.fetch_checkpoint(-1 if found.step is None else found.step)
    if folder is None:
        console.print(
            f"run {found.name} has no checkpoint: it starts again at its first update", highlight=False
        )
        return None
    saved = read_checkpoint(folder)
    differs = platform_differences(saved.header["platform"], platform_facts())
    attempts = (found.identity or {}).get("attempts") or [{}]
    then = attempts[-1].get("seed_batching", args.seed_batching)
    if then != args.seed_batching:
        differs["seed_batching"] = (then, args.seed_batching)
    if differs:
        told = ", ".join(f"{key}: {then} then, {now} now" for key, (then, now) in differs.items())
        console.print(f"this platform is not the run's ({told}): equal up to rounding, not to the bit")
    console.print(
        f"going on from update {saved.header['update']} of {found.name}", highlight=False, soft_wrap=True
    )
    return saved


if __name__ == "__main__":
    sys.exit(main())
