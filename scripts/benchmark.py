"""``--benchmark``: what a tracker costs on this machine, with this config."""

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark_report import Conditions, CostOf, print_report, write_json
from blocks import Blocks, block_length
from machine import machine_facts, usable_cores
from overhead import FEWEST_PAIRS, Verdict, chunks_to_decide, judge, measure_overhead
from processor_time import TrackerTime, busy_seconds
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from slowed import SLOWED, Slowed

from hackmatrix.purejaxrl import (
    ChunkReport,
    Environment,
    Runner,
    TrainConfig,
    make_train_chunk,
    train,
)
from hackmatrix.tracking import FinishReport, Tracker, open_tracker, tracker_names

BUDGET_S = 300.0
DEFAULT_LIMIT = 0.01
_WARM_CHUNKS, _RHYTHM_CHUNKS = 2, 4
_ENDLESS = 10_000_000  # updates
_SEVERITY = (Verdict.UNDER, Verdict.UNDECIDED, Verdict.OVER)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What the flags ask for.

    Attributes:
        trackers: names, each measured by itself.
        options: tracker -> option -> value.
        limit: the largest share that passes.
        chunks: to measure under each tracker; None: as many as the budget allows.
        self_test: measure ``null`` and a tracker that is slow on purpose, too.
        output: where the figures go as JSON.
    """

    trackers: Sequence[str]
    options: Mapping[str, Mapping[str, Any]]
    limit: float = DEFAULT_LIMIT
    chunks: int | None = None
    self_test: bool = False
    output: Path | None = None
    budget_s: float = BUDGET_S


def installed_trackers() -> tuple[str, ...]:
    """What is compared where no tracker was asked for."""
    wanted = {"jsonl": (), "tensorboard": ("tensorboardX", "crc32c"), "wandb": ("wandb",)}
    return tuple(name for name, packages in wanted.items() if all(map(_is_installed, packages)))


def _is_installed(package: str) -> bool:
    found = find_spec(package)
    return found is not None and found.origin is not None


def plan_of(trackers: str | None, options: Mapping[str, Mapping[str, Any]], **asked: Any) -> Plan:
    """The plan of a command line; wandb is offline unless its environment or an option says otherwise."""
    names = installed_trackers() if trackers is None else tracker_names(trackers)
    chosen = {name: dict(each) for name, each in options.items()}
    if "wandb" in names and not os.environ.get("WANDB_MODE"):
        chosen.setdefault("wandb", {}).setdefault("mode", "offline")
    return Plan(trackers=names, options=chosen, **asked)


def run_benchmark(plan: Plan, config: TrainConfig, env: Environment, console: Console) -> int:
    """Measure, print, write; the exit code."""
    config = dataclasses.replace(config, total_timesteps=config.batch_size * _ENDLESS)
    with tempfile.TemporaryDirectory(prefix="hackmatrix-benchmark-") as folder, _bar(console) as bar:
        loop = _Loop(plan, config, env, bar)
        conditions = loop.warm_up()
        costs = [loop.measure(name, Path(folder)) for name in plan.trackers]
        if plan.self_test:
            costs += [loop.measure(name, Path(folder)) for name in ("null", SLOWED)]
    print_report(console, plan.limit, conditions, costs)
    if plan.output is not None:
        write_json(plan.output, plan.limit, conditions, costs)
    if plan.self_test:
        return _self_test(costs, console)
    return max((cost.verdict for cost in costs), key=_SEVERITY.index)


def _self_test(costs: Sequence[CostOf], console: Console) -> int:
    """Whether the instrument sees what is there, and nothing where nothing is."""
    null, slow = costs[-2], costs[-1]
    passed = slow.verdict is Verdict.OVER and null.verdict is not Verdict.OVER
    console.print(
        f"self-test {'passed' if passed else 'failed'}: null was called {null.verdict.name.lower()}, the slow "
        f"tracker {slow.verdict.name.lower()}",
        highlight=False,
    )
    return 0 if passed else 1


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not (console.is_terminal or console.is_jupyter),
    )


class _Loop:
    """The one compiled program that every tracker is measured with."""

    def __init__(self, plan: Plan, config: TrainConfig, env: Environment, bar: Progress) -> None:
        self._plan, self._config, self._env, self._bar = plan, config, env, bar
        self._program = make_train_chunk(config, env)
        self._runner: Runner | None = None
        count = len(plan.trackers) + 2 * plan.self_test
        self._budget_s = plan.budget_s / max(1, count)

    def warm_up(self) -> Conditions:
        """Compile, begin the device's threads, and find the rhythm of chunks."""
        task = self._bar.add_task("compiling", total=None, figures="")
        compiled: list[float] = []
        seconds: list[float] = []
        began, busy, own = time.perf_counter(), 0.0, 0.0

        def chunk(report: ChunkReport) -> None:
            nonlocal began, busy, own
            if len(seconds) < _WARM_CHUNKS:
                began, busy, own = time.perf_counter(), busy_seconds() or 0.0, time.process_time()
            seconds.append(report.seconds)

        with open_tracker("null") as tracker:
            self._train(
                tracker,
                stop=lambda: len(seconds) >= _WARM_CHUNKS + _RHYTHM_CHUNKS,
                on_chunk=chunk,
                on_compiled=compiled.append,
            )
        wall = time.perf_counter() - began
        others = (busy_seconds() or 0.0) - busy - (time.process_time() - own)
        self._bar.remove_task(task)
        rhythm = sorted(seconds[_WARM_CHUNKS:])
        self._chunk_s = rhythm[len(rhythm) // 2]
        self._length = block_length(self._chunk_s, self._plan.chunks, self._budget_s)
        return Conditions(
            machine=machine_facts(),
            config=dataclasses.asdict(self._config),
            compile_s=compiled[0],
            chunk_s=self._chunk_s,
            rows_per_chunk=self._config.log_interval if self._config.log_every == "update" else 1,
            block_chunks=self._length,
            cores_used_by_others=max(0.0, others / wall) if busy else None,
            cores=usable_cores(),
            background_known=TrackerTime().is_known,
        )

    def measure(self, name: str, folder: Path) -> CostOf:
        """One tracker against ``null``."""
        bound = None if self._plan.chunks is None else -(-self._plan.chunks // self._length)
        deadline = time.monotonic() + self._budget_s
        total = float(bound) if bound is not None else self._budget_s
        task = self._bar.add_task(name, total=total, figures="")

        def until(pairs: int) -> bool:
            left = deadline - time.monotonic()
            self._bar.update(
                task,
                completed=pairs if bound is not None else self._budget_s - max(0.0, left),
                figures=f"{pairs * self._length} chunks",
            )
            # Another pair is begun only if it ends in time.
            return pairs >= bound if bound is not None else left < 2 * self._length * self._chunk_s

        background = TrackerTime()
        began = time.perf_counter()
        tracker = self._open(name, folder)
        open_s = time.perf_counter() - began
        background.opened()
        try:
            blocks = Blocks(
                tracker, open_tracker("null"), background, length=self._length, until=until, seed=len(name)
            )
            self._train(blocks.switched, stop=blocks.enough, on_chunk=blocks.chunk)
            blocks.end()
        finally:
            began = time.perf_counter()
            report = tracker.finish()
            finish_s = time.perf_counter() - began
        self._bar.remove_task(task)
        return self._cost(name, blocks, report, open_s=open_s, finish_s=finish_s)

    def _cost(
        self, name: str, blocks: Blocks, report: FinishReport, *, open_s: float, finish_s: float
    ) -> CostOf:
        found = measure_overhead(blocks.pairs) if len(blocks.pairs) > 1 else None
        problem = _problem(report)
        verdict = Verdict.UNDECIDED if found is None else judge(found, self._plan.limit)
        wanted = None
        if verdict is Verdict.UNDECIDED:
            wanted = (
                FEWEST_PAIRS * self._length if found is None else chunks_to_decide(found, self._plan.limit)
            )
        return CostOf(
            tracker=name,
            verdict=Verdict.OVER if problem else verdict,
            overhead=found,
            chunks_to_decide=wanted,
            tracker_calls=blocks.tracker_calls,
            null_calls=blocks.null_calls,
            open_s=open_s,
            finish_s=finish_s,
            problem=problem,
            pairs=tuple(blocks.pairs),
        )

    def _open(self, name: str, folder: Path) -> Tracker:
        if name == SLOWED:
            return Slowed(open_tracker("jsonl", name=SLOWED, root=folder), self._chunk_s)
        options = {key: self._plan.options[key] for key in (name, "jsonl") if key in self._plan.options}
        if name == "null":
            return open_tracker("null")
        return open_tracker(
            name,
            project="hackmatrix-benchmark",
            prefix=f"benchmark-{name}",
            config=dataclasses.asdict(self._config),
            root=folder,
            options=options,
        )

    def _train(
        self,
        tracker: Tracker,
        *,
        stop: Callable[[], bool],
        on_chunk: Callable[[ChunkReport], None],
        on_compiled: Callable[[float], None] = lambda _: None,
    ) -> None:
        result = train(
            self._config,
            [tracker],
            env=self._env,
            start=self._runner,
            chunk=self._program,
            stop=stop,
            on_chunk=on_chunk,
            on_compiled=on_compiled,
        )
        self._runner = result.runner


def _problem(report: FinishReport) -> str | None:
    """Why what was measured is not tracking: rows did not arrive."""
    told = [f"{name}: {each.problem}" for name, each in report.backends.items() if each.problem]
    if report.dropped_rows:
        told.append(f"{report.dropped_rows} rows were dropped")
    return "; ".join(told) or None
