"""Which run is opened, what stands in the way, and that a failed open leaves nothing behind."""

import json
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import find_run, open_tracker, read_run
from hackmatrix.tracking.errors import (
    BackendSetupError,
    ConfigMismatchError,
    InvalidNameError,
    RunConflictError,
    RunExistsError,
    RunFolderError,
    RunInUseError,
    RunNotFoundError,
    TrackingError,
)
from hackmatrix.tracking.protocol import Config, Number, RunInfo, Status
from hackmatrix.tracking.registry import replaced
from tests.tracking.list_backend import ListBackend


def finished(root: Path, name: str, steps: int = 3, **more: Any) -> None:
    with open_tracker("jsonl", name=name, root=root, **more) as tracker:
        for step in range(tracker.run.next_step, steps):
            tracker.log({"a": step}, step=step)


def checkpoint(tracker: Any, step: int) -> None:
    place = tracker.run.folder / "checkpoints" / "tmp-state"
    place.mkdir(parents=True)
    (place / "state").write_text(str(step))
    tracker.log_artifact(place, name="checkpoint", step=step, with_journal=True)


def steps(root: Path, name: str) -> list[int]:
    return [row.step for row in read_run(name, root).rows()]


class Refusing(ListBackend):
    """Needs the user, in one way or another."""

    error: Exception = BackendSetupError("log in first")

    def open(self, run: RunInfo, config: Config) -> int | None:
        raise self.error


class Silent(ListBackend):
    """Fails for now."""

    def open(self, run: RunInfo, config: Config) -> int | None:
        raise ConnectionError("nobody there")


@contextmanager
def backend(kind: type[ListBackend], **attributes: Any) -> Iterator[None]:
    with replaced("listing", type("Altered", (kind,), attributes)):
        yield


