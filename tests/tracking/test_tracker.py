"""What a loop holds: every call of it, and every way in which a process can leave it."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import FinishReport, find_run, open_tracker, read_run
from hackmatrix.tracking.errors import (
    ConfigValueError,
    InvalidNameError,
    MetricValueError,
    StepOrderError,
    TrackerClosedError,
    TrackingError,
)
from hackmatrix.tracking.protocol import Number, Row, Status
from hackmatrix.tracking.registry import replaced
from tests.tracking.list_backend import ListBackend


def opened(root: Path, **more: Any) -> Any:
    return open_tracker("jsonl", name="r", root=root, **more)


def rows(root: Path) -> list[tuple[int, dict[str, Number]]]:
    return [(row.step, row.metrics) for row in read_run("r", root).rows()]


def state(tracker: Any, step: int) -> Path:
    place: Path = tracker.run.folder / "checkpoints" / "tmp-state"
    place.mkdir(parents=True)
    (place / "state").write_text(str(step))
    return place


# Rows.


def test_several_calls_may_name_the_newest_step(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        tracker.log({"a": 1}, step=3)
        tracker.log({"b": 2}, step=3)
        with pytest.raises(StepOrderError, match="has 'a' already"):
            tracker.log({"a": 3}, step=3)
        tracker.log({}, step=4)
    assert rows(tmp_path) == [(3, {"a": 1, "b": 2}), (4, {})]


def test_a_refused_row_leaves_no_trace(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        for bad in ({"a": "text"}, {"a": None}, {"_a": 1.0}, {"a": 1j}):
            with pytest.raises(TrackingError):
                tracker.log(bad, step=0)
        tracker.log({"a": 1.0}, step=0)
    assert rows(tmp_path) == [(0, {"a": 1.0})]


def test_a_series_is_many_rows(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        tracker.log_series({"a": [1.5, 2.5], "b": [1, 2]}, steps=[3, 5], present={"b": [False, True]})
        tracker.log({"c": 1}, step=5)
        tracker.log_series({}, steps=[6])
        tracker.log_series({"a": []}, steps=[])
        tracker.log_series([[1.5, 2], [3.5, 4]], steps=[7, 8], tags=["p", "q"], present={"p": [True, False]})
    assert rows(tmp_path) == [
        (3, {"a": 1.5}), (5, {"a": 2.5, "b": 2, "c": 1}), (6, {}), (7, {"p": 1.5, "q": 2}), (8, {"q": 4}),
    ]  # fmt: skip


def test_a_tag_that_was_absent_from_the_newest_row_may_still_be_said(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        tracker.log_series({"a": [1, 2], "b": [1, 2]}, steps=[0, 1], present={"b": [True, False]})
        tracker.log_series({"b": [3, 4]}, steps=[1, 2])
        with pytest.raises(StepOrderError, match="'b'"):
            tracker.log({"b": 5}, step=2)
    assert rows(tmp_path) == [(0, {"a": 1, "b": 1}), (1, {"a": 2, "b": 3}), (2, {"b": 4})]


def test_a_packed_array_of_numpy_is_many_rows_and_keeps_bits(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy", reason="needs NumPy's arrays")
    packed = numpy.array([[0.1, numpy.nan], [1 / 3, 2.0]], dtype=numpy.float32)
    column = numpy.array([2**62 + 1, -1])
    with opened(tmp_path) as tracker:
        tracker.log_series(
            packed, steps=numpy.array([0, 1]), tags=["p", "q"], present={"q": numpy.array([False, True])}
        )
        tracker.log_series({"n": column}, steps=[2, 3])
        packed[:] = 0  # the caller's own
        column[:] = 0
    found = rows(tmp_path)
    assert found[:2] == [
        (0, {"p": float(numpy.float32(0.1))}),
        (1, {"p": float(numpy.float32(1 / 3)), "q": 2.0}),
    ]
    assert found[2:] == [(2, {"n": 2**62 + 1}), (3, {"n": -1})]


@pytest.mark.parametrize(
    ("columns", "more", "error"),
    [
        ({"a": [1, 2]}, {"steps": [1]}, MetricValueError),
        ({"a": [1, 2]}, {"steps": [1, 1]}, StepOrderError),
        ({"a": [1, 2]}, {"steps": [2, 1]}, StepOrderError),
        ({"a": [1]}, {"steps": [-1]}, StepOrderError),
        ({"a": [1]}, {"steps": [1.5]}, StepOrderError),
        ({"a": [1]}, {"steps": [0]}, StepOrderError),  # sealed
        ({"a": 1}, {"steps": [1]}, MetricValueError),
        ({"a": ["x"]}, {"steps": [1]}, MetricValueError),
        ({"a": [1]}, {"steps": [1], "present": {"b": [True]}}, MetricValueError),
        ({"a": [1]}, {"steps": [1], "present": {"a": [True, True]}}, MetricValueError),
        ([[1, 2]], {"steps": [1], "tags": ["p"]}, MetricValueError),
        ([[1, 2]], {"steps": [1], "tags": ["p", "p"]}, MetricValueError),
        ({"_a": [1]}, {"steps": [1]}, TrackingError),
    ],
)
def test_a_series_that_does_not_fit_is_refused_whole(
    tmp_path: Path, columns: Any, more: dict[str, Any], error: type[Exception]
) -> None:
    with opened(tmp_path) as tracker:
        tracker.log({"z": 1}, step=0)
        tracker.log_artifact(state(tracker, 0), name="checkpoint", step=0, with_journal=True)
        with pytest.raises(error):
            tracker.log_series(columns, **more)
    assert rows(tmp_path) == [(0, {"z": 1})]


def test_the_newest_value_of_a_summary_wins_over_all_attempts(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        tracker.log_summary({"best": 1.0, "first": 7})
        tracker.log_summary({"best": 2.0})
        with pytest.raises(TrackingError):
            tracker.log_summary({"best": "x"})
    with opened(tmp_path) as tracker:
        tracker.log_summary({"last": 3})
    assert read_run("r", tmp_path).summary == {"best": 2.0, "first": 7, "last": 3}


def test_active_seconds_go_on_over_attempts(tmp_path: Path) -> None:
    for step in range(2):
        with opened(tmp_path) as tracker:
            time.sleep(0.05)
            tracker.log({"a": 1}, step=step)
    first, second = (row.runtime for row in read_run("r", tmp_path).rows())
    assert first >= 0.05
    assert second >= first + 0.05


# Checkpoints, artifacts and media.


def test_a_checkpoint_seals_its_step_and_holds_the_rows_up_to_it(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        tracker.log({"a": 1}, step=2)
        tracker.log_artifact(state(tracker, 2), name="checkpoint", step=2, with_journal=True)
        with pytest.raises(StepOrderError, match="sealed"):
            tracker.log({"b": 1}, step=2)
        with pytest.raises(StepOrderError, match="sealed"):
            tracker.log_text("note", "late", step=2)
        with pytest.raises(StepOrderError):
            tracker.log_artifact(state(tracker, 1), name="checkpoint", step=1, with_journal=True)
        tracker.log({"b": 1}, step=3)
    pieces = (tmp_path / "r" / "checkpoints" / "pieces").glob("metrics-*")
    assert [json.loads(line)["_step"] for piece in pieces for line in piece.read_text().splitlines()] == [2]


def test_a_checkpoint_that_is_not_there_seals_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        tracker.log({"a": 1}, step=2)
        with pytest.raises(FileNotFoundError):
            tracker.log_artifact(tmp_path / "nowhere", name="checkpoint", step=2, with_journal=True)
        tracker.log({"b": 1}, step=2)
    assert rows(tmp_path) == [(2, {"a": 1, "b": 1})]


def test_a_block_that_saves_becomes_a_checkpoint(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        for step in range(5):
            tracker.log({"a": step}, step=step)
            with tracker.checkpoint(step=step, keep=2, metadata={"note": step}) as folder:
                assert list(folder.iterdir()) == []
                (folder / "state").write_text(str(step))
    checkpoints = tmp_path / "r" / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["pieces", "step-3", "step-4"]
    found = find_run("r", root=tmp_path)
    assert found is not None
    fetched = found.fetch_checkpoint()
    assert fetched is not None
    assert (fetched / "state").read_text() == "4"
    last = read_run("r", tmp_path).records()[-1]
    assert (last["name"], last["type"], last["metadata"]) == ("checkpoint", "model", {"note": 4})


def test_a_block_that_raises_saves_nothing_and_seals_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        tracker.log({"a": 1}, step=2)
        with pytest.raises(FileNotFoundError), tracker.checkpoint(step=2) as folder:
            (folder / "deep").mkdir() or (tmp_path / "nowhere").read_text()
        tracker.log({"b": 1}, step=2)
        with tracker.checkpoint(step=2) as folder:
            assert list(folder.iterdir()) == []
        with pytest.raises(StepOrderError, match="cannot be saved"), tracker.checkpoint(step=1):
            pass
        assert sorted(path.name for path in (tmp_path / "r" / "checkpoints").iterdir()) == [
            "pieces",
            "step-2",
        ]
    with pytest.raises(TrackerClosedError), tracker.checkpoint(step=3):
        pytest.fail("the block of a finished run was entered")


def test_every_process_goes_on_at_the_same_step_and_only_one_saves(tmp_path: Path) -> None:
    assert open_tracker("null").run.next_step == 0
    with opened(tmp_path) as tracker:
        assert tracker.run.next_step == 0
        for step in range(3):
            tracker.log({"a": step}, step=step)
            if step == 1:
                with tracker.checkpoint(step=step):
                    pass
    for process in (1, 0):
        found = find_run("r", root=tmp_path)
        assert found is not None
        assert found.fetch_checkpoint() is not None
        with open_tracker(resume=found, root=tmp_path, process_index=process) as tracker:
            assert tracker.run.next_step == 2
            with pytest.raises(StepOrderError):
                tracker.log({"a": 1}, step=1)
            tracker.log({"a": 2}, step=2)
            with tracker.checkpoint(step=2) as folder:
                (folder / "state").write_text(str(process))
            with pytest.raises(StepOrderError, match="sealed"):
                tracker.log({"b": 2}, step=2)
        assert not folder.exists(), "it was moved, or removed"
        checkpoint = tmp_path / "r" / "checkpoints" / "step-2"
        assert checkpoint.exists() == (process == 0)
    assert (checkpoint / "state").read_text() == "0"


def test_as_many_artifacts_are_kept_as_was_asked_for(tmp_path: Path) -> None:
    with opened(tmp_path) as tracker:
        for step in range(6):
            aliases = ["best"] if step == 1 else []
            tracker.log_artifact(
                state(tracker, step), name="checkpoint", step=step, keep=2, aliases=aliases, with_journal=True
            )
            (tmp_path / "model").write_text(f"model {step}")
            tracker.log_artifact(tmp_path / "model", name="model", step=step, keep=2, aliases=aliases)
            tracker.log_artifact(tmp_path / "model", name="all", step=step)
    assert sorted(path.name for path in (tmp_path / "r" / "checkpoints").glob("step-*")) == [
        "step-1", "step-4", "step-5",
    ]  # fmt: skip
    kept = {path.read_text() for path in (tmp_path / "r" / "artifacts").glob("*/model")}
    assert kept == {f"model {step}" for step in range(6)}, "what another name keeps was removed"
    assert len(read_run("r", tmp_path).records()) == 18


def test_an_artifact_is_copied_once_and_the_caller_keeps_his(tmp_path: Path) -> None:
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "deep" / "file").write_text("x")
    with opened(tmp_path) as tracker:
        tracker.log_artifact(tmp_path / "mine", name="data", step=0, metadata={"note": [1, "ä"]})
        tracker.log_artifact(tmp_path / "mine", name="data", step=1)
        (tmp_path / "mine" / "deep" / "file").write_text("changed")
    (place,) = (tmp_path / "r" / "artifacts").iterdir()
    assert (place / "deep" / "file").read_text() == "x"
    assert read_run("r", tmp_path).records()[0]["metadata"] == {"note": [1, "ä"]}


def test_bad_artifacts_are_refused_at_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with opened(tmp_path) as tracker:
        for more, error in (
            ({"name": "../x", "step": 0}, InvalidNameError),
            ({"name": "x", "step": 0, "aliases": ["a/b"]}, InvalidNameError),
            ({"name": "x", "step": -1}, StepOrderError),
            ({"name": "x", "step": 0, "metadata": {"a": object()}}, ConfigValueError),
            ({"name": "x", "step": 0, "metadata": {"_nonfinite": []}}, ConfigValueError),
        ):
            with pytest.raises(error):
                tracker.log_artifact(tmp_path / "file", **more)
        with pytest.raises(FileNotFoundError, match="nowhere"):
            tracker.log_artifact(tmp_path / "nowhere", name="x", step=0)
    assert read_run("r", tmp_path).records() == []


@pytest.mark.parametrize("names", ["jsonl", "null"])
def test_a_bad_checkpoint_is_refused_before_its_state_is_written(names: str, tmp_path: Path) -> None:
    with open_tracker(names, name="r", root=tmp_path) as tracker:
        for more, error in (
            ({"step": 0, "aliases": ["a/b"]}, InvalidNameError),
            ({"step": -1}, StepOrderError),
            ({"step": 0, "metadata": {"a": object()}}, ConfigValueError),
        ):
            with pytest.raises(error), tracker.checkpoint(**more):
                pytest.fail("the block was entered")


def test_media_are_recorded_as_they_were_at_the_call(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy", reason="needs NumPy to count and to paint")
    values, image = numpy.array([0.0, 1.0, numpy.nan, 1e200]), numpy.zeros((2, 3, 3))
    listed = [1.0, 2.0]
    with opened(tmp_path) as tracker:
        tracker.log_histogram("h", values, step=0, bins=4)
        tracker.log_histogram("l", listed, step=0, bins=2)
        tracker.log_text("t", "zwei\nZeilen", step=0)
        tracker.log_image("i", image, step=0)
        values[:], image[:] = 5.0, 1.0
        listed.append(99.0)
        for bad in (numpy.zeros(3), numpy.zeros((2, 2, 7)), numpy.zeros((0, 4)), 3):
            with pytest.raises(MetricValueError):
                tracker.log_image("i", bad, step=0)
        with pytest.raises(MetricValueError):
            tracker.log_text("t", 3, step=0)
        with pytest.raises(MetricValueError):
            tracker.log_histogram("h", values, step=0, bins=0)
    records = read_run("r", tmp_path).records()
    assert [record["kind"] for record in records] == ["histogram", "histogram", "text", "image"]
    assert records[0]["data"]["counts"] == [2, 0, 0, 1]
    assert records[0]["data"]["sum_squares"] == sys.float_info.max, "JSON has no infinity"
    assert records[1]["data"]["max"] == 2.0
    png = (tmp_path / "r" / records[3]["data"]["file"]).read_bytes()
    assert png.startswith(b"\x89PNG")
    assert b"\xff" * 9 not in png, "it was painted after the call"


# The end.


@pytest.mark.parametrize("status", ["finished", "failed", "interrupted", "preempted"])
def test_the_end_is_what_was_said(tmp_path: Path, status: Status) -> None:
    tracker = opened(tmp_path)
    tracker.log({"a": 1}, step=0)
    report = tracker.finish(status)
    assert tracker.finish("failed") is report
    assert (report.status, report.last_step, report.rows, report.complete) == (status, 0, 1, True)
    assert read_run("r", tmp_path).status == status
    for call in (
        lambda: tracker.log({"a": 1}, step=1),
        tracker.flush,
        lambda: tracker.log_summary({}),
    ):
        with pytest.raises(TrackerClosedError, match="was finished"):
            call()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, "finished"), (ValueError, "failed"), (KeyboardInterrupt, "interrupted"),
        (SystemExit(0), "finished"), (SystemExit(3), "interrupted"),
    ],
)  # fmt: skip
def test_with_ends_a_run_as_its_block_ended(tmp_path: Path, error: Any, status: str) -> None:
    def block() -> None:
        with opened(tmp_path) as tracker:
            tracker.log({"a": 1}, step=0)
            if error is not None:
                raise error

    if error is None:
        block()
    else:
        with pytest.raises(BaseException):  # noqa: B017 - whichever it was
            block()
    assert read_run("r", tmp_path).status == status


ENDS = {
    "raise ZeroDivisionError": "failed",
    "pass": "interrupted",
    "sys.exit(0)": "interrupted",
    "sys.exit(2)": "interrupted",
    "tracker.finish(); raise ZeroDivisionError": "finished",
    "raise KeyboardInterrupt": "interrupted",
    "tracker.flush(); os._exit(1)": "lost",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_process_that_leaves_without_a_word_says_what_happened(tmp_path: Path, end: str) -> None:
    code = (
        "import os, sys; from hackmatrix.tracking import open_tracker\n"
        "tracker = open_tracker('jsonl', name='r', root=sys.argv[1])\n"
        f"tracker.log({{'a': 1}}, step=0)\n{end}"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, timeout=60, check=False)
    assert read_run("r", tmp_path).status == ENDS[end]
    assert rows(tmp_path) == [(0, {"a": 1})]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
def test_a_forked_child_lets_go_and_never_writes(tmp_path: Path) -> None:
    code = """
