"""When a checkpoint is due, and the one thread that writes it."""

import dataclasses
import logging
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hackmatrix.purejaxrl.checkpoint import make_header, write_checkpoint
from hackmatrix.purejaxrl.config import ConfigError, TrainConfig

logger = logging.getLogger("hackmatrix.purejaxrl")

LAST_SAVE_TIMEOUT_S = 300.0  # for the final checkpoint, should the disk be as slow as that
NEXT_SAVE_TIMEOUT_S = 60.0  # for one still being written when the next is due


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaveOptions:
    """How often to save, and what becomes of it. None of it changes a run's numbers."""

    every_updates: int | None = None
    """[updates], rounded up to the end of a chunk; None: not by count."""
    every_minutes: float | None = None
    """[minutes] since the last save; None: not by time."""
    keep: int | None = 3
    """[checkpoints] the newest ones, besides the best; None: all."""
    upload: bool = True
    """[yes/no] hand them to the backends."""
    best_return: float | None = None
    """[1] the best mean episode return of earlier attempts; the header of their checkpoint has it."""

    def __post_init__(self) -> None:
        """Refuse what is no interval."""
        for name, least in (("every_updates", 1), ("keep", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} = {value!r} must be at least {least}")
        if self.every_minutes is not None and not self.every_minutes > 0:
            raise ConfigError(f"every_minutes = {self.every_minutes!r} must be greater than 0")


class Keeper(Protocol):
    """The part of a tracker that saving needs."""

    @property
    def run(self) -> Any:
        """Its ``folder`` is a path, or None where nothing is kept."""

    def log_artifact(
        self,
        path: str | Path,
        *,
        name: str,
        step: int,
        type: str = ...,  # noqa: A002 - the tracker's word
        aliases: Sequence[str] = ...,
        metadata: Mapping[str, Any] | None = ...,
        keep: int | None = ...,
        with_journal: bool = ...,
        upload: bool = ...,
    ) -> None:
        """Take a folder of closed files."""


class Saver:
    """Writes checkpoints of one run behind the loop's back.

    Life: ``hand_over`` a copy of the state when its row is logged and it is due or training is being stopped,
    any number of times; ``hand_over_last``; ``close``. What fails is told and never raised. The thread is a
    daemon: a disk that hangs does not keep the process alive.

    Args:
        config: the run's.
        tracker: the run's.
        options: the run's.
        started_at: updates finished before this attempt.
        agent: which part of the leaves (seed, ...) is this run's; None: they are all of it.
        clock: seconds, rising.
    """

    def __init__(
        self,
        config: TrainConfig,
        tracker: Keeper,
        options: SaveOptions,
        *,
        started_at: int,
        agent: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem: str | None = None  # why the newest save failed; None: it did not
        self._config, self._tracker, self._options, self._clock = config, tracker, options, clock
        self._agent = agent
        self._folder = None if tracker.run.folder is None else Path(tracker.run.folder) / "checkpoints"
        self._last_update, self._last_time = started_at, clock()
        self._best = options.best_return
        self._writing: threading.Thread | None = None

    @property
    def keeps(self) -> bool:
        """Whether anything is ever saved."""
        return self._folder is not None

    def hand_over(self, state: dict[str, Any], update: int, mean_return: float | None) -> None:
        """Let the thread write ``state``; one that is still being written goes first."""
        if not self._idle(NEXT_SAVE_TIMEOUT_S):
            self._tell(f"checkpoint {update} was left out: an earlier one is still being written")
            return
        self._last_update, self._last_time = update, self._clock()
        self._writing = threading.Thread(
            target=self._save, args=(state, update, mean_return), name="checkpoint", daemon=True
        )
        self._writing.start()

    def hand_over_last(self, state: dict[str, Any], update: int, mean_return: float | None) -> None:
        """Save the state that training ended with, unless that was done; ``finish`` waits for it."""
        retry = self._idle(LAST_SAVE_TIMEOUT_S) and self.problem is not None
        if self.keeps and (update > self._last_update or retry):
            self.hand_over(state, update, mean_return)

    def finish(self, update: int) -> None:
        """Wait for the final checkpoint."""
        if not self._idle(LAST_SAVE_TIMEOUT_S):
            self._tell(f"checkpoint {update} was not written in {LAST_SAVE_TIMEOUT_S:.0f} s")

    def close(self) -> None:
        """Let the thread finish what it writes."""
        self._idle(NEXT_SAVE_TIMEOUT_S)

    def is_due(self, update: int) -> bool:
        """Whether the state after ``update`` should be saved, by count or by the clock."""
        every, minutes = self._options.every_updates, self._options.every_minutes
        by_count = every is not None and update // every > self._last_update // every
        by_time = minutes is not None and self._clock() - self._last_time >= 60.0 * minutes
        return by_count or by_time

    def _idle(self, timeout_s: float) -> bool:
        if self._writing is not None:
            self._writing.join(timeout_s)
        return self._writing is None or not self._writing.is_alive()

    def _save(self, state: dict[str, Any], update: int, mean_return: float | None) -> None:
        """Write one checkpoint; runs on the thread."""
        folder = Path(self._folder or "") / f"tmp-{update}-{os.getpid()}"
        if mean_return is not None and not math.isfinite(mean_return):
            mean_return = None  # no number that JSON has, and certainly not the best
        is_best = mean_return is not None and (self._best is None or mean_return > self._best)
        best = mean_return if is_best else self._best
        try:
            header = make_header(self._config, update, mean_episode_return=mean_return, best_return=best)
            checksum = write_checkpoint(folder, self._own(state), header)
            self._tracker.log_artifact(
                folder,
                name="checkpoint",
                type="model",
                step=update,
                aliases=("latest", f"checkpoint-{update}", *(["best"] if is_best else [])),
                metadata={
                    "update": update,
                    "env_steps": header["env_steps"],
                    "mean_episode_return": mean_return,
                    "checksum": checksum,
                },
                keep=self._options.keep,
                with_journal=True,
                upload=self._options.upload,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, training is worth more than this checkpoint
            shutil.rmtree(folder, ignore_errors=True)
            self._tell(f"checkpoint {update} was not saved: {type(error).__name__}: {error}")
        else:
            self.problem, self._best = None, best

    def _own(self, state: dict[str, Any]) -> dict[str, Any]:
        if self._agent is None:
            return state
        return {name: np.asarray(value)[self._agent] for name, value in state.items()}

    def _tell(self, problem: str) -> None:
        """Warn once while saving keeps failing."""
        if self.problem is None:
            logger.warning("%s; it is tried again when the next is due", problem)
        self.problem = problem
