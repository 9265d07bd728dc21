"""One planted defect for each guarantee: with it the guarantee must fail, so that each is known to be able to."""

import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from hackmatrix.tracking import exiting, lines, lock, naming, opening, starting, tracker, writer
from hackmatrix.tracking import follower as following
from hackmatrix.tracking.journal import Journal
from hackmatrix.tracking.testing import killing


@contextmanager
def _replace(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _drain_lies() -> AbstractContextManager[None]:
    """``flush`` does not wait for the writer."""
    return _replace(writer.Writer, "drain", lambda self, deadline: True)


def _journal_is_not_cut() -> AbstractContextManager[None]:
    """A resumed run appends behind the rows of the attempt before."""
    code = "from hackmatrix.tracking import starting; starting.restore = lambda *rest: []\n"
    # With one checkpoint at the beginning every kill leaves rows behind it.
    program = killing.PROGRAM.replace('step % arguments["every"] == 0', "step == 0")
    return _replace(killing, "PROGRAM", code + program)


def _torn_tail_is_kept() -> AbstractContextManager[None]:
    """Rows are appended behind a torn line."""

    def keep(path: Any, extent: Any = None, fsync: Any = "never") -> Journal:
        size = path.stat().st_size if path.exists() else 0
        return Journal(path, extent._replace(size=size), fsync)

    @contextmanager
    def both() -> Iterator[None]:
        with _replace(starting, "Journal", keep), _replace(starting, "restore", lambda *rest: []):
            yield

    return both()


def _log_waits_for_backends() -> AbstractContextManager[None]:
    """``log`` hands each row over itself."""
    original = tracker.JournalTracker.log

    def log_and_wait(self: Any, metrics: Any, *, step: int) -> None:
        original(self, metrics, step=step)
        self.flush(6.0)

    return _replace(tracker.JournalTracker, "log", log_and_wait)


def _failed_backend_is_left() -> AbstractContextManager[None]:
    """A backend that raised once gets nothing more."""
    original = following.Follower._failed

    def give_up(self: Any, problem: Exception, ending: Any) -> bool:
        original(self, problem, ending)
        return False

    return _replace(following.Follower, "_failed", give_up)


def _numbers_are_rounded() -> AbstractContextManager[None]:
    """Rows are written in half precision."""

    def halve(value: Any) -> Any:
        return (
            struct.unpack("<e", struct.pack("<e", value))[0]
            if type(value) is float and abs(value) < 1
            else value
        )

    def encode(rows: Sequence[dict[str, Any]]) -> bytes:
        return lines.encode_lines(
            [
                {tag: value if tag.startswith("_") else halve(value) for tag, value in row.items()}
                for row in rows
            ]
        )

    return _replace(writer, "encode_lines", encode)


def _last_come_first_written() -> AbstractContextManager[None]:
    """Rows that wait together are written in the wrong order."""
    original = writer.Writer._take

    def backwards(self: Any) -> Any:
        rows, *rest = original(self)
        return (rows[::-1], *rest)

    return _replace(writer.Writer, "_take", backwards)


def _lock_is_not_taken() -> AbstractContextManager[None]:
    """Everybody gets the lock."""
    return _replace(lock, "_try_lock", lambda descriptor: True)


def _first_name_is_good_enough() -> AbstractContextManager[None]:
    """The number of a new run does not look at what is there."""

    def same(self: Any, naming_: Any) -> Any:
        return self.open_named(naming_.name(1), "allow")

    return _replace(starting.Opening, "open_new", same)


def _every_end_is_good() -> AbstractContextManager[None]:
    """An exception on its way does not show in the status."""
    return _replace(tracker, "status_of", lambda error: exiting.status_of(None))


def _any_name_will_do() -> AbstractContextManager[None]:
    """Names are not checked."""

    @contextmanager
    def both() -> Iterator[None]:
        with (
            _replace(opening, "check_name", lambda kind, text: text),
            _replace(naming, "check_name", lambda kind, text: text),
        ):
            yield

    return both()


def _everything_is_imported() -> AbstractContextManager[None]:
    """The package imports its encoder with itself."""
    original = subprocess.run

    def heavy(command: Any, **more: Any) -> Any:
        return original([*command[:-1], command[-1].replace("import sys;", "import sys, msgspec;")], **more)

    return _replace(subprocess, "run", heavy)


def _values_are_taken_later() -> AbstractContextManager[None]:
    """What a value is, is asked when it is written."""
    return _replace(tracker, "copy_metrics", lambda metrics: (metrics, False))


PLANTED_DEFECTS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "nothing_said_is_lost": _drain_lies,
    "each_step_stands_once": _journal_is_not_cut,
    "torn_is_not_broken": _torn_tail_is_kept,
    "never_in_the_way": _log_waits_for_backends,
    "a_failure_is_told_not_fatal": _failed_backend_is_left,
    "numbers_survive": _numbers_are_rounded,
    "rows_arrive_in_order": _last_come_first_written,
    "one_writer": _lock_is_not_taken,
    "a_new_run_is_new": _first_name_is_good_enough,
    "the_end_is_final_and_true": _every_end_is_good,
    "no_way_out_of_the_folder": _any_name_will_do,
    "importing_is_light": _everything_is_imported,
    "the_callers_data_is_the_callers": _values_are_taken_later,
}