import os, sys, time
from hackmatrix.tracking import open_tracker
with open_tracker("jsonl", name="r", root=sys.argv[1]) as tracker:
    tracker.log({"a": 1}, step=0)
    tracker._order.acquire()  # as another thread may at that instant
    child = os.fork()
    if child == 0:
        try:
            tracker.log({"a": 2}, step=1)
        except Exception as error:
            print(type(error).__name__, flush=True)
            sys.stdin.readline()  # outlives its parent
            sys.exit(0)
    tracker._order.release()
    tracker.log({"a": 3}, step=2)
print("parent", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {"TrackerClosedError\n", "parent\n"}
    process.wait(timeout=30)
    with opened(tmp_path) as tracker:  # the child lives, and holds nothing
        tracker.log({"a": 4}, step=3)
    process.communicate(timeout=30)
    assert [step for step, _ in rows(tmp_path)] == [0, 2, 3]
    assert [attempt["status"] for attempt in read_run("r", tmp_path).attempts] == ["finished"] * 2


def test_an_end_that_was_interrupted_is_finished_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = opened(tmp_path)
    tracker.log({"a": 1}, step=0)

    def interrupt(deadline: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(tracker._writer, "close", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tracker.finish()
    monkeypatch.undo()
    report = tracker.finish("interrupted")
    assert (report.rows, report.complete) == (1, True)
    assert read_run("r", tmp_path).status == "interrupted"
    opened(tmp_path).finish()


def test_two_threads_that_finish_get_one_report(tmp_path: Path) -> None:
    tracker = opened(tmp_path)
    reports: list[FinishReport] = []
    threads = [threading.Thread(target=lambda: reports.append(tracker.finish())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(report) for report in reports}) == 1
    assert len(reports) == 4


def test_the_end_waits_for_a_checkpoint_that_is_being_written_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun = threading.Event(), threading.Event()
    tracker = opened(tmp_path)
    bundle = tracker._artifacts.bundle

    def slow(*rest: Any, **more: Any) -> Any:
        begun.set()
        assert gate.wait(30)
        return bundle(*rest, **more)

    monkeypatch.setattr(tracker._artifacts, "bundle", slow)
    place = state(tracker, 0)
    tracker.log({"a": 1}, step=0)
    saving = threading.Thread(
        target=tracker.log_artifact,
        args=(place,),
        kwargs={"name": "checkpoint", "step": 0, "with_journal": True},
    )
    saving.start()
    assert begun.wait(30)
    assert tracker.finish(timeout=0.2).rows == 1
    with pytest.raises(TrackingError):
        opened(tmp_path)  # somebody still writes there
    gate.set()
    saving.join()
    assert (tmp_path / "r" / "checkpoints" / "step-0" / "manifest.json").exists()
    tracker._lock.release()


def test_a_save_that_waited_for_another_is_refused_after_the_end(tmp_path: Path) -> None:
    tracker = opened(tmp_path)
    refused: list[BaseException] = []
    (tmp_path / "file").touch()

    def save() -> None:
        try:
            tracker.log_artifact(tmp_path / "file", name="x", step=0)
        except TrackerClosedError as error:
            refused.append(error)

    with tracker._saving:
        thread = threading.Thread(target=save)
        thread.start()
        tracker.finish(timeout=0.1)
    thread.join()
    assert len(refused) == 1
    tracker._lock.release()


def test_a_tracker_whose_run_was_taken_over_stops_and_says_so(tmp_path: Path) -> None:
    tracker = opened(tmp_path)
    tracker.log({"a": 1}, step=0)
    assert tracker.flush()
    (tmp_path / "r" / "lock").unlink()
    with opened(tmp_path) as other:
        other.log({"a": 2}, step=1)
        other.flush()
        tracker.log({"a": 9}, step=1)
        assert not tracker.flush()
        with pytest.raises(TrackerClosedError, match="took the run over"):
            tracker.log({"a": 9}, step=2)
        assert tracker.finish().dropped_rows == 1
    assert rows(tmp_path) == [(0, {"a": 1}), (1, {"a": 2})]
    assert [attempt["status"] for attempt in read_run("r", tmp_path).attempts] == ["lost", "finished"]


class Failing(ListBackend):
    failing = True

    def write(self, rows: Any) -> None:
        if self.failing:
            raise ConnectionError("planted")
        super().write(rows)


def test_a_required_backend_that_begins_to_fail_is_raised_by_the_next_call(tmp_path: Path) -> None:
    with replaced("listing", Failing):
        tracker = open_tracker("listing", name="r", root=tmp_path, required=["listing"])
        tracker.log({"a": 1}, step=0)
        tracker.log({"a": 1}, step=1)
        assert not tracker.flush(10.0)
        with pytest.raises(TrackingError, match="planted"):
            tracker.log({"a": 1}, step=2)
        report = tracker.finish(timeout=0.2)
    assert report.backends["listing"].pending == 2


def test_the_report_names_what_is_missing_and_the_command_and_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with replaced("listing", Failing):
        tracker = open_tracker("listing", name="r", root=tmp_path)
        for step in range(3):
            tracker.log({"a": step}, step=step)
        report = tracker.finish(timeout=0.3)
    (told,) = [message for message in caplog.messages if "deliver it with" in message]
    assert "lacks 3 steps" in told
    assert "replay" in told
    assert not report.complete
    kept: Mapping[str, Any] = read_run("r", tmp_path).identity["report"]["backends"]["listing"]
    assert (kept["pending"], kept["confirmed"]) == (3, None)


def test_native_is_none_where_there_is_none_and_an_error_where_nobody_follows(tmp_path: Path) -> None:
    with open_tracker("listing", name="r", root=tmp_path) as tracker:
        assert tracker.native("listing") is None
        with pytest.raises(ValueError, match="listing"):
            tracker.native("wandb")


def test_the_url_of_a_backend_outlives_it(tmp_path: Path) -> None:
    with (
        replaced("listing", type("Named", (ListBackend,), {"url": "https://example/r"})),
        replaced("second", type("Second", (ListBackend,), {"url": "elsewhere"})),
        open_tracker("listing,second", name="r", root=tmp_path) as tracker,
    ):
        assert tracker.run.url == "https://example/r"
    assert tracker.run.url == "https://example/r"
    assert read_run("r", tmp_path).identity["url"] == "https://example/r"


def test_a_backend_gets_the_rows_that_the_journal_has(tmp_path: Path) -> None:
    from tests.tracking.list_backend import read_listing

    with open_tracker("listing", name="r", root=tmp_path) as tracker:
        for step in range(200):
            tracker.log({"a": step / 7}, step=step)
            if step % 50 == 0:
                assert tracker.flush()
    found: list[Row] = read_listing(tracker.run)
    assert [(row.step, row.metrics) for row in found] == rows(tmp_path)
