"""One thread that turns what loops said into lines on the disk."""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

from hackmatrix.tracking.journal import Fsync, Journal
from hackmatrix.tracking.lines import as_line, encode_lines, encode_objects
from hackmatrix.tracking.protocol import Number
from hackmatrix.tracking.series import Series, is_ready
from hackmatrix.tracking.values import to_number

OnFull: TypeAlias = Literal["wait", "drop"]
RowItem: TypeAlias = tuple[int, float, float, dict[str, Any]]
SeriesItem: TypeAlias = tuple[Series, float, float]
RecordItem: TypeAlias = Callable[[], dict[str, Any]]

_TICK_S = 0.1
_BUSY_S = 10.0  # after this long without a row the thread sleeps until it is woken
_STALL_S = 30.0  # how long a full queue waits for a writer that makes no progress
_BATCH_ROWS = 1024  # more of them no longer fit the cache, and cost half as much again
_log = logging.getLogger("hackmatrix.tracking")


class Writer:
    """Takes rows and records in order from any thread, and appends them to their journals on its own.

    ``put`` wakes nobody while rows keep coming: the thread looks every 0.1 s by itself. It is woken by the
    first row after a quiet time, by a queue that is half full, by ``drain`` and by ``close``.

    Args:
        queue_rows: rows that may wait; beyond that ``on_full`` decides.
        still_ours: asked before each write; false ends the writing for good.
        published: called after each write, e.g. to tell followers.

    Attributes:
        absent: values that could not be converted and are missing from their rows.
        lost: why nothing is written any more; none as long as all is well.
    """

    def __init__(
        self,
        metrics: Journal,
        records: Journal,
        *,
        queue_rows: int,
        on_full: OnFull,
        fsync: Fsync,
        still_ours: Callable[[], bool],
        published: Callable[[], None],
    ) -> None:
        # Records go first: whoever sees a row sees the media said before it.
        self._journals = (records, metrics)
        self._queue: deque[Any] = deque()
        self._bound, self._half, self._on_full, self._fsync = queue_rows, queue_rows // 2, on_full, fsync
        self._still_ours, self._published = still_ours, published
        # Each counter has one side that changes it: callers count what was said, the thread what was written.
        self._said_rows = self._written_rows = 0  # an item counts as one row at least
        self._stuck_at: int | None = None  # what was written when a full queue had waited in vain
        self._batch: list[bytes] = []  # lines of the two journals which the disk has not taken yet
        self._in_batch = (0, 0)  # rows that its items were counted as, lines
        self._wake = threading.Lock()
        self._wake.acquire()
        self._asleep = self._closing = self._given_up = self._refusing = False
        self._turned = threading.Condition()
        self._told: set[str] = set()
        self._dropped = self.absent = self.rows = 0
        self.lost: str | None = None
        self._thread = threading.Thread(target=self._run, name="hackmatrix-writer", daemon=True)
        self._thread.start()

    # The caller's side: called under the tracker's lock, so that order is the order of calls.

    def put(self, *item: Any, rows: int = 1) -> None:
        """Queue an item of that many rows; a record counts as one.

        Args:
            item: a RowItem, a SeriesItem or a RecordItem; or, of a row that has numbers only, the row, its step and
                its two clocks, laid side by side: a tuple that holds a dict is looked at by the collector of garbage
                as long as it waits, which costs a tenth of all that a row takes.
            rows: how many it is.
        """
        said_rows = self._said_rows + rows
        waiting = said_rows - self._written_rows
        if waiting > self._half:
            if waiting > self._bound and not self._room(rows):
                self._dropped += rows
                self._tell_once(
                    "full", "the queue of rows is full: rows are dropped, and counted in the final report"
                )
                return
            self._asleep = True  # as good as: it is woken below
        self._said_rows = said_rows
        self._queue.extend(item)
        if self._asleep:
            self._awaken()

    def _room(self, rows: int) -> bool:
        """Wait for room as long as the writer makes progress; a series larger than the queue passes alone."""
        wanted = min(rows, self._bound)
        written, since = self._written_rows, time.monotonic()
        while self._said_rows - self._written_rows + wanted > self._bound:
            if self._on_full == "drop" or self._refusing or self.lost is not None:
                return False
            if self._written_rows != written:
                written, since = self._written_rows, time.monotonic()
            elif written == self._stuck_at or time.monotonic() - since > _STALL_S:
                self._stuck_at = written  # so that the next row does not wait as long again
                return False
            self._awaken()
            with self._turned:
                self._turned.wait(0.01)
        return True

    @property
    def dropped(self) -> int:
        """Rows that were given up because the queue was full, or at the end because they could not be written."""
        return self._dropped + (self._said_rows - self._written_rows if self._given_up else 0)

    def _awaken(self) -> None:
        self._asleep = False
        with contextlib.suppress(RuntimeError):  # it is awake already
            self._wake.release()

    def drain(self, deadline: float) -> bool:
        """Wait until all that was said is written, at most until ``deadline`` (monotonic seconds)."""
        target = self._said_rows
        while self._written_rows < target:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or self.lost is not None or not self._thread.is_alive():
                return False
            self._awaken()
            with self._turned:
                self._turned.wait(min(remaining, 0.05))
        return True

    def close(self, deadline: float) -> bool:
        """Write what is left and end the thread, for good; false if something could not be written."""
        self._closing = True
        done = self.drain(deadline)
        self._given_up = True
        self._awaken()
        self._thread.join(max(0.1, deadline - time.monotonic()))
        if not self.is_alive():
            for journal in self._journals:
                journal.close()
        return done

    def is_alive(self) -> bool:
        """Whether the thread may still write; after ``close`` only while a disk or a device hangs."""
        return self._thread.is_alive()

    # The thread.

    def _run(self) -> None:
        quiet_since = synced_at = time.monotonic()
        while True:
            wrote = self._turn()
            now = time.monotonic()
            if now - synced_at >= 1.0:
                self._sync()
                synced_at = now
            if (
                self._given_up
                or self.lost is not None
                or (self._closing and self._said_rows == self._written_rows)
            ):
                self._sync()
                return
            if wrote:
                quiet_since = now
            else:
                self._sleep(quiet_since)

    def _sleep(self, quiet_since: float) -> None:
        if time.monotonic() - quiet_since < _BUSY_S or self._refusing:
            self._wake.acquire(timeout=_TICK_S)
            return
        self._asleep = True
        if self._queue or self._closing:  # said between the last look and this line
            self._asleep = False
            return
        self._wake.acquire()

    def _turn(self) -> bool:
        """Convert and write one batch; false if there was none, or the disk refused it."""
        if not self._batch:
            lines, records, taken = self._take()
            if not taken:
                return False
            self._batch = [b"".join(records), encode_lines(lines)]
            self._in_batch = (taken, len(lines))
        if self._given_up:  # while a value was waited for
            return False
        if not self._still_ours():
            self.lost = (
                "another process took the run over (its lock file was replaced): nothing more is written here"
            )
            self._tell_once("lost", self.lost)
            self._queue.clear()
            self._batch = []
            return False
        try:
            for index, journal in enumerate(self._journals):
                if self._batch[index]:
                    journal.append(self._batch[index])
                    self._batch[index] = b""  # the other one may be refused
        except OSError as problem:
            self._refusing = True
            self._tell_once("disk", f"the disk refuses rows ({problem}); they are kept and tried again")
            return False
        if self._refusing:
            self._refusing = False
            self._told.discard("disk")
            _log.warning("the disk takes rows again; nothing that was kept is lost")
        taken, rows_written = self._in_batch
        self._batch = []
        self._written_rows += taken
        self.rows += rows_written
        self._published()
        with self._turned:
            self._turned.notify_all()
        return True

    def _take(self) -> tuple[list[dict[str, Any]], list[bytes], int]:
        """Rows and records of the items at the head, and how many; stops before one still being computed."""
        lines: list[dict[str, Any]] = []
        records: list[bytes] = []
        taken = 0
        queue = self._queue
        while queue and len(lines) < _BATCH_ROWS:
            item = queue[0]
            if type(item) is dict:
                queue.popleft()
                step, timestamp = queue.popleft(), queue.popleft()
                lines.append(as_line(item, step, timestamp, queue[0]))
                taken += 1
            elif taken and not _item_is_ready(item):
                break  # what is ready goes to the disk before anything is waited for
            elif not isinstance(item, tuple):
                taken += 1
                self._guard("a record", partial(_append_record, records, item))
            elif isinstance(item[0], Series):
                taken += len(item[0].steps)
                lines.extend(item[0].lines(item[1], item[2], self._guard))
            else:
                taken += 1
                lines.append(as_line(self._numbers(item[3]), *item[:3]))
            queue.popleft()
        return lines, records, taken

    def _numbers(self, values: dict[str, Any]) -> dict[str, Number]:
        numbers: dict[str, Number] = {}
        for tag, value in values.items():
            if type(value) is float or type(value) is int:
                numbers[tag] = value
            else:
                self._guard(f"metric {tag!r}", partial(_set_number, numbers, tag, value))
        return numbers

    def _guard(self, what: str, convert: Callable[[], None]) -> None:
        """One bad value must not end the thread and every row after it."""
        try:
            convert()
        except Exception as problem:  # noqa: BLE001 - whatever a foreign array raises
            self.absent += 1
            self._tell_once(what, f"{what} is missing from its row: {problem}")

    def _sync(self) -> None:
        if self._fsync == "never":
            return
        for journal in self._journals:
            try:
                journal.sync()
            except OSError as problem:
                self._tell_once("fsync", f"the disk cannot make rows safe ({problem}); it is tried again")

    def _tell_once(self, cause: str, message: str) -> None:
        if cause not in self._told:
            self._told.add(cause)
            _log.warning("%s", message)


def _append_record(records: list[bytes], make: RecordItem) -> None:
    records.append(encode_objects([make()]))


def _set_number(numbers: dict[str, Number], tag: str, value: Any) -> None:
    numbers[tag] = to_number(value, tag)


def _item_is_ready(item: Any) -> bool:
    if not isinstance(item, tuple):
        return True
    if isinstance(item[0], Series):
        return item[0].is_ready()
    return all(type(value) is float or is_ready(value) for value in item[3].values())
