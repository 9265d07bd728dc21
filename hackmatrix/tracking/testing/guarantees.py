"""What every tracker promises, one function each: ``guarantee(case, folder)`` raises ``AssertionError``."""

import logging
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from hackmatrix.tracking.errors import (
    InvalidNameError,
    InvalidTagError,
    RunInUseError,
    StepOrderError,
    TrackingError,
)
from hackmatrix.tracking.protocol import Backend, Row
from hackmatrix.tracking.reading import read_run
from hackmatrix.tracking.registry import WORDS, load_backend, replaced
from hackmatrix.tracking.testing.cases import Case, compare, expected_rows, found_rows
from hackmatrix.tracking.testing.killing import run_and_kill, said_by_program

Guarantee: TypeAlias = Callable[[Case, Path], None]

NUMBERS: dict[str, int | float] = {
    "n/tenth": 0.1,
    "n/third": 1 / 3,
    "n/zero": 0.0,
    "n/minus_zero": -0.0,
    "n/tiny": 5e-324,
    "n/small": 1.1754943508222875e-38,
    "n/large": 3.4028234663852886e38,
    "n/float32": 0.10000000149011612,
    "n/whole": 7,
    "n/int64": 2**53 + 1,
    "n/nan": math.nan,
    "n/inf": math.inf,
    "n/minus_inf": -math.inf,
    "n/with , = and %": math.nan,
    "n/ümlaut ☃": 1.5,
}


def nothing_said_is_lost(case: Case, folder: Path) -> None:
    """After ``flush`` every row is in the journal, and with the backend as soon as its reader can see it."""
    said = [(step, {"a/value": step / 3, "a/count": step}) for step in range(50)]
    with case.open(folder, name="flushed") as tracker:
        for step, metrics in said:
            tracker.log(metrics, step=step)
        assert tracker.flush(30.0), "flush said no"
        journal = [(row.step, row.metrics) for row in read_run(tracker.run.folder or "").rows()]
        assert journal == said, f"after flush the journal holds {len(journal)} of {len(said)} rows"
        if case.readable_at_once:
            compare(case, found_rows(case, tracker.run), expected_rows(case, said))
        tracker.log({"b/late": 1.0}, step=49)
        tracker.log({"a/value": 2.0}, step=50)
    said += [(49, {"b/late": 1.0}), (50, {"a/value": 2.0})]
    compare(case, found_rows(case, tracker.run), expected_rows(case, said))


def each_step_stands_once(case: Case, folder: Path) -> None:
    """A process killed with SIGKILL and started again, three times over, leaves each step once."""
    run_and_kill(case, folder, "killed", rows=150, kills=3, seed=11)
    reader = read_run("killed", folder)
    lines = [(row.step, tag) for row in reader.lines() for tag in row.metrics]
    assert len(lines) == len(set(lines)), "a (step, tag) stands twice in the lines of the journal"
    expected = said_by_program(150)
    compare(case, [(row.step, row.metrics) for row in reader.rows()], expected)
    with case.open(folder, name="killed", resume="must") as tracker:
        run = tracker.run
    compare(case, found_rows(case, run), expected_rows(case, expected))


def torn_is_not_broken(case: Case, folder: Path) -> None:
    """A line that a kill cut short is repaired before anything is appended; all before it is kept."""
    with case.open(folder, name="torn") as tracker:
        for step in range(5):
            tracker.log({"a/value": float(step)}, step=step)
    journal = folder / "torn" / "metrics.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"_step":5,"_timestamp":1.0,"_run')
    with case.open(folder, name="torn") as tracker:
        assert tracker.run.last_step == 4, f"last_step is {tracker.run.last_step}, expected 4"
        tracker.log({"a/value": 5.0}, step=5)
    assert journal.read_bytes().startswith(whole), "what stood before the torn line was not kept"
    said = [(step, {"a/value": float(step)}) for step in range(6)]
    compare(case, found_rows(case, tracker.run), expected_rows(case, said))


