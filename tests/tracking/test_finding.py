"""Runs are found on this disk and at backends, by name, id or config, and nothing is started by looking."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import find_run, open_tracker
from hackmatrix.tracking import finding as module
from hackmatrix.tracking.errors import (
    BackendSetupError,
    BackendUnreachableError,
    InvalidNameError,
    RunFolderError,
)
from hackmatrix.tracking.protocol import RemoteRun
from hackmatrix.tracking.registry import replaced
from tests.tracking.list_backend import ListBackend


def run(root: Path, name: str, *, saves: tuple[int, ...] = (), **more: Any) -> Any:
    with open_tracker("jsonl", name=name, root=root, **more) as tracker:
        for step in range(4):
            tracker.log({"a": step}, step=step)
            if step in saves:
                place = tracker.run.folder / "checkpoints" / "tmp-state"  # type: ignore[operator]  # it has one
                place.mkdir(parents=True)
                (place / "state").write_text(str(step))
                tracker.log_artifact(place, name="checkpoint", step=step, with_journal=True)
    return tracker.run


def test_a_run_is_found_by_name_and_by_id(tmp_path: Path) -> None:
    info = run(tmp_path, "r", saves=(1, 3), config={"seed": 1}, entity="team")
    run(tmp_path, "other")
    for key in ("r", info.id):
        found = find_run(key, root=tmp_path)
        assert found is not None
        assert (found.name, found.id, found.uid, found.entity) == ("r", info.id, info.uid, "team")
        assert (found.config, found.status, found.attempts) == ({"seed": 1}, "finished", 1)
        assert (found.step, found.places, found.folder) == (3, ("disk",), tmp_path / "r")


def test_a_copied_folder_is_found_as_it_is_and_never_written(tmp_path: Path) -> None:
    info = run(tmp_path, "r", saves=(1,), config={"seed": 1})
    shutil.copytree(tmp_path / "r", tmp_path / "copy")
    (tmp_path / "copy/checkpoints/step-1/state").write_text("damaged")
    found = find_run("copy", root=tmp_path)
    assert found is not None
    assert (found.folder, found.name) == (tmp_path / "copy", "r")
    assert found.fetch_checkpoint() is None, "the checkpoint of the original was taken"
    with pytest.raises(RunFolderError, match="rename it to 'r'"):
        open_tracker("jsonl", root=tmp_path, config={"seed": 1}, resume=found)
    with pytest.raises(RunFolderError, match="rename it to 'r'"):
        open_tracker("jsonl", root=tmp_path, name="copy")
    for sought in ({"name_or_id": info.id}, {"name_or_id": None, "config": {"seed": 1}}):
        found = find_run(**sought, root=tmp_path)
        assert found is not None
        assert found.folder == tmp_path / "r"


def test_what_is_nowhere_is_none(tmp_path: Path) -> None:
    assert find_run("r", root=tmp_path) is None
    assert find_run("r", root=tmp_path / "nowhere") is None
    assert find_run(None, root=tmp_path, config={"seed": 1}) is None
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidNameError):
        find_run("../x", root=tmp_path)
    with pytest.raises(ValueError, match="give a name"):
        find_run(None, root=tmp_path)


def test_the_newest_run_of_a_config_is_found(tmp_path: Path) -> None:
    run(tmp_path, "old", config={"seed": 1})
    run(tmp_path, "new", config={"seed": 1})
    run(tmp_path, "other", config={"seed": 2})
    found = find_run(None, root=tmp_path, config={"seed": 1})
    assert found is not None
    assert found.name == "new"
    with open_tracker("jsonl", name="old", root=tmp_path):
        pass  # it went on
    again = find_run(None, root=tmp_path, config={"seed": 1})
    assert again is not None
    assert (again.name, again.attempts) == ("old", 2)


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, "bad", config={"seed": 1})
    run(tmp_path, "good", config={"seed": 1})
    (tmp_path / "bad" / "run.json").write_text("{")
    found = find_run(None, root=tmp_path, config={"seed": 1})
    assert found is not None
    assert found.name == "good"
    assert any("run.json" in message for message in caplog.messages)


def test_a_live_run_is_running_and_a_killed_one_lost(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="r", root=tmp_path) as tracker:
        found = find_run("r", root=tmp_path)
        assert found is not None
        assert found.status == "running"
        tracker._lock.release()  # type: ignore[attr-defined]  # as the system does for the dead
        found = find_run("r", root=tmp_path)
        assert found is not None
        assert found.status == "lost"


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, "r", saves=(1, 3))
    (tmp_path / "r" / "checkpoints" / "step-3" / "state").write_text("33")
    found = find_run("r", root=tmp_path)
    assert found is not None
    assert found.fetch_checkpoint() == tmp_path / "r" / "checkpoints" / "step-1"
    assert found.step == 1
    assert any("SHA-256" in message for message in caplog.messages)
    (tmp_path / "r" / "checkpoints" / "step-1" / "state").unlink()
    assert found.fetch_checkpoint() is None
    assert found.step is None


def test_a_run_can_go_on_after_a_step_of_a_state_kept_elsewhere(tmp_path: Path) -> None:
    run(tmp_path, "r", saves=(1,))
    found = find_run("r", root=tmp_path)
    assert found is not None
    with open_tracker("jsonl", root=tmp_path, resume=found.cut_after(2)) as tracker:
        assert tracker.run.last_step == 2
        tracker.log({"a": -3}, step=3)


class Remote(ListBackend):
    """Knows runs of another machine, and hands out their checkpoints from its disk."""

    other: Path
    answer: Any = None
    asked: list[tuple[Any, ...]]

    def find(
        self, name: str | None, digest: str | None, project: str, entity: str | None
    ) -> RemoteRun | None:
        self.asked.append((name, digest, project, entity))
        if isinstance(self.answer, Exception):
            raise self.answer
        if callable(self.answer):
            self.answer()
        found = find_run(name, root=self.other) if name else None
        if found is None:
            return None
        steps = tuple(int(path.name[5:]) for path in (self.other / found.name / "checkpoints").glob("step-*"))
        return RemoteRun(
            name=found.name, uid=found.uid, project=project, entity=entity, config=found.config,
            status="lost", attempts=found.attempts, steps=tuple(sorted(steps)),
        )  # fmt: skip

    def put_artifact(self, *rest: Any) -> None:
        raise NotImplementedError

    def get_artifact(self, run: RemoteRun, name: str, version: int | str, into: Path) -> None:
        import shutil

        source = self.other / run.name / "checkpoints"
        shutil.copytree(source / f"step-{version}", into / f"step-{version}")
        shutil.copytree(source / "pieces", into / "pieces")


@contextmanager
def remote(other: Path, **more: Any) -> Iterator[list[tuple[Any, ...]]]:
    asked: list[tuple[Any, ...]] = []
    attributes: Mapping[str, Any] = {"other": other, "asked": asked, **more}
    with replaced("listing", type("Altered", (Remote,), dict(attributes))):
        yield asked


def test_a_run_of_another_machine_comes_back_with_its_history(tmp_path: Path) -> None:
    info = run(tmp_path / "other", "r", saves=(1, 3), config={"seed": 1})
    with remote(tmp_path / "other") as asked:
        found = find_run("r", root=tmp_path / "here", backends="listing", project="p", entity="e")
        assert asked == [("r", None, "p", "e")]
        assert found is not None
        assert (found.uid, found.step, found.places, found.identity) == (info.uid, 3, ("listing",), None)
        assert found.fetch_checkpoint() == tmp_path / "here" / "r" / "checkpoints" / "step-3"
    with open_tracker("jsonl", root=tmp_path / "here", resume=found) as tracker:
        assert (tracker.run.uid, tracker.run.last_step, tracker.run.resumed) == (info.uid, 3, True)
    here, there = (tmp_path / place / "r" / "metrics.jsonl" for place in ("here", "other"))
    assert here.read_bytes() == there.read_bytes()


def test_a_damaged_checkpoint_of_another_machine_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path / "other", "r", saves=(1, 3))
    (tmp_path / "other" / "r" / "checkpoints" / "step-3" / "state").write_text("cut")
    with remote(tmp_path / "other"):
        found = find_run("r", root=tmp_path / "here", backends="listing")
        assert found is not None
        assert found.fetch_checkpoint() == tmp_path / "here" / "r" / "checkpoints" / "step-1"
    assert not list((tmp_path / "here" / "r" / "checkpoints").glob("tmp-*"))
    assert any("was not fetched" in message for message in caplog.messages)


def test_the_newest_checkpoint_of_all_places_is_taken(tmp_path: Path) -> None:
    run(tmp_path / "here", "r", saves=(1,))
    import shutil

    shutil.copytree(tmp_path / "here", tmp_path / "other")
    with open_tracker("jsonl", name="r", root=tmp_path / "other") as tracker:
        tracker.log({"a": 7}, step=7)
        place = tracker.run.folder / "checkpoints" / "tmp-state"  # type: ignore[operator]  # it has one
        place.mkdir()
        (place / "state").write_text("7")
        tracker.log_artifact(place, name="checkpoint", step=7, with_journal=True)
    with remote(tmp_path / "other"):
        found = find_run("r", root=tmp_path / "here", backends="listing")
        assert found is not None
        assert (found.step, found.places, found.attempts) == (7, ("disk", "listing"), 2)
        assert found.fetch_checkpoint() == tmp_path / "here" / "r" / "checkpoints" / "step-7"


def test_another_run_of_the_same_name_is_not_mixed_in(tmp_path: Path) -> None:
    run(tmp_path / "here", "r", saves=(1,))
    run(tmp_path / "other", "r", saves=(3,))
    with remote(tmp_path / "other"):
        found = find_run("r", root=tmp_path / "here", backends="listing")
        assert found is not None
        assert (found.step, found.places) == (1, ("disk",))


def test_nothing_found_and_nobody_to_ask_is_an_error(tmp_path: Path) -> None:
    with (
        remote(tmp_path, answer=BackendUnreachableError("away")),
        pytest.raises(BackendUnreachableError, match="listing"),
    ):
        find_run("r", root=tmp_path / "here", backends="listing")
    with remote(tmp_path, answer=OSError("odd")), pytest.raises(BackendUnreachableError, match="odd"):
        find_run("r", root=tmp_path / "here", backends="listing")
    with remote(tmp_path, answer=BackendSetupError("log in")), pytest.raises(BackendSetupError):
        find_run("r", root=tmp_path / "here", backends="listing")


def test_a_server_that_does_not_answer_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_ASK_S", 0.05)
    run(tmp_path, "r", saves=(1,))
    with remote(tmp_path, answer=lambda: time.sleep(1.0)):
        found = find_run("r", root=tmp_path, backends="listing")
    assert found is not None
    assert found.places == ("disk",)
    assert any("listing" in message and "was not asked" in message for message in caplog.messages)
