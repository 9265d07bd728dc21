"""Whatever a backend does, each step reaches it once, or is counted as owed."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import follower as module
from hackmatrix.tracking import records as records_module
from hackmatrix.tracking.errors import BackendSetupError, BackendUnreachableError, RunConflictError
from hackmatrix.tracking.follower import Ending, Follower
from hackmatrix.tracking.journal import Journal
from hackmatrix.tracking.lines import encode_objects, encode_rows
from hackmatrix.tracking.protocol import (
    ArtifactRecord,
    Config,
    MediaRecord,
    Number,
    Precision,
    Row,
    RunInfo,
    Status,
)
from hackmatrix.tracking.records import RecordReader, artifact_line, media_line
from hackmatrix.tracking.run_folder import RunFolder

ROWS = [
    Row(0, 1.0, 0.0, {"a": 0.5}),
    Row(1, 1.0, 0.0, {"a": 1.5}),
    Row(1, 1.5, 0.0, {"b": 7}),
    Row(2, 2.0, 0.0, {"a": 2.5}),
    Row(4, 4.0, 0.0, {"a": 4.5}),
    Row(5, 5.0, 0.0, {"a": 5.5}),
    Row(5, 5.5, 0.0, {"b": 8}),
]
WHOLE = {0: {"a": 0.5}, 1: {"a": 1.5, "b": 7}, 2: {"a": 2.5}, 4: {"a": 4.5}, 5: {"a": 5.5, "b": 8}}


def _nothing(call: str) -> None:
    pass


class Place:
    """Where rows end up; outlives the backend objects that carry them there.

    With ``discards`` false it cannot drop a row, and keeps a part of a step only until its object goes.
    """

    def __init__(self, *, discards: bool = True) -> None:
        self.discards = discards
        self.rows: list[Row] = []
        self.media: list[tuple[int, str]] = []
        self.artifacts: list[str] = []
        self.calls: list[str] = []
        self.before: Callable[[str], None] = _nothing
        self.lost_at_close = 0

    def held(self) -> int | None:
        return self.rows[-1].step if self.rows else None

    def folded(self) -> dict[int, dict[str, Number]]:
        found: dict[int, dict[str, Number]] = {}
        for row in self.rows:
            assert row.step >= max(found, default=0), "steps fall"
            held = found.setdefault(row.step, {})
            assert not held.keys() & row.metrics.keys(), f"step {row.step} holds a tag twice"
            held.update(row.metrics)
        return found


class PlaceBackend:
    """Carries rows to a place, and fails when the place says so: before a call, or half-way through a write."""

    precision: Precision = "float64"

    def __init__(self, place: Place) -> None:
        self.place, self.url = place, None
        self.part: Row | None = None

    def _call(self, name: str) -> None:
        self.place.calls.append(name)
        self.place.before(name)

    def open(self, run: RunInfo, config: Config) -> int | None:
        self._call("open")
        return self.place.held()

    def discard_after(self, step: int | None) -> bool:
        self._call("discard_after")
        if self.place.discards:
            kept = [row for row in self.place.rows if step is not None and row.step <= step]
            self.place.rows[:] = kept
        return self.place.discards

    def write(self, rows: Sequence[Row]) -> None:
        assert rows, "nothing was handed over"
        for row in rows:
            self._call("write")
            if self.part is not None and self.part.step == row.step:
                row = row._replace(metrics={**self.part.metrics, **row.metrics})  # noqa: PLW2901 - the rest of it
            elif self.part is not None:
                self.place.rows.append(self.part)
            self.part = None
            if row.whole or self.place.discards:
                self.place.rows.append(row)
            else:
                self.part = row

    def flush(self, timeout: float) -> None:
        assert timeout > 0
        self._call("flush")

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        assert timeout >= 0
        if status is None:
            return None
        self._call("close")
        if self.part is not None:
            self.place.rows.append(self.part)
        if self.place.lost_at_close:
            self.place.lost_at_close -= 1
            del self.place.rows[-2:]
        return self.place.held()


class ShowingBackend(PlaceBackend):
    """One that also shows texts and keeps files."""

    def write_media(self, record: MediaRecord, path: Path | None) -> bool:
        self._call("write_media")
        if record.kind == "text":
            self.place.media.append((record.step, record.data["text"]))
        return record.kind == "text"

    def put_artifact(self, record: ArtifactRecord, files: Mapping[str, Path], keep: int | None) -> None:
        self._call("put_artifact")
        assert files
        self.place.artifacts.append(f"{record.name}@{record.step}")

    def get_artifact(self, *rest: Any) -> None:
        raise NotImplementedError


class Following:
    """A follower and the journals that it follows."""

    def __init__(
        self, folder: Path, place: Place, kind: type[PlaceBackend] = PlaceBackend, **run: Any
    ) -> None:
        self.place = place
        self.folder = RunFolder(folder)
        self.metrics = Journal(self.folder.metrics)
        self.records = Journal(self.folder.records)
        info = RunInfo(id="0", name="run", uid="u", project="p", folder=folder, **run)
        self.follower = Follower(
            "place", lambda: kind(place), info, {}, self.metrics,
            RecordReader(self.folder, self.records, "place"), command="deliver it",
        )  # fmt: skip

    def say(self, *rows: Row) -> None:
        self.metrics.append(encode_rows(rows))
        self.follower.notify()

    def record(self, *lines: Mapping[str, Any]) -> None:
        self.records.append(encode_objects([dict(line) for line in lines]))

    def flush(self, seconds: float = 20.0) -> bool:
        return self.follower.flush(time.monotonic() + seconds)

    def finish(self, seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        self.follower.end(Ending("finished", {"best": 1.0}, deadline, seconds))
        return self.follower.join(deadline)

    def live(self) -> Any:
        """A run in three parts, with a flush after the second."""
        self.follower.start()
        self.say(*ROWS[:2])
        self.flush(0.5)
        self.say(*ROWS[2:6])
        self.flush(0.5)
        self.say(*ROWS[6:])
        return self.finish()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST_WAIT_S", "_LONGEST_WAIT_S", "_LAST_WAIT_S"):
        monkeypatch.setattr(module, name, 0.002)
    monkeypatch.setattr(module, "_NO_UPLOAD_S", 0.2)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def fail_at(place: Place, name: str, which: int, error: BaseException, times: int = 1) -> None:
    def before(call: str) -> None:
        count = place.calls.count(name)
        if call == name and which < count <= which + times:
            raise error

    place.before = before


@pytest.mark.parametrize("discards", [True, False])
def test_a_run_without_failures_is_complete(tmp_path: Path, *, discards: bool) -> None:
    following = Following(tmp_path, Place(discards=discards))
    report = following.live()
    assert following.place.folded() == WHOLE
    assert (report.handed_over, report.confirmed, report.pending) == (5, 5, 0)
    assert (report.problem, report.command) == (None, None)


@pytest.mark.parametrize("discards", [True, False])
@pytest.mark.parametrize("error", [OSError("full"), BackendUnreachableError("away"), SystemExit(1)], ids=repr)
@pytest.mark.parametrize("name", ["open", "discard_after", "write", "flush", "close"])
def test_a_failure_at_any_call_is_mended_by_a_new_object(
    tmp_path: Path, name: str, error: BaseException, *, discards: bool
) -> None:
    for which in range(9):
        (tmp_path / str(which)).mkdir()
        place = Place(discards=discards)
        place.rows = ROWS[:1]  # from an earlier attempt, so that there is something to discard
        following = Following(tmp_path / str(which), place)
        fail_at(place, name, which, error)
        report = following.live()
        assert place.folded() == WHOLE, f"{name} failed at call {which + 1}"
        assert (report.pending, report.problem) == (0, None)
        if place.calls.count(name) <= which:
            break
        assert following.follower.failures == 1
        assert place.calls.count("open") == 2
    assert which > 0


def test_a_backend_that_fails_often_has_every_row_in_the_end(tmp_path: Path) -> None:
    place = Place()
    fail_at(place, "write", 0, OSError("full"), times=7)
    following = Following(tmp_path, place)
    assert following.live().pending == 0
    assert place.folded() == WHOLE
    assert following.follower.failures == 7


def test_a_failure_is_told_once_while_it_lasts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    fail_at(place, "write", 0, OSError("planted"), times=9)
    Following(tmp_path, place).live()
    assert sum("planted" in message for message in caplog.messages) == 1
    assert sum("takes rows again" in message for message in caplog.messages) == 1


def test_a_flush_says_no_soon_when_the_backend_fails_and_yes_when_it_is_well(tmp_path: Path) -> None:
    place = Place()
    following = Following(tmp_path, place)
    following.follower.start()
    fail_at(place, "write", 0, OSError("full"), times=10**9)
    following.say(*ROWS)
    began = time.monotonic()
    for _ in range(3):
        assert not following.flush(60.0)
    assert time.monotonic() - began < 30
    place.before = _nothing
    until(following.flush)
    assert place.folded() == WHOLE
    following.finish()


def test_a_flush_says_no_for_what_was_flushed_when_the_backend_lost_it(tmp_path: Path) -> None:
    place = Place()
    following = Following(tmp_path, place)
    following.follower.start()
    following.say(*ROWS[:4])
    assert following.flush()
    fail_at(place, "write", place.calls.count("write"), OSError("full"), times=10**9)
    following.say(*ROWS[4:])
    until(lambda: following.follower.failures > 0)
    assert not following.flush(), "it is failing"
    place.before = _nothing
    until(following.flush)
    assert place.folded() == WHOLE
    following.finish()


def test_a_flush_too_slow_for_its_caller_is_no_failure(tmp_path: Path) -> None:
    place = Place()
    following = Following(tmp_path, place)
    fail_at(place, "flush", 0, TimeoutError("not yet"))
    following.follower.start()
    following.say(*ROWS)
    assert not following.flush(0.3)
    assert following.flush()
    assert following.follower.failures == 0
    assert following.finish().pending == 0
    assert place.calls.count("open") == 1


@pytest.mark.parametrize("name", ["open", "write", "flush", "close"])
def test_a_backend_that_hangs_holds_neither_flush_nor_the_end(tmp_path: Path, name: str) -> None:
    place, gate = Place(), threading.Event()

    def hang(call: str) -> None:
        if call == name:
            assert gate.wait(30)

    place.before = hang
    following = Following(tmp_path, place)
    following.follower.start()
    following.say(*ROWS)
    if name != "close":
        assert not following.flush(0.2)
    report = following.finish(0.3)
    assert report.problem == "it did not answer in time"
    assert (report.pending, report.command) == (5, "deliver it")
    gate.set()


def test_a_place_that_never_comes_back_does_not_hold_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REFUSED_S", 0.3)
    place = Place()
    following = Following(tmp_path, place)
    fail_at(place, "open", 0, BackendUnreachableError("refused"), times=10**9)
    following.follower.start()
    following.say(*ROWS)
    report = following.finish(60.0)
    assert report.pending == 5
    assert report.problem == "refused"
    assert not following.follower._thread.is_alive(), "it should have stopped waiting by itself"


def test_what_keeps_failing_is_reported_at_the_deadline(tmp_path: Path) -> None:
    place = Place()
    following = Following(tmp_path, place)
    fail_at(place, "write", 2, ValueError("odd"), times=10**9)
    following.follower.start()
    following.say(*ROWS)
    report = following.finish(0.5)
    assert report.problem == "ValueError: odd"
    assert report.pending == 5, "nothing was confirmed"
    assert report.command == "deliver it"


@pytest.mark.parametrize("error", [BackendSetupError("log in"), RunConflictError("another run")], ids=repr)
def test_what_only_the_user_can_mend_is_raised_to_who_waits_for_the_first_try(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place()
    fail_at(place, "open", 0, error, times=10**9)
    following = Following(tmp_path, place)
    following.follower.start()
    with pytest.raises(type(error)):
        following.follower.await_first_try(20.0)
    following.follower.abandon()
    assert place.calls.count("open") == 1, "there is no point in trying again"
    assert caplog.messages == []


def test_what_only_the_user_can_mend_is_told_when_nobody_waits_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, gate = Place(), threading.Event()

    def late(call: str) -> None:
        assert gate.wait(30)
        raise BackendSetupError("log in")

    place.before = late
    following = Following(tmp_path, place)
    following.follower.start()
    following.follower.await_first_try(0.05)
    gate.set()
    following.say(*ROWS)
    until(lambda: not following.follower._thread.is_alive())
    assert sum("log in" in message for message in caplog.messages) == 1
    assert not following.flush()
    report = following.finish()
    assert (report.pending, report.problem, report.command) == (5, "log in", "deliver it")


def test_a_setup_error_in_the_middle_of_an_outage_is_told_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place()
    following = Following(tmp_path, place)

    def before(call: str) -> None:
        if call == "write":
            raise OSError("planted")
        if call == "open" and "write" in place.calls:
            raise BackendSetupError("the key was withdrawn")

    place.before = before
    following.follower.start()
    following.follower.await_first_try(20.0)
    following.say(*ROWS)
    until(lambda: not following.follower._thread.is_alive())
    assert sum("withdrawn" in message for message in caplog.messages) == 1
    assert following.finish().problem == "the key was withdrawn"


def test_a_place_that_confirms_less_is_given_the_rest_again(tmp_path: Path) -> None:
    place = Place()
    place.lost_at_close = 2
    report = Following(tmp_path, place).live()
    assert place.folded() == WHOLE
    assert (report.confirmed, report.pending, report.problem) == (5, 0, None)
    assert place.calls.count("open") == 3


def test_a_place_that_never_confirms_all_is_reported_with_what_is_missing(tmp_path: Path) -> None:
    place = Place()
    place.lost_at_close = 10**9
    following = Following(tmp_path, place)
    following.follower.start()
    following.say(*ROWS)
    report = following.finish(0.5)
    assert (report.handed_over, report.confirmed, report.pending) == (5, 2, 2)
    assert "it confirms steps up to 2" in report.problem
    assert report.command == "deliver it"


@pytest.mark.parametrize(
    ("held", "last", "discarded"),
    [
        ([0, 1, 2], 2, 1),  # the newest may be there in part
        ([0, 1, 2, 3, 4], 2, 2),  # more than the run goes on from
        ([0, 1], 4, 0),  # less: what it lacks is sent
        ([0, 1, 2], None, None),  # the run begins anew
        ([0], 5, None),
    ],
)
def test_an_attempt_begins_by_dropping_what_may_be_wrong(
    tmp_path: Path, held: list[int], last: int | None, discarded: int | None
) -> None:
    place, asked = Place(), []
    place.rows = [Row(step, 1.0, 0.0, {"old": step}) for step in held]

    class Asked(PlaceBackend):
        def discard_after(self, step: int | None) -> bool:
            asked.append(step)
            return super().discard_after(step)

    following = Following(tmp_path, place, Asked, last_step=last)
    following.say(*ROWS)
    following.follower.start()
    report = following.finish()
    assert asked == [discarded]
    kept = {step: {"old": step} for step in held if discarded is not None and step <= discarded}
    assert place.folded() == {**kept, **{step: row for step, row in WHOLE.items() if step not in kept}}
    assert report.kept is None


def test_steps_that_a_place_cannot_drop_are_not_sent_again_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(discards=False)
    place.rows = [Row(step, 1.0, 0.0, {"old": step}) for step in range(4)]
    following = Following(tmp_path, place, last_step=1)
    following.say(*ROWS)
    following.follower.start()
    report = following.finish()
    assert report.kept == (2, 3)
    assert place.folded() == {**{step: {"old": step} for step in range(4)}, 4: WHOLE[4], 5: WHOLE[5]}
    assert any("steps 2 to 3" in message for message in caplog.messages)


def text(step: int, words: str) -> dict[str, Any]:
    return media_line(MediaRecord(kind="text", tag="note", step=step, timestamp=1.0, data={"text": words}))


def artifact(folder: Path, name: str, step: int, **more: Any) -> dict[str, Any]:
    place = folder / "artifacts" / f"{name}-{step}"
    place.mkdir(parents=True)
    (place / "file").write_text("x")
    record = ArtifactRecord(
        name=name, type="file", step=step, digest=f"{name}{step}", aliases=more.get("aliases", ())
    )
    return artifact_line(record, f"artifacts/{place.name}", more.get("keep"), upload=more.get("upload", True))


def test_media_go_just_before_the_row_of_their_step_and_once(tmp_path: Path) -> None:
    for which in range(12):
        folder = tmp_path / str(which)
        folder.mkdir()
        place = Place()
        following = Following(folder, place, ShowingBackend)
        fail_at(place, "write", which, OSError("full"))
        following.record(text(1, "one"), text(3, "three"), text(5, "five"), text(9, "nine"))
        assert following.live().pending == 0
        assert place.folded() == WHOLE
        assert {words for _, words in place.media} == {"one", "three", "five", "nine"}
        again = len(place.media) - 4
        assert again <= (1 if place.calls.count("write") > which else 0), (
            "only a failing step's are sent again"
        )


def test_an_unsupported_histogram_becomes_its_moments_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = {"counts": [1, 1], "edges": [0, 1, 2], "min": 0.5, "max": 1.5, "sum": 2.0, "sum_squares": 2.5}
    place = Place()
    following = Following(tmp_path, place)
    lines = [
        media_line(MediaRecord(kind="histogram", tag="h", step=step, timestamp=1.0, data=data))
        for step in (2, 3)
    ]
    following.record(*lines)
    assert following.live().pending == 0
    moments = {"h/mean": 1.0, "h/std": 0.5, "h/min": 0.5, "h/max": 1.5}
    assert place.folded() == {**WHOLE, 2: {**WHOLE[2], **moments}, 3: moments}
    assert sum("moments" in message for message in caplog.messages) == 1


def test_artifacts_that_fail_hold_no_row_back_and_are_owed(tmp_path: Path) -> None:
    place = Place()
    following = Following(tmp_path, place, ShowingBackend)
    fail_at(place, "put_artifact", 0, OSError("too large"), times=10**9)
    following.record(artifact(tmp_path, "model", 1))
    following.follower.start()
    following.say(*ROWS)
    until(lambda: len(place.folded()) == 4)
    report = following.finish(1.0)
    assert place.folded() == WHOLE
    assert report.pending == 0
    assert report.problem == "1 artifacts were not delivered"
    assert report.command == "deliver it"


def test_a_short_end_still_has_time_for_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the waits as they are: of a long end, none is begun in the last 20 s
    assert Ending("finished", {}, 100.0, 60.0).uploads_until == 80.0
    assert Ending("finished", {}, 100.0, 15.0).uploads_until == 95.0
    place = Place()
    following = Following(tmp_path, place, ShowingBackend)
    following.record(artifact(tmp_path, "model", 1))
    following.say(*ROWS)
    following.follower.end(Ending("finished", {}, time.monotonic() + 15.0, 15.0))  # before it looks at all
    following.follower.start()
    assert following.follower.join(time.monotonic() + 15.0).problem is None
    assert place.artifacts == ["model@1"]


def test_a_failed_artifact_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "_RETRY_S", 0.01)
    place = Place()
    following = Following(tmp_path, place, ShowingBackend)
    fail_at(place, "put_artifact", 0, OSError("busy"), times=2)
    following.record(artifact(tmp_path, "model", 1), artifact(tmp_path, "model", 2))
    following.follower.start()
    until(lambda: len(place.artifacts) == 2)
    assert following.finish().problem is None
    assert place.artifacts == ["model@1", "model@2"]


def test_only_artifacts_that_are_still_wanted_and_here_are_delivered(tmp_path: Path) -> None:
    place = Place()
    following = Following(tmp_path, place, ShowingBackend)
    gone = artifact(tmp_path, "gone", 7)
    (tmp_path / gone["place"] / "file").unlink()
    (tmp_path / gone["place"]).rmdir()
    following.record(
        *(
            artifact(tmp_path, "c", step, keep=2, aliases=("best",) if step == 2 else ())
            for step in range(1, 7)
        ),
        artifact(tmp_path, "local", 7, upload=False),
        gone,
    )
    following.follower.start()
    assert following.finish().problem is None
    assert place.artifacts == ["c@2", "c@5", "c@6"]


def image(step: int, file: str) -> dict[str, Any]:
    data = {"file": file, "width": 1, "height": 1}
    return media_line(MediaRecord(kind="image", tag="a/view", step=step, timestamp=1.0, data=data))


def test_an_image_that_is_not_shown_becomes_an_artifact_also_after_a_failure(tmp_path: Path) -> None:
    for which in range(6):
        folder = tmp_path / str(which)
        (folder / "artifacts" / "image-1").mkdir(parents=True)
        (folder / "artifacts" / "image-1" / "image.png").write_bytes(b"png")
        place = Place()
        following = Following(folder, place, ShowingBackend)
        fail_at(place, "write", which, OSError("full"))
        following.record(image(1, "artifacts/image-1/image.png"))
        assert following.live().problem is None
        assert place.artifacts == ["image-a-view@1"]


def test_an_image_that_is_not_on_this_disk_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place()
    following = Following(tmp_path, place, ShowingBackend)
    following.record(image(1, "artifacts/image-1/image.png"), image(2, "artifacts/image-1/image.png"))
    assert following.live().problem is None
    assert place.folded() == WHOLE
    assert sum("not on this disk" in message for message in caplog.messages) == 1


def test_a_backend_that_was_never_started_is_reported_as_owed(tmp_path: Path) -> None:
    following = Following(tmp_path, Place())
    following.say(*ROWS)
    report = following.follower.join(time.monotonic())
    assert report.pending == 5
    assert report.command == "deliver it"
