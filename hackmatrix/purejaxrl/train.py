"""The loop between chunks: it knows all and does little."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from hackmatrix.purejaxrl.catalogue import make_environment
from hackmatrix.purejaxrl.chunk import Chunk, chunk_length, make_train_chunk
from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.layout import Layout, choose_layout, place
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
    row: dict[str, float | int]  # the last logged row, tag -> number
    seconds: float  # from when the figures before were ready until these were


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How training ended."""

    runner: Runner
    update: int
    env_steps: int
    row: dict[str, float | int] | None  # the last logged row; None: nothing was left to do
    finished: bool  # every update of the config is done
    save_problem: str | None  # why the final checkpoint is missing; None: it is there, or none was wanted


class _Flight(NamedTuple):
    """A chunk that was dispatched and not logged."""

    first: int  # updates finished before it
    length: int  # updates
    packed: jax.Array  # (log_interval, column) float32, perhaps still being computed


def train(
    config: TrainConfig,
    trackers: Sequence[Tracker],
    *,
    env: Environment | None = None,
    start: Runner | None = None,
    layout: Layout | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_compiled: Callable[[float], None] = lambda _: None,
    on_chunk: Callable[[ChunkReport], None] = lambda _: None,
    saving: SaveOptions | None = None,
    chunk: Chunk | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> TrainResult:
    """Train, log each row once, save checkpoints. Neither opens nor finishes a tracker.

    Runs one chunk ahead: the next is dispatched, then the figures of the one before are fetched and logged
    while the device works.

    Args:
        config: the run's.
        trackers: one for each agent of the program, which is one.
        env: the config's own where none is given.
        start: the state to go on from, used up by training; None: from the seed.
        layout: the devices to train on; None: all that divide the shards.
        stop: asked before and after each chunk; true ends training after what was dispatched, of which the
            first is saved at once.
        on_compiled: called once with the seconds that tracing and compiling took.
        on_chunk: called after each chunk's rows are logged, before its checkpoint is handed over.
        saving: when to save; a final checkpoint is always made, unless the tracker keeps no files.
        chunk: a program made before by :func:`make_train_chunk` from an equal config and layout.
        clock: seconds, rising.

    Raises:
        ValueError: there is not exactly one tracker.
    """
    if len(trackers) != 1:
        raise ValueError(f"one tracker per agent, and there is one agent; got {len(trackers)}")
    env = make_environment(config.env) if env is None else env
    layout = choose_layout(config) if layout is None else layout
    chunk = make_train_chunk(config, env, layout) if chunk is None else chunk
    runner = place(init_runner(config, env) if start is None else start, layout)
    finished = int(runner.update)
    saver = Saver(config, trackers[0], _said(config, saving), started_at=finished)
    log = _ChunkLog(config, env, trackers, on_chunk=on_chunk, clock=clock)
    flight = None
    try:
        while finished < config.num_updates and not stop():
            due, copy = saver.is_due(finished), saver.copy(runner) if flight else None
            length = chunk_length(config, finished)
            asked = clock()
            runner, packed = chunk(runner, length)
            if flight is None:
                log.ready_at = clock()
                on_compiled(log.ready_at - asked)
            else:
                log.land(flight)
                if copy is not None and (due or stop()):
                    saver.hand_over(copy, flight.first + flight.length, log.mean_return)
            flight = _Flight(finished, length, packed)
            finished += length
        if flight is not None:
            log.land(flight)
        saver.hand_over_last(runner, finished, log.mean_return)
    finally:
        saver.close()
    return TrainResult(
        runner=runner,
        update=finished,
        env_steps=finished * config.batch_size,
        row=log.row,
        finished=finished >= config.num_updates,
        save_problem=saver.problem,
    )


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
        self.row: dict[str, float | int] | None = None
        self.mean_return: float | None = None  # of the newest chunk's episodes
        self.ready_at = 0.0  # when the figures before were ready
        self._config, self._env, self._trackers = config, env, trackers
        self._on_chunk, self._clock = on_chunk, clock

    def land(self, flight: _Flight) -> None:
        """Wait for the chunk, log its rows, report it."""
        packed = np.asarray(flight.packed)[: flight.length]  # one transfer; waits for this chunk alone
        now = self._clock()
        seconds, self.ready_at = now - self.ready_at, now
        columns = summarise(self._config, self._env, packed)
        columns = with_progress(self._config, columns, flight.first, flight.length, seconds)
        update = flight.first + flight.length
        counts = probability_counts(self._env, packed)
        for tracker in self._trackers:
            log_rows(tracker, columns)
            tracker.log_histogram("train/action_probability", counts, step=update, edges=_PROBABILITY_EDGES)
        self.row, self.mean_return = row_of(columns, -1), mean_return(self._env, packed)
        self._on_chunk(
            ChunkReport(
                update=update,
                num_updates=self._config.num_updates,
                env_steps=update * self._config.batch_size,
                row=self.row,
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


def _said(config: TrainConfig, saving: SaveOptions | None) -> SaveOptions:
    """Return the options to use; say so where the interval is rounded up."""
    options = SaveOptions() if saving is None else saving
    every = options.every_updates
    if every is not None and every % config.log_interval:
        logger.info(
            "every %d updates is saved at the end of the chunk of %d updates", every, config.log_interval
        )
    return options