def test_an_automatic_name_takes_the_next_number(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        with open_tracker(root=tmp_path, prefix="p", suffix="s") as tracker:
            names.append(tracker.run.name)
    assert [name.split("-")[3:] for name in names] == [["1", "s"], ["2", "s"], ["3", "s"]]


def test_many_processes_that_start_at_once_have_names_of_their_own(tmp_path: Path) -> None:
    code = (
        "import sys; from hackmatrix.tracking import open_tracker\n"
        "sys.stdin.readline()\n"
        "with open_tracker(root=sys.argv[1], prefix='p') as tracker: tracker.log({'a': 1}, step=0)\n"
        "print(tracker.run.name)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    names = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert len(set(names)) == 8, sorted(names)
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    assert {int(name.rsplit("-", 1)[1]) for name in names} == set(range(1, 9))


def test_a_name_that_a_backend_knows_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def taken(self: Any, name: str, project: str, entity: str | None) -> bool:
        return not name.endswith("-3")

    with (
        backend(ListBackend, taken=taken),
        open_tracker("listing", root=tmp_path, prefix="p") as tracker,
    ):
        pass
    assert tracker.run.name.endswith("-3")
    assert sum("next number" in message for message in caplog.messages) == 2
    assert [path.name for path in tmp_path.iterdir()] == [tracker.run.name]


def test_a_name_is_begun_or_gone_on_with_as_resume_says(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError):
        open_tracker(name="r", root=tmp_path, resume="must")
    assert list(tmp_path.iterdir()) == []
    finished(tmp_path, "r", resume="never")
    with pytest.raises(RunExistsError):
        open_tracker(name="r", root=tmp_path, resume="never")
    for resume in ("allow", "must"):
        with open_tracker(name="r", root=tmp_path, resume=resume) as tracker:
            assert (tracker.run.last_step, tracker.run.resumed) == (2, True)
    assert [attempt["number"] for attempt in read_run("r", tmp_path).attempts] == [0, 1, 2]


def test_never_is_asked_again_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hackmatrix.tracking import starting

    original = starting.RunLock

    def late(path: Path) -> Any:
        monkeypatch.setattr(starting, "RunLock", original)
        finished(tmp_path, "r")  # another process was faster
        return original(path)

    monkeypatch.setattr(starting, "RunLock", late)
    with pytest.raises(RunExistsError):
        open_tracker(name="r", root=tmp_path, resume="never")
    assert len(read_run("r", tmp_path).attempts) == 1


def test_another_config_is_refused_with_each_key_and_both_values(tmp_path: Path) -> None:
    finished(tmp_path, "r", config={"lr": 0.1, "seed": 3, "env": "x"})
    before = (tmp_path / "r" / "run.json").read_bytes()
    with pytest.raises(ConfigMismatchError) as caught:
        open_tracker(name="r", root=tmp_path, config={"lr": 0.2, "seed": 3, "env": "y"})
    for told in ("lr", "0.1", "0.2", "env", "'x'", "'y'"):
        assert told in str(caught.value)
    assert "seed" not in str(caught.value)
    assert (tmp_path / "r" / "run.json").read_bytes() == before
    with open_tracker(name="r", root=tmp_path, config={"lr": 0.2, "seed": 3, "env": "x"}, may_change=["lr"]):
        pass
    assert read_run("r", tmp_path).config["lr"] == 0.2
    with open_tracker(name="r", root=tmp_path):
        pass  # without a config the run's own holds


@pytest.mark.parametrize(
    "error", [BackendSetupError("log in first"), RunConflictError("another run")], ids=repr
)
def test_a_failed_open_leaves_nothing_behind(tmp_path: Path, error: Exception) -> None:
    with backend(Refusing, error=error):
        with pytest.raises(type(error)):
            open_tracker("listing", name="r", root=tmp_path)
        assert list(tmp_path.iterdir()) == []
    finished(tmp_path, "r")
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()}
    with backend(Refusing, error=error), pytest.raises(type(error)):
        open_tracker("listing", name="r", root=tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()} == before
    finished(tmp_path, "r", steps=5)  # nor a lock
    assert steps(tmp_path, "r") == [0, 1, 2, 3, 4]


def test_a_failed_open_of_a_new_run_leaves_no_folder_and_no_number(tmp_path: Path) -> None:
    with backend(Refusing), pytest.raises(BackendSetupError):
        open_tracker("listing", root=tmp_path, prefix="p")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_another_process_just_began_is_not_removed(tmp_path: Path) -> None:
    from hackmatrix.tracking import opening
    from hackmatrix.tracking.lock import RunLock

    held: list[RunLock] = []
    original = Path.mkdir

    def mkdir(self: Path, *rest: Any, **more: Any) -> None:
        original(self, *rest, **more)
        if self.name == "r":
            held.append(RunLock(self / "lock"))  # another is faster between the folder and the lock

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "mkdir", mkdir)
        with pytest.raises(RunInUseError):
            opening.open_tracker(name="r", root=tmp_path)
    assert held[0].still_ours(), "its folder was removed"
    held[0].release()


def test_a_live_run_is_refused(tmp_path: Path) -> None:
    with open_tracker(name="r", root=tmp_path), pytest.raises(RunInUseError, match="process"):
        open_tracker(name="r", root=tmp_path)


