"""The loop between chunks: it knows all and does little."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from hackmatrix.purejaxrl import memory
from hackmatrix.purejaxrl.catalogue import make_environment
from hackmatrix.purejaxrl.chunk import Chunk, chunk_length, make_train_chunk
from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.layout import Layout, Vote, choose_layout, copier, place
from hackmatrix.purejaxrl.metrics import Column, mean_return, probability_counts, summarise, with_progress
from hackmatrix.purejaxrl.rollout import PROBABILITY_BINS
from hackmatrix.purejaxrl.runner import Runner, init_runner
from hackmatrix.purejaxrl.saving import SaveOptions, Saver
from hackmatrix.tracking import Tracker

__all__ = ["ChunkReport", "TrainResult", "make_train_chunk", "train"]

logger = logging.getLogger("hackmatrix.purejaxrl")

_PROBABILITY_EDGES = np.linspace(0.0, 1.0, PROBABILITY_BINS + 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChunkReport:
    """A chunk that is finished and logged, for a progress bar or an evaluation at its step."""

    update: int  # finished updates
    num_updates: int  # of the whole run
    env_steps: int  # finished, over all environments
    rows: tuple[dict[str, float | int], ...]  # the last logged row of each agent, tag -> number
    seconds: float  # from when the figures before were ready until these were

    @property
    def row(self) -> dict[str, float | int]:
        """The last logged row of the first agent."""
        return self.rows[0]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How training ended."""

    runner: Runner
    update: int
    env_steps: int  # of each agent
    rows: tuple[
        dict[str, float | int], ...
    ]  # the last logged row of each agent; none: nothing was left to do
    finished: bool  # every update of the config is done
    stopped_by: int  # what ``stop`` said, in this process or another; 0: it never said a thing
    save_problem: str | None  # why the final checkpoint is missing; None: it is there, or none was wanted

    @property
    def row(self) -> dict[str, float | int] | None:
        """The last logged row of the first agent; None: nothing was left to do."""
        return self.rows[0] if self.rows else None


class _Flight(NamedTuple):
    """A chunk that was dispatched and not logged."""

    first: int  # updates finished before it
    length: int  # updates
    packed: jax.Array  # (log_interval, column) float32, or of each seed, perhaps still being computed