def never_in_the_way(case: Case, folder: Path) -> None:
    """``log`` returns though the backend hangs, and the rows arrive when it comes back."""
    if case.name in WORDS:
        return
    gate = threading.Event()

    def write_when_open(self: Any, rows: Any, super_write: Callable[[Any], None]) -> None:
        gate.wait(30.0)
        super_write(rows)

    with _altered(case, write=write_when_open), case.open(folder, name="hanging") as tracker:
        began = time.monotonic()
        try:
            for step in range(2000):
                tracker.log({"a/value": float(step)}, step=step)
                held = time.monotonic() - began
                assert held < 5.0, f"{step + 1} calls of log took {held:.1f} s while the backend hung"
        finally:
            gate.set()
    said = [(step, {"a/value": float(step)}) for step in range(2000)]
    compare(case, found_rows(case, tracker.run), expected_rows(case, said))


def a_failure_is_told_not_fatal(case: Case, folder: Path) -> None:
    """A backend that raises stops nothing, is told once, and has every row in the end."""
    if case.name in WORDS:
        return
    failures = [3]

    def write_sometimes(self: Any, rows: Any, super_write: Callable[[Any], None]) -> None:
        if failures[0]:
            failures[0] -= 1
            raise OSError("planted: the place is full")
        super_write(rows)

    with _messages() as told, _altered(case, write=write_sometimes):
        with case.open(folder, name="failing") as tracker:
            for step in range(20):
                tracker.log({"a/value": float(step)}, step=step)
                time.sleep(0.01)
        report = tracker.finish()
    assert report.complete, f"rows are still owed: {report}"
    said = [(step, {"a/value": float(step)}) for step in range(20)]
    compare(case, found_rows(case, tracker.run), expected_rows(case, said))
    about = [text for text in told if "planted" in text]
    assert len(about) == 1, f"the failure was told {len(about)} times: {about}"


def numbers_survive(case: Case, folder: Path) -> None:
    """Every number comes back to the backend's precision, and a float stays a float in the journal."""
    with case.open(folder, name="numbers") as tracker:
        tracker.log(NUMBERS, step=3)
    compare(case, found_rows(case, tracker.run), expected_rows(case, [(3, NUMBERS)]))
    (row,) = read_run("numbers", folder).rows()
    for tag, value in NUMBERS.items():
        assert type(row.metrics[tag]) is type(value), (
            f"{tag} is {row.metrics[tag]!r} in the journal, was {value!r}"
        )
    with case.open(folder, name="numbers") as tracker:
        for tag in ("_step", "\ud800", ""):
            _refused(InvalidTagError, partial(tracker.log, {tag: 1.0}, step=4))


