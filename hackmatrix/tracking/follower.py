"""One backend, one thread: reads the run's files, delivers, waits, tells.

The file is the only source and the backend the only one who knows what it holds: an outage, an error and a
kill are therefore mended in one way, by a new backend object whose ``open`` says where to go on.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hackmatrix.tracking.errors import BackendSetupError, BackendUnreachableError, RunConflictError
from hackmatrix.tracking.folding import StepReader, count_steps_after
from hackmatrix.tracking.journal import Readable, last_line
from hackmatrix.tracking.lines import decode_row
from hackmatrix.tracking.protocol import Backend, BackendReport, Config, Number, RunInfo, Status
from hackmatrix.tracking.records import RecordReader
from hackmatrix.tracking.standing import Standing, StandingFile

_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0
_LAST_WAIT_S = 2.0  # between tries when the run has ended
_NO_UPLOAD_S = 20.0  # so close to the end of a long finish no upload is begun
_REFUSED_S = 20.0  # at the end of a run, nobody is waited for who has been out of reach this long
_log = logging.getLogger("hackmatrix.tracking")


class Ending(NamedTuple):
    """How the run ends, for backends."""

    status: Status
    summary: Mapping[str, Number]
    deadline: float  # monotonic seconds
    timeout: float  # of the whole end, in seconds

    @property
    def uploads_until(self) -> float:
        """No upload is begun later, in monotonic seconds: rows and the end itself need time, too."""
        return self.deadline - min(_NO_UPLOAD_S, self.timeout / 3)


class Follower:
    """Carries a run's rows and records to one backend.

    Args:
        name: the backend's registered name.
        make: gives a new, unopened backend object.
        run: identity, with the last step that this attempt goes on from.
        config: what the backend shows as the run's config.
        metrics: the journal of rows; read up to its published size.
        records: artifacts and media, read from the records' journal.
        command: what delivers by hand whatever is missing at the end.
        required: whether a failure is the caller's affair.
        opened: called after each successful open.
        standing: where it tells how far it has come.

    Attributes:
        first_try: set once the first ``open`` has succeeded or failed.
        setup_error: what only the user can mend, found at the first try; or a conflict of identities.
        problem: the failure that is going on, or the last one of a run that has ended.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Backend],
        run: RunInfo,
        config: Config,
        metrics: Readable,
        records: RecordReader,
        *,
        command: str,
        required: bool = False,
        opened: Callable[[], None] = lambda: None,
        standing: StandingFile | None = None,
    ) -> None:
        self.name, self._make, self._run_info, self._config = name, make, run, config
        self.required, self._opened, self._standing = required, opened, standing
        self._metrics, self._records, self._command = metrics, records, command
        self.backend: Backend | None = None
        self.first_try = threading.Event()
        self.setup_error: BaseException | None = None
        self._awaited = True  # somebody waits for the first try, and raises what it found
        self.failures = 0
        self._conflict = False  # whether the last failure was another run of this name
        self.problem: str | None = None
        self._failing_since: float | None = None
        self._reader: StepReader | None = None
        self._first_open = True
        self._takes_rows = True
        self._position: int | None = None
        self._handed: int | None = None
        self._given: int | None = None  # held or handed over, by the backend object of now
        self._confirmed: int | None = None
        self._kept: tuple[int, int] | None = None
        self._url: str | None = None
        self._flush_size, self._flush_deadline, self._flushed_size = -1, 0.0, -1
        self._ending: Ending | None = None
        self._wake = threading.Event()
        self._flush_done = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"hackmatrix-{name}", daemon=True)

    # Called by the tracker.

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def await_first_try(self, seconds: float) -> None:
        """Wait for the end of the first ``open``, and raise what only the user can mend.

        Raises:
            BackendSetupError, RunConflictError: as the backend said; found later, it is told instead.
        """
        self.first_try.wait(max(0.0, seconds))
        self._awaited = False
        if self.setup_error is not None:
            raise self.setup_error

    def notify(self) -> None:
        """There is something new in the files."""
        if self._failing_since is None:  # a failing backend is tried at its own pace
            self._wake.set()

    def flush(self, deadline: float) -> bool:
        """Wait until what stands in the journal now is with the backend; false if it is failing or too late."""
        self._flush_done.clear()
        failures = self.failures
        self._flush_size, self._flush_deadline = self._metrics.size, deadline
        target = self._flush_size
        self._wake.set()
        while self._flushed_size < target:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or self.failures > failures or not self._thread.is_alive():
                return False
            self._flush_done.wait(min(remaining, 0.05))
        return True

    def end(self, ending: Ending) -> None:
        """Tell how the run ends; the thread leaves after a turn that closed."""
        self._ending = ending
        self._wake.set()

    def abandon(self) -> None:
        """The run is not opened after all: let go soon, whatever is delivered."""
        self.end(Ending("failed", {}, time.monotonic(), 0.0))
        if self._thread.ident is not None:
            self._thread.join(5.0)
        self._close_standing()

    @property
    def handed_over(self) -> int | None:
        """The last step given to the backend so far."""
        return self._handed

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the thread; true once it has ended."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def join(self, deadline: float) -> BackendReport:
        """Wait for the end of the thread, and say what became of the rows."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._close_standing()
        stuck = self._thread.is_alive()
        known = self._confirmed
        pending = self._count_pending(known)
        artifacts = self._records.owed
        problem = self.problem
        if stuck and problem is None:
            problem = "it did not answer in time"
        if artifacts and problem is None:
            problem = f"{artifacts} artifacts were not delivered"
        owed = bool(pending or artifacts or problem)
        return BackendReport(
            handed_over=self._handed if self._takes_rows else None,
            confirmed=known,
            pending=pending,
            kept=self._kept,
            problem=problem,
            command=self._told_command() if owed else None,
            url=self._url,
        )

    def _close_standing(self) -> None:
        if self._standing is not None:
            self._standing.close()

    def _told_command(self) -> str:
        """What delivers the rest; after a conflict of names it needs another name there."""
        return f"{self._command} --as NAME" if self._conflict else self._command

    def _count_pending(self, known: int | None) -> int:
        if not self._takes_rows:
            return 0
        size = self._metrics.size
        line = last_line(self._metrics.path, size) if known is not None else None
        if line is not None and known is not None and decode_row(line).step <= known:
            return 0  # as ever; a long journal is not read again for that
        return count_steps_after(self._metrics.path, size, known)

    # The thread.

    def _run(self) -> None:
        wait = _FIRST_WAIT_S
        with contextlib.suppress(Exception):  # the first turn says so
            self._takes_rows = takes_rows(self._make())
        self._tell("it was not opened yet", at_once=True)
        while True:
            self._wake.clear()
            ending = self._ending  # read once: a turn that sees the end has seen every row before it
            try:
                if self._turn(ending):
                    return
            except BaseException as problem:  # noqa: BLE001 - a stranger's code may raise anything, SystemExit too
                if not self._failed(problem, ending):
                    self._tell(self.problem, at_once=True)
                    return
                wait = min(wait, _LONGEST_WAIT_S if ending is None else _LAST_WAIT_S)
                self._rest(wait)
                wait *= 2
            else:
                wait = _FIRST_WAIT_S
                self._rest(self._records.wait_s(ending.uploads_until if ending else None))

    def _rest(self, seconds: float | None) -> None:
        """Wait for news, at most so long; None for any time."""
        told_again = self._tell(self.problem or self._records.problem)
        seconds = min(math.inf if seconds is None else seconds, told_again)
        self._wake.wait(None if seconds == math.inf else seconds)

    def _tell(self, problem: str | None, *, at_once: bool = False) -> float:
        """Tell others how far it has come; returns in how many seconds to do so again."""
        if self._standing is None:
            return math.inf
        standing = Standing(
            handed_over=self._given if self._takes_rows else None,
            takes_rows=self._takes_rows,
            artifacts_owed=self._records.owed,
            newest_checkpoint=self._records.newest_checkpoint,
            problem=problem,
        )
        return self._standing.tell(standing, at_once=at_once)

    def _turn(self, ending: Ending | None) -> bool:
        """Deliver what there is; true after a turn that closed."""
        backend = self.backend or self._open()
        reader = self._reader
        assert reader is not None
        size = self._metrics.size
        self._records.read(self._position)
        for rows in reader.read(size):
            self._records.write(backend, rows)
            self._handed = self._given = rows[-1].step
        if ending is not None:
            self._hand_over_last(backend, reader)
        self._serve_flush(backend, reader)
        if ending is None:  # else it is well when it has confirmed
            self._well()
        until = ending.uploads_until if ending else None
        self._records.deliver_artifact(backend, until)
        if ending is None or self._records.wait_s(until) is not None:
            return False
        self._close(backend, ending)
        self._well()
        return True

    def _open(self) -> Backend:
        backend = self._make()
        try:
            held = backend.open(self._run_info, self._config)
            self._position = held
            if held is not None:
                boundary: int | None = held - 1
                if self._first_open:
                    last = self._run_info.last_step
                    boundary = None if last is None else min(held - 1, last)
                if boundary is not None and boundary < 0:
                    boundary = None
                if backend.discard_after(boundary):
                    self._position = boundary
                elif self._first_open:
                    self._note_kept(held)
        except BaseException:
            self._throw_away(backend)
            raise
        self.backend, self._url = backend, backend.url
        self._first_open = False
        self._given = self._position
        self._reader = StepReader(self._metrics.path, self._position)
        self._records.restart(backend)
        self.first_try.set()
        self._opened()
        return backend

    def _note_kept(self, held: int) -> None:
        last = self._run_info.last_step
        first = 0 if last is None else last + 1
        if held >= first:
            self._kept = (first, held)
            _log.warning(
                "%s holds steps %d to %d from an earlier attempt and cannot drop them: "
                "those keep their first values there",
                self.name,
                first,
                held,
            )

    def _serve_flush(self, backend: Backend, reader: StepReader) -> None:
        wanted = self._flush_size
        if wanted <= self._flushed_size or reader.offset < wanted:
            return
        part = reader.part()
        if part is not None:
            self._records.write(backend, [part])
            self._handed = self._given = part.step
        try:
            backend.flush(max(0.1, self._flush_deadline - time.monotonic()))
        except TimeoutError:  # too slow for this caller, which is no failure yet
            if self._flush_size == wanted:
                self._flush_size = -1
            return
        self._flushed_size = wanted
        self._flush_done.set()

    def _hand_over_last(self, backend: Backend, reader: StepReader) -> None:
        last = reader.last()
        self._records.write(backend, [] if last is None else [last], ending=True)
        if last is not None:
            self._handed = self._given = last.step

    def _close(self, backend: Backend, ending: Ending) -> None:
        self.backend = None
        seconds = max(0.0, ending.deadline - time.monotonic())
        self._confirmed = backend.close(ending.status, ending.summary, seconds)
        if (
            self._takes_rows
            and self._handed is not None
            and (self._confirmed is None or self._confirmed < self._handed)
        ):
            # A client that gave up in silence, a server that came late: ask again what is held, and go on.
            raise BackendUnreachableError(
                f"it confirms {'no step' if self._confirmed is None else f'steps up to {self._confirmed}'}, "
                f"of {self._handed} handed over"
            )

    # Failure.

    def _well(self) -> None:
        if self._failing_since is not None:
            _log.warning("%s takes rows again; what it lacked was delivered", self.name)
        self._failing_since, self.problem = None, None

    def _failed(self, problem: BaseException, ending: Ending | None) -> bool:
        """Note a failure; false if there is no point in going on."""
        final = isinstance(problem, BackendSetupError | RunConflictError)
        if final and not self.first_try.is_set():
            self.setup_error = problem
        self.failures += 1
        self.problem = _sentence(problem)
        self._conflict = isinstance(problem, RunConflictError)
        self._flushed_size = -1  # what a new object lacks is delivered again before a flush is true
        if self._failing_since is None or final:
            self._failing_since = self._failing_since or time.monotonic()
            if not (self._awaited and self.setup_error is problem):
                _log.warning(
                    "%s: %s; rows are kept and delivered later",
                    self.name,
                    self.problem,
                    exc_info=None if final or isinstance(problem, BackendUnreachableError) else problem,
                )
        backend, self.backend = self.backend, None
        if backend is not None:
            self._throw_away(backend)
        self.first_try.set()
        if final:
            return False
        if ending is None:
            return True
        now = time.monotonic()
        refused = isinstance(problem, BackendUnreachableError) and self._confirmed is None
        return now < ending.deadline and not (refused and now - self._failing_since > _REFUSED_S)

    def _throw_away(self, backend: Backend) -> None:
        try:
            backend.close(None, {}, 5.0)
        except Exception:  # noqa: BLE001 - it is being thrown away because it failed
            _log.debug("%s failed again while it was thrown away", self.name, exc_info=True)


def takes_rows(backend: Backend) -> bool:
    """Whether a backend keeps rows at all, and not only inside of artifacts."""
    return getattr(backend, "precision", None) != "none"


def _sentence(problem: BaseException) -> str:
    text = str(problem).strip().rstrip(".")
    known = isinstance(problem, BackendSetupError | BackendUnreachableError | RunConflictError)
    return text if known and text else f"{type(problem).__name__}: {text}" if text else type(problem).__name__