def train(
    config: TrainConfig,
    trackers: Sequence[Tracker],
    *,
    env: Environment | None = None,
    start: Runner | None = None,
    layout: Layout | None = None,
    stop: Callable[[], int] = lambda: 0,
    on_compiled: Callable[[float], None] = lambda _: None,
    on_chunk: Callable[[ChunkReport], None] = lambda _: None,
    saving: SaveOptions | Sequence[SaveOptions] | None = None,
    chunk: Chunk | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainResult:
    """Train, log each row once, save checkpoints. Neither opens nor finishes a tracker.

    Runs one chunk ahead: the next is dispatched, then the figures of the one before are fetched and logged
    while the device works.

    Args:
        config: the run's.
        trackers: one for each agent of the layout, whose seeds are ``config.seed``, ``config.seed + 1``, ...
        env: the config's own where none is given.
        start: the state to go on from, used up by training; None: from the seed.
        layout: the devices to train on, and the number of agents; None: all devices that divide the shards, one
            agent for each tracker.
        stop: asked before and after each chunk; what is true, e.g. the number of a signal, ends training after what
            was dispatched, of which the first is saved at once. Of several processes each ends when one was told to.
        on_compiled: called once with the seconds that tracing and compiling took.
        on_chunk: called after each chunk's rows are logged, before its checkpoint is handed over.
        saving: when to save, or that for each agent; a final checkpoint is always made, unless the tracker keeps
            no files.
        chunk: a program made before by :func:`make_train_chunk` from an equal config and layout.
        clock: seconds, rising.

    Raises:
        ValueError: there is not exactly one tracker for each agent.
    """
    if layout is None:
        layout = choose_layout(config, num_seeds=max(1, len(trackers)))
    if len(trackers) != layout.num_seeds:
        raise ValueError(f"one tracker for each of {layout.num_seeds} agents is needed; got {len(trackers)}")
    env = make_environment(config.env) if env is None else env
    compiles = chunk is None
    chunk = make_train_chunk(config, env, layout) if chunk is None else chunk
    runner = place(init_runner(config, env, layout.num_seeds) if start is None else start, layout)
    finished = int(np.max(np.asarray(runner.update)))
    savers = _Savers(config, trackers, layout, saving, started_at=finished)
    log = _ChunkLog(config, env, trackers, on_chunk=on_chunk, clock=clock)
    told = _Stop(stop, layout)
    flight = None
    try:
        while finished < config.num_updates and not told():
            due, copy = savers.is_due(finished), savers.copy(runner) if flight else None
            length = chunk_length(config, finished)
            told.ask()
            asked = clock()
            runner, packed = chunk(runner, length)
            if flight is None:
                log.ready_at = clock()
                if compiles:
                    memory.give_back()
                on_compiled(log.ready_at - asked)
            else:
                log.land(flight)
                told.hear()
                if copy is not None and (due or told()):
                    savers.hand_over(copy, flight.first + flight.length, log.mean_returns)
            flight = _Flight(finished, length, packed)
            finished += length
        if flight is not None:
            log.land(flight)
        savers.hand_over_last(runner, finished, log.mean_returns)
    finally:
        savers.close()
    return TrainResult(
        runner=runner,
        update=finished,
        env_steps=finished * config.batch_size,
        rows=log.rows,
        finished=finished >= config.num_updates,
        stopped_by=told.heard,
        save_problem=savers.problem,
    )


class _Stop:
    """Whether to stop, and why; of several processes, what all of them have heard."""

    def __init__(self, stop: Callable[[], int], layout: Layout) -> None:
        self._stop, self.heard = stop, 0
        self._vote = Vote(layout) if jax.process_count() > 1 else None

    def ask(self) -> None:
        if self._vote is not None:
            self._vote.ask(self._stop())

    def hear(self) -> None:
        if self._vote is not None:
            self.heard = self.heard or self._vote.hear()

    def __call__(self) -> int:
        if self._vote is None:
            self.heard = self.heard or self._stop()
        return self.heard


class _Savers:
    """The savers of all agents, which save together: a run of several goes on from one step."""

    def __init__(
        self,
        config: TrainConfig,
        trackers: Sequence[Tracker],
        layout: Layout,
        saving: SaveOptions | Sequence[SaveOptions] | None,
        *,
        started_at: int,
    ) -> None:
        one = saving if isinstance(saving, SaveOptions) else SaveOptions()
        each = list(saving) if isinstance(saving, Sequence) else [one] * len(trackers)
        self._savers = [
            Saver(
                dataclasses.replace(config, seed=config.seed + number),
                tracker,
                _said(config, options, first=number == 0),
                started_at=started_at,
                agent=number if layout.num_seeds > 1 else None,
            )
            for number, (tracker, options) in enumerate(zip(trackers, each, strict=True))
        ]
        self._copier = copier(layout)
        # Of several processes one writes, and all of them have to take part in the copy.
        self._copies = jax.process_count() > 1 or any(saver.keeps for saver in self._savers)

    @property
    def problem(self) -> str | None:
        return next((saver.problem for saver in self._savers if saver.problem is not None), None)

    def is_due(self, update: int) -> bool:
        return self._savers[0].is_due(update)

    def copy(self, runner: Runner) -> dict[str, jax.Array] | None:
        """Begin an on-device copy of the state; None where nothing is ever saved.

        Made after every chunk, though few are written: a state that was not copied is gone once the next
        chunk has it, and a machine that is told to stop should not have to wait for that chunk.
        """
        return self._copier(runner) if self._copies else None

    def hand_over(
        self, state: dict[str, jax.Array], update: int, mean_returns: Sequence[float | None]
    ) -> None:
        for saver, reached in zip(self._savers, mean_returns, strict=True):
            if saver.keeps:
                saver.hand_over(state, update, reached)

    def hand_over_last(self, runner: Runner, update: int, mean_returns: Sequence[float | None]) -> None:
        state = self.copy(runner)
        if state is not None:
            for saver, reached in zip(self._savers, mean_returns, strict=True):
                saver.hand_over_last(state, update, reached)
        for saver in self._savers:
            saver.finish(update)

    def close(self) -> None:
        for saver in self._savers:
            saver.close()


class _ChunkLog:
    """Fetches the figures of finished chunks and passes them on."""

    def __init__(
        self,
        config: TrainConfig,
        env: Environment,
        trackers: Sequence[Tracker],
        *,
        on_chunk: Callable[[ChunkReport], None],
        clock: Callable[[], float],
    ) -> None:
        self.rows: tuple[dict[str, float | int], ...] = ()
        self.mean_returns: list[float | None] = [None] * len(trackers)  # of the newest chunk's episodes
        self.ready_at = 0.0  # when the figures before were ready
        self._config, self._env, self._trackers = config, env, trackers
        self._on_chunk, self._clock = on_chunk, clock

    def land(self, flight: _Flight) -> None:
        """Wait for the chunk, log its rows, report it."""
        packed = np.asarray(flight.packed)  # one transfer; waits for this chunk alone
        now = self._clock()
        seconds, self.ready_at = now - self.ready_at, now
        update = flight.first + flight.length
        rows = []
        for number, tracker in enumerate(self._trackers):
            own = (packed[number] if packed.ndim == 3 else packed)[: flight.length]
            columns = summarise(self._config, self._env, own)
            columns = with_progress(self._config, columns, flight.first, flight.length, seconds)
            log_rows(tracker, columns)
            counts = probability_counts(self._env, own)
            tracker.log_histogram("train/action_probability", counts, step=update, edges=_PROBABILITY_EDGES)
            rows.append(row_of(columns, -1))
            self.mean_returns[number] = mean_return(self._env, own)
        self.rows = tuple(rows)
        self._on_chunk(
            ChunkReport(
                update=update,
                num_updates=self._config.num_updates,
                env_steps=update * self._config.batch_size,
                rows=self.rows,
                seconds=seconds,
            )
        )


def log_rows(tracker: Tracker, columns: dict[str, Column]) -> None:
    """Log the rows of a chunk: one by ``log``, several as one packed array by ``log_series``."""
    steps = columns["train/update_step"].values
    if len(steps) == 1:
        tracker.log(row_of(columns, 0), step=int(steps[0]))
        return
    tracker.log_series(
        np.stack([column.values for column in columns.values()], axis=1),
        steps=[int(step) for step in steps],
        present={tag: column.present.tolist() for tag, column in columns.items() if not column.present.all()},
        tags=list(columns),
    )


def row_of(columns: dict[str, Column], index: int) -> dict[str, float | int]:
    """Return one row as plain numbers; counts as whole ones, what is absent left out."""
    return {
        tag: int(column.values[index]) if column.whole else float(column.values[index])
        for tag, column in columns.items()
        if column.present[index]
    }


def _said(config: TrainConfig, options: SaveOptions, *, first: bool) -> SaveOptions:
    """Return the options; say once where the interval is rounded up."""
    every = options.every_updates
    if first and every is not None and every % config.log_interval:
        logger.info(
            "every %d updates is saved at the end of the chunk of %d updates", every, config.log_interval
        )
    return options