def test_a_folder_without_an_identity_is_no_run_and_is_used(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    assert find_run("r", root=tmp_path) is None
    finished(tmp_path, "r", resume="never")
    assert steps(tmp_path, "r") == [0, 1, 2]


def test_rows_without_an_identity_are_put_aside_and_not_taken_over(tmp_path: Path) -> None:
    finished(tmp_path, "r", steps=5)
    orphaned = (tmp_path / "r" / "metrics.jsonl").read_bytes()
    (tmp_path / "r" / "run.json").unlink()
    with open_tracker(name="r", root=tmp_path) as tracker:
        assert (tracker.run.last_step, tracker.run.resumed) == (None, False)
        tracker.log({"a": 7}, step=0)
    assert steps(tmp_path, "r") == [0]
    (aside,) = (tmp_path / "r" / "discarded").iterdir()
    assert aside.read_bytes() == orphaned


def test_a_damaged_identity_is_refused_and_left_alone(tmp_path: Path) -> None:
    finished(tmp_path, "r")
    whole = (tmp_path / "r" / "run.json").read_bytes()
    for size in range(0, len(whole.rstrip()), 37):
        (tmp_path / "r" / "run.json").write_bytes(whole[:size])
        with pytest.raises(RunFolderError, match=r"run\.json"):
            open_tracker(name="r", root=tmp_path)
        assert (tmp_path / "r" / "run.json").read_bytes() == whole[:size]
    (tmp_path / "r" / "run.json").write_bytes(whole)
    finished(tmp_path, "r", steps=4)


def test_a_run_that_went_on_since_it_was_found_is_refused(tmp_path: Path) -> None:
    finished(tmp_path, "r")
    found = find_run("r", root=tmp_path)
    assert found is not None
    finished(tmp_path, "r", steps=4)
    with pytest.raises(RunInUseError, match="went on meanwhile"):
        open_tracker(resume=found, root=tmp_path)
    assert steps(tmp_path, "r") == [0, 1, 2, 3]
    again = find_run("r", root=tmp_path)
    assert again is not None
    with open_tracker(resume=again, root=tmp_path) as tracker:
        assert tracker.run.last_step is None, "there is no checkpoint: it starts again"


def test_a_found_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    with open_tracker(name="r", root=tmp_path, config={"seed": 1}) as tracker:
        for step in range(6):
            tracker.log({"a": step}, step=step)
            if step in (1, 3):
                checkpoint(tracker, step)
    found = find_run("r", root=tmp_path)
    assert found is not None
    assert found.fetch_checkpoint() == tmp_path / "r" / "checkpoints" / "step-3"
    with open_tracker(resume=found, root=tmp_path) as tracker:
        assert (tracker.run.last_step, tracker.run.attempt) == (3, 1)
        tracker.log({"a": -4}, step=4)
    assert [row.metrics["a"] for row in read_run("r", tmp_path).rows()] == [0, 1, 2, 3, -4]
    with pytest.raises(RunNotFoundError, match="root"):
        open_tracker(resume=found, root=tmp_path / "elsewhere")


def test_without_a_root_the_journal_is_removed_when_all_was_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="root is None"):
        open_tracker("jsonl", root=None)
    with backend(ListBackend), open_tracker("listing", root=None) as tracker:
        tracker.log({"a": 1}, step=0)
        assert tracker.run.folder is not None
        assert tracker.run.folder.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with backend(Silent):
        tracker = open_tracker("listing", root=None)
        tracker.log({"a": 1}, step=0)
        assert not tracker.finish(timeout=0.2).complete
    assert tracker.run.folder is not None
    assert (tracker.run.folder / "metrics.jsonl").stat().st_size > 0
    assert any(str(tracker.run.folder) in message for message in caplog.messages)


def test_without_a_root_a_failed_open_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with backend(Refusing), pytest.raises(BackendSetupError):
        open_tracker("listing", root=None)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_the_root_unless_an_argument_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HACKMATRIX_DIR", str(tmp_path / "env"))
    with open_tracker(name="r") as tracker:
        assert tracker.run.folder == tmp_path / "env" / "r"
    with open_tracker(name="r", root=tmp_path / "given") as tracker:
        assert tracker.run.folder == tmp_path / "given" / "r"
    assert read_run("r").folder == tmp_path / "env" / "r"
    assert find_run("r") is not None