def rows_arrive_in_order(case: Case, folder: Path) -> None:
    """Rows of several threads arrive in the order of the calls."""
    said: list[tuple[int, dict[str, float]]] = []
    lock = threading.Lock()
    with case.open(folder, name="ordered") as tracker:

        def log_some() -> None:
            for _ in range(50):
                with lock:
                    step = len(said)
                    said.append((step, {"a/value": float(step)}))
                    tracker.log(said[-1][1], step=step)

        threads = [threading.Thread(target=log_some) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _refused(StepOrderError, lambda: tracker.log({"a/value": 0.0}, step=198))
        _refused(StepOrderError, lambda: tracker.log({"a/value": 0.0}, step=199))
    compare(case, found_rows(case, tracker.run), expected_rows(case, said))


def one_writer(case: Case, folder: Path) -> None:
    """A second tracker on a live run is refused, another process index writes nothing, a dead lock is free."""
    with case.open(folder, name="mine") as tracker:
        tracker.log({"a/value": 1.0}, step=0)
        _refused(RunInUseError, lambda: case.open(folder, name="mine"))
        with case.open(folder, name="mine", process_index=1) as other:
            other.log({"a/value": 9.0}, step=0)
        assert other.run.folder is None, "a process that is not the first has a folder"
    with case.open(folder, name="mine") as tracker:
        tracker.log({"a/value": 2.0}, step=1)
    said = [(0, {"a/value": 1.0}), (1, {"a/value": 2.0})]
    compare(case, found_rows(case, tracker.run), expected_rows(case, said))


def a_new_run_is_new(case: Case, folder: Path) -> None:
    """An automatic name never attaches to an older run."""
    with case.open(folder, prefix="new") as first:
        first.log({"a/value": 1.0}, step=0)
    with case.open(folder, prefix="new") as second:
        second.log({"a/value": 2.0}, step=0)
    assert first.run.name != second.run.name, f"both runs are called {first.run.name}"
    assert first.run.uid != second.run.uid, "both runs have one uid"
    compare(case, found_rows(case, first.run), expected_rows(case, [(0, {"a/value": 1.0})]))
    compare(case, found_rows(case, second.run), expected_rows(case, [(0, {"a/value": 2.0})]))


def the_end_is_final_and_true(case: Case, folder: Path) -> None:
    """``finish`` twice is one end, a call after it is an error, and the status is what happened."""
    tracker = case.open(folder, name="ended")
    tracker.log({"a/value": 1.0}, step=0)
    report = tracker.finish()
    assert tracker.finish() is report, "a second finish gave another report"
    _refused(TrackingError, lambda: tracker.log({"a/value": 1.0}, step=1))
    assert read_run("ended", folder).status == "finished"
    try:
        with case.open(folder, name="broken") as tracker:
            tracker.log({"a/value": 1.0}, step=0)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert read_run("broken", folder).status == "failed"


def no_way_out_of_the_folder(case: Case, folder: Path) -> None:
    """Names that would lead elsewhere are refused, and nothing is made."""
    root = folder / "runs"
    for name in ("../x", "/x", "", "a\nb", "..", "x" * 101, ".x", "x.", "a/b", "a\\b", "ä"):
        _refused(InvalidNameError, partial(case.open, root, name=name))
        _refused(InvalidNameError, partial(case.open, root, suffix=name))
        _refused(InvalidNameError, partial(case.open, root, project=name))
    assert not root.exists() or not list(root.iterdir()), f"a refused name left {list(root.iterdir())}"


def importing_is_light(case: Case, folder: Path) -> None:
    """Importing the package imports nothing heavy."""
    del case, folder
    heavy = {
        "jax",
        "flax",
        "numpy",
        "wandb",
        "tensorboardX",
        "msgspec",
        "hashlib",
        "uuid",
        "socket",
        "tempfile",
    }
    heavy |= {"importlib.metadata"}
    code = f"import sys; from hackmatrix.tracking import *; print(*({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    assert not done.stdout.split(), f"import hackmatrix.tracking imports {done.stdout.split()}"


def the_callers_data_is_the_callers(case: Case, folder: Path) -> None:
    """What is changed after ``log`` does not change the row."""

    class Changing:
        """A number that is another one next time, as an array is that is written in place."""

        value = 1.0

        def __float__(self) -> float:
            return self.value

    number, metrics = Changing(), {"a/value": 1.0}
    with case.open(folder, name="kept") as tracker:
        tracker.log(metrics | {"b/value": number}, step=0)
        tracker.log(metrics, step=1)
        metrics["a/value"] = number.value = 9.0
        metrics["c/value"] = 9.0
    said = [(0, {"a/value": 1.0, "b/value": 1.0}), (1, {"a/value": 1.0})]
    compare(case, found_rows(case, tracker.run), expected_rows(case, said))


GUARANTEES: tuple[Guarantee, ...] = (
    nothing_said_is_lost,
    each_step_stands_once,
    torn_is_not_broken,
    never_in_the_way,
    a_failure_is_told_not_fatal,
    numbers_survive,
    rows_arrive_in_order,
    one_writer,
    a_new_run_is_new,
    the_end_is_final_and_true,
    no_way_out_of_the_folder,
    importing_is_light,
    the_callers_data_is_the_callers,
)


def _refused(kind: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except kind as error:
        assert str(error), f"{kind.__name__} says nothing"
        return
    raise AssertionError(f"expected {kind.__name__}, and nothing was raised")


@contextmanager
def _altered(case: Case, write: Callable[[Any, Any, Callable[[Any], None]], None]) -> Iterator[None]:
    """The backend, as it is but for ``write``."""
    original: type[Backend] = load_backend(case.name)

    class Altered(original):  # type: ignore[misc, valid-type]  # the class is known at run time only
        def write(self, rows: list[Row]) -> None:
            write(self, rows, super().write)

    with replaced(case.name, Altered):
        yield


@contextmanager
def _messages() -> Iterator[list[str]]:
    """What the package says meanwhile."""
    told: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, keep = logging.getLogger("hackmatrix.tracking"), Keep()
    logger.addHandler(keep)
    try:
        yield told
    finally:
        logger.removeHandler(keep)
