"""What loops hold: checks what is said, puts it into one queue, and closes everything in the end."""

import logging
import os
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hackmatrix.tracking.argument_checks import check_choice
from hackmatrix.tracking.artifact_checks import check_artifact
from hackmatrix.tracking.artifacts import Artifacts
from hackmatrix.tracking.errors import TrackerClosedError, TrackingError
from hackmatrix.tracking.exiting import ExitHook, status_of
from hackmatrix.tracking.follower import Ending, Follower
from hackmatrix.tracking.lock import RunLock
from hackmatrix.tracking.media import counted_record, histogram_record, image_record, text_record
from hackmatrix.tracking.naming import check_tag
from hackmatrix.tracking.ordering import StepOrder, whole_number
from hackmatrix.tracking.protocol import ConfigValue, FinishReport, HasNative, Number, RunInfo, Scalar, Status
from hackmatrix.tracking.records import media_line
from hackmatrix.tracking.replayed import Replayed
from hackmatrix.tracking.run_folder import RunFolder
from hackmatrix.tracking.series import Series
from hackmatrix.tracking.values import copy_metrics, to_number
from hackmatrix.tracking.writer import Writer

_log = logging.getLogger("hackmatrix.tracking")


class JournalTracker:
    """The tracker of a run on disk; ``open_tracker`` makes it.

    Args:
        run: identity and where this attempt goes on from.
        folder: the run's files.
        lock: held until ``finish``.
        identity: what ``run.json`` says; kept up to date here.
        writer: appends to the journals.
        followers: one for each backend.
        artifacts: files kept with the run.
        runtime: active seconds of earlier attempts.
        replayed: compares rows that this attempt computed again with those put aside.
        exit_hook: finishes the run when the interpreter leaves without ``finish``.
        temporary: whether the folder is removed after complete delivery.
    """

    def __init__(
        self,
        *,
        run: RunInfo,
        folder: RunFolder,
        lock: RunLock,
        identity: dict[str, Any],
        writer: Writer,
        followers: Sequence[Follower],
        artifacts: Artifacts,
        runtime: float,
        replayed: Callable[[], Replayed | None],
        exit_hook: ExitHook,
        temporary: bool,
    ) -> None:
        self._info, self._folder, self._lock, self._identity = run, folder, lock, identity
        self._writer, self._followers, self._artifacts = writer, tuple(followers), artifacts
        self._replayed, self._temporary = replayed, temporary
        self._began = time.monotonic() - runtime
        self._order = threading.Lock()
        self._saving = threading.Lock()
        self._finishing = threading.RLock()
        self._ending = False
        self._steps = StepOrder(run.last_step)
        self._summary: dict[str, Number] = dict(identity.get("summary", {}))
        self._closed: str | None = None
        self._report: FinishReport | None = None
        _live.add(self)
        self._required = tuple(follower for follower in followers if follower.required)
        self._exit_hook = exit_hook
        exit_hook.set(self.finish)

    @property
    def run(self) -> RunInfo:
        """Who the run is; its ``url`` is that of the first backend that has one."""
        backends = [follower.backend for follower in self._followers]  # each may be thrown away meanwhile
        urls = [backend.url for backend in backends if backend is not None and backend.url]
        return replace(self._info, url=urls[0]) if urls else self._info

    # Rows.

    def log(self, metrics: Mapping[str, Scalar], *, step: int) -> None:
        """Add a row; see ``Tracker.log``."""
        values, plain = copy_metrics(metrics)
        if type(step) is not int or step < 0:
            step = whole_number(step)
        with self._order:
            if self._closed is not None or self._writer.lost is not None or self._required:
                self._check_open()
            self._steps.admit_row(step, values)
            now, runtime = time.time(), time.monotonic() - self._began
            if plain:
                self._writer.put(values, step, now, runtime)
            else:
                self._writer.put((step, now, runtime, values))

    def log_series(
        self,
        columns: Mapping[str, Scalar] | Scalar,
        *,
        steps: Sequence[int],
        present: Mapping[str, Sequence[bool]] | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        """Add T rows in one call; see ``Tracker.log_series``."""
        series = Series(columns, steps, present, tags)
        self._steps.check_tags(series.tags)
        if not series.steps:
            return
        with self._order:
            self._check_open()
            self._steps.admit_series(series.steps, series.tags_at(0), series.tags_at(-1))
            self._writer.put((series, time.time(), time.monotonic() - self._began), rows=len(series.steps))

    def log_aside(self, metrics: dict[str, Number]) -> bool:
        """Add tags to the newest step, for threads that do not choose steps.

        Returns:
            False if nothing was added: there is no step yet, it is sealed or has a tag, or the run is over.
        """
        self._steps.check_tags(metrics)
        with self._order:
            if self._closed is not None or not self._steps.takes(metrics):
                return False
            step = self._steps.newest
            self._steps.admit(step, step, metrics)
            self._writer.put((step, time.time(), time.monotonic() - self._began, metrics))
        return True

    def log_summary(self, values: Mapping[str, Scalar]) -> None:
        """Set figures of the run as a whole; see ``Tracker.log_summary``."""
        self._check_open()
        self._steps.check_tags(values)
        numbers = {tag: to_number(value, tag) for tag, value in values.items()}
        with self._order:
            self._summary.update(numbers)

    def _check_open(self) -> None:
        if self._closed is not None:
            raise TrackerClosedError(self._closed)
        if self._writer.lost is not None:
            raise TrackerClosedError(self._writer.lost)
        for follower in self._required:
            if follower.problem is not None:
                raise TrackingError(f"{follower.name} is required and fails: {follower.problem}")

    # Artifacts and media.

    def log_artifact(
        self,
        path: str | Path,
        *,
        name: str,
        step: int,
        type: str = "file",  # noqa: A002 - the field's word
        aliases: Sequence[str] = (),
        metadata: Mapping[str, ConfigValue] | None = None,
        keep: int | None = None,
        with_journal: bool = False,
        upload: bool = True,
    ) -> None:
        """Keep files with the run; see ``Tracker.log_artifact``."""
        self._check_open()
        check_artifact(name, aliases, metadata)
        step = whole_number(step)
        if not Path(path).exists():
            raise FileNotFoundError(
                f"artifact {name!r}: there is no file or folder {str(path)!r}; write it first"
            )
        with self._saving:
            self._check_open()  # it may have been finished while another save was waited for
            if with_journal:
                with self._order:
                    self._steps.seal(step)
                if not self._writer.drain(time.monotonic() + 60.0):
                    raise OSError(f"the journal could not be written up to step {step}; is the disk full?")
                line = self._artifacts.bundle(
                    Path(path), name=name, step=step, type=type, aliases=aliases, metadata=metadata or {},
                    keep=keep, upload=upload, identity=self._current_identity(),
                )  # fmt: skip
            else:
                line = self._artifacts.keep(
                    Path(path), name=name, step=step, type=type, aliases=aliases, metadata=metadata or {},
                    keep=keep, upload=upload,
                )  # fmt: skip
            with self._order:
                self._writer.put(lambda: line)
            self._artifacts.prune(name, keep)

    @contextmanager
    def checkpoint(
        self,
        *,
        step: int,
        keep: int | None = 3,
        aliases: Sequence[str] = (),
        metadata: Mapping[str, ConfigValue] | None = None,
        upload: bool = True,
    ) -> Iterator[Path]:
        """Save what the run goes on from; see ``Tracker.checkpoint``."""
        self._check_open()
        check_artifact("checkpoint", aliases, metadata)
        folder = self._folder.checkpoints / f"tmp-save-{whole_number(step)}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
            self.log_artifact(
                folder, name="checkpoint", type="model", step=step, aliases=aliases, metadata=metadata,
                keep=keep, with_journal=True, upload=upload,
            )  # fmt: skip
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # it was moved, unless something failed

    def log_histogram(
        self, tag: str, values: Scalar, *, step: int, bins: int = 64, edges: Scalar | None = None
    ) -> None:
        """Add a distribution; see ``Tracker.log_histogram``."""
        if edges is None:
            record = histogram_record(tag, values, whole_number(step), bins)
        else:
            record = counted_record(tag, values, edges, whole_number(step))
        self._put_medium(tag, step, record)

    def log_text(self, tag: str, text: str, *, step: int) -> None:
        """Add a text; see ``Tracker.log_text``."""
        self._put_medium(tag, step, text_record(tag, text, whole_number(step)))

    def log_image(self, tag: str, image: Scalar, *, step: int) -> None:
        """Add an image; see ``Tracker.log_image``."""
        self._put_medium(tag, step, image_record(tag, image, whole_number(step), self._folder))

    def _put_medium(self, tag: str, step: int, make: Any) -> None:
        check_tag(tag)
        with self._order:
            self._check_open()
            self._steps.check_step(step)
            self._writer.put(lambda: media_line(make()))

    # The end.

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until all is in the journal and with each backend; see ``Tracker.flush``."""
        self._check_open()
        deadline = time.monotonic() + timeout
        if not self._writer.drain(deadline):
            return False
        return all([follower.flush(deadline) for follower in self._followers])  # noqa: C419 - each gets its turn

    def finish(self, status: Status = "finished", *, timeout: float = 60.0) -> FinishReport:
        """Deliver, close, and say what is missing; see ``Tracker.finish``."""
        check_choice("status", status, Status)
        with self._finishing:  # a second call waits for the first; after Ctrl-C it does what is left
            if self._report is None:
                self._report = self._finish(status, timeout)
            return self._report

    def _finish(self, status: Status, timeout: float) -> FinishReport:
        with self._order:
            if self._closed is not None and not self._ending:
                raise TrackerClosedError(self._closed)
            self._closed = f"run {self._info.name!r} was finished; open a new one, or go on with it by name"
            self._ending = True
            summary = dict(self._summary)
        self._info = self.run  # the url outlives its backend
        deadline = time.monotonic() + timeout
        # A checkpoint that is being written comes first.
        saved = self._saving.acquire(timeout=max(0.0, timeout))
        try:
            written = self._writer.close(min(deadline, time.monotonic() + max(1.0, timeout / 2)))
        finally:
            if saved:
                self._saving.release()
        ending = Ending(status, summary, deadline, timeout)
        for follower in self._followers:
            follower.end(ending)
        reports = {follower.name: follower.join(deadline) for follower in self._followers}
        if self._tell_replayed():
            # What a backend kept from an earlier attempt is what this one computed: nothing differs there.
            reports = {name: replace(report, kept=None) for name, report in reports.items()}
        report = FinishReport(
            status=status,
            last_step=None if self._steps.newest < 0 else self._steps.newest,
            rows=self._writer.rows,
            dropped_rows=self._writer.dropped,
            absent_values=self._writer.absent,
            backends=reports,
        )
        self._close_files(report, written=written, quiet=saved and not self._writer.is_alive())
        return report

    def _tell_replayed(self) -> bool:
        """Compare steps that were computed again; true if there are some and all agree."""
        try:
            found = self._replayed()
        except (OSError, ValueError) as problem:
            _log.warning("steps that were computed again could not be compared (%s)", problem)
            return False
        if found is None:
            return False
        agree = found.first_difference is None
        _log.log(logging.INFO if agree else logging.WARNING, "%s", found)
        self._identity["attempts"][-1]["replayed"] = found._asdict()
        return agree

    def _close_files(self, report: FinishReport, *, written: bool, quiet: bool) -> None:
        """``quiet``: nobody writes any more; else the lock is kept until the process ends."""
        self._identity["attempts"][-1].update(status=report.status, ended=time.time())
        self._identity["report"] = asdict(report)
        try:
            if self._lock.still_ours():
                self._folder.write_identity(self._current_identity())
                shutil.rmtree(self._folder.followers, ignore_errors=True)  # the report says more
        except OSError as problem:
            _log.warning(
                "the end of %s could not be noted in %s (%s)", self._info.name, self._folder.path, problem
            )
        if quiet:
            self._artifacts.close()
            self._lock.release()
        _live.discard(self)
        self._exit_hook.clear()
        if not written:
            _log.error("rows of %s could not be written to %s", self._info.name, self._folder.metrics)
        for name, backend in report.backends.items():
            if backend.command is not None:
                lacks = f"{backend.pending} steps" if backend.pending else "a part"
                _log.warning(
                    "%s lacks %s of %s (%s); deliver it with: %s",
                    name, lacks, self._info.name, backend.problem or "not confirmed", backend.command,
                )  # fmt: skip
        if self._temporary:
            if report.complete:
                shutil.rmtree(self._folder.path.parent, ignore_errors=True)
            else:
                _log.warning("the journal of %s stays in %s", self._info.name, self._folder.path)

    def _current_identity(self) -> dict[str, Any]:
        self._identity["summary"] = dict(self._summary)
        if self.run.url:
            self._identity["url"] = self.run.url
        return self._identity

    def native(self, backend: str) -> Any:
        """The live object behind a backend; see ``Tracker.native``."""
        for follower in self._followers:
            if follower.name == backend:
                live = follower.backend
                return live.native if isinstance(live, HasNative) else None
        names = ", ".join(follower.name for follower in self._followers) or "none"
        raise ValueError(f"no backend {backend!r} follows this run; those that do: {names}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._closed is None or self._ending:  # a forked child has nothing to finish
            self.finish(status_of(error))

    def forget(self) -> None:
        """A forked child has nothing to do with its parent's run: it lets go of the lock and never writes."""
        self._closed = "this process was forked from the one that opened the run; open a tracker of its own"
        # Its parent's threads may have held them at that instant, and are not here to let go.
        self._order, self._saving, self._finishing = threading.Lock(), threading.Lock(), threading.RLock()
        self._lock.release()
        self._exit_hook.clear()


_live: weakref.WeakSet[JournalTracker] = weakref.WeakSet()


def finish_earlier_handles(name: str) -> None:
    """In a notebook a cell is run again: what it opened before is finished as interrupted."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return
    for tracker in list(_live):
        _log.warning("%s, opened earlier in this notebook, is finished; %s is opened", tracker.run.name, name)
        tracker.finish("interrupted")


def _after_fork_in_child() -> None:
    for tracker in list(_live):
        tracker.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