def test_a_root_that_cannot_be_written_is_an_error_at_open(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(RunFolderError, match="give a folder"):
            open_tracker(name="r", root=root)


def test_a_cell_that_is_run_again_finishes_what_it_opened_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shell = types.ModuleType("IPython")
    shell.get_ipython = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", shell)
    first = open_tracker(name="r", root=tmp_path)
    first.log({"a": 1}, step=0)
    second = open_tracker(name="r", root=tmp_path)
    assert second.run.last_step == 0
    third = open_tracker(root=tmp_path, prefix="p")
    assert [attempt["status"] for attempt in read_run("r", tmp_path).attempts] == ["interrupted"] * 2
    with pytest.raises(TrackingError):
        first.log({"a": 1}, step=1)
    third.finish()
    # Other tests may have left runs open, which are finished as well.
    assert sum(message.startswith("r, opened earlier in this notebook") for message in caplog.messages) == 2


def test_outside_a_notebook_two_runs_live_side_by_side(tmp_path: Path) -> None:
    with open_tracker(name="r", root=tmp_path) as one, open_tracker(name="s", root=tmp_path) as other:
        one.log({"a": 1}, step=0)
        other.log({"a": 1}, step=0)
    assert steps(tmp_path, "r") == steps(tmp_path, "s") == [0]


@pytest.mark.parametrize(("index", "writes"), [(0, True), (1, False), (None, True)])
def test_only_process_zero_writes(tmp_path: Path, index: int | None, *, writes: bool) -> None:
    with open_tracker(name="r", root=tmp_path, process_index=index) as tracker:
        tracker.log({"a": 1}, step=0)
    assert (tracker.run.folder is not None) == writes
    assert (tmp_path / "r").exists() == writes


def test_the_index_is_asked_of_jax_only_where_it_is_distributed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jax = types.ModuleType("jax")
    jax.distributed = types.SimpleNamespace(is_initialized=lambda: False)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jax", jax)
    with open_tracker(name="r", root=tmp_path) as tracker:
        assert tracker.run.folder is not None
    jax.distributed = types.SimpleNamespace(is_initialized=lambda: True)  # type: ignore[attr-defined]
    jax.process_index = lambda: 3  # type: ignore[attr-defined]
    with open_tracker(name="s", root=tmp_path) as tracker:
        assert tracker.run.folder is None


def test_a_required_backend_that_fails_is_raised(tmp_path: Path) -> None:
    with backend(Silent), pytest.raises(TrackingError, match="nobody there"):
        open_tracker("listing", name="r", root=tmp_path, required=["listing"])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TrackingError, match="opened are"):
        open_tracker("jsonl", name="r", root=tmp_path, required=["listing"])


def test_a_name_takes_no_prefix(tmp_path: Path) -> None:
    for more in ({"prefix": "p"}, {"suffix": "s"}):
        with pytest.raises(InvalidNameError):
            open_tracker(name="r", root=tmp_path, **more)


def test_labels_are_kept_and_newer_ones_win(tmp_path: Path) -> None:
    finished(tmp_path, "r", group="g", job_type="train", tags=["x"], notes="first")
    with open_tracker(name="r", root=tmp_path, notes="second", attempt={"devices": 4}) as tracker:
        run = tracker.run
    assert (run.group, run.job_type, run.tags, run.notes) == ("g", "train", ("x",), "second")
    identity = json.loads((tmp_path / "r" / "run.json").read_bytes())
    assert identity["attempts"][1]["devices"] == 4


class Closing(ListBackend):
    """Notes what it was closed with."""

    closed: list[Any]

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        self.closed.append((status, dict(summary)))
        return super().close(status, summary, timeout)


def test_a_backend_that_waits_for_another_failing_one_is_let_go(tmp_path: Path) -> None:
    closed: list[Any] = []
    with (
        backend(Refusing),
        replaced("second", type("Second", (Closing,), {"closed": closed})),
        pytest.raises(BackendSetupError),
    ):
        open_tracker("second,listing", name="r", root=tmp_path)
    assert [status for status, _ in closed] == ["failed"]
    assert list(tmp_path.iterdir()) == []
