"""Checkpoints in a folder that outlives the machine: copied whole, found again, fetched onto an empty disk."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from hackmatrix.tracking import (
    BackendSetupError,
    FoundRun,
    RunConflictError,
    RunFolderError,
    Tracker,
    find_run,
    open_tracker,
    read_run,
    replay,
)
from hackmatrix.tracking.mending import repair
from hackmatrix.tracking.replaying import replay_command
from hackmatrix.tracking.verifying import verify

pytest.importorskip("fsspec", reason="needs hackmatrix[mirror]")


def life(home: Path, mirror: Path, first: int, end: int, found: FoundRun | None = None) -> Tracker:
    """Log steps, with a checkpoint at every tenth; the second is the best."""
    options = {"mirror": {"path": str(mirror)}}
    who = {"resume": found} if found is not None else {"name": "mine"}
    with open_tracker("mirror", root=home, config={"a": 1}, options=options, **who) as tracker:
        for step in range(first, end):
            tracker.log({"a/value": step / 3}, step=step)
            if step % 10 == 9:
                state = tracker.run.folder / "checkpoints" / "tmp-state"
                state.mkdir(parents=True)
                (state / "state.txt").write_text(str(step))
                tracker.log_artifact(
                    state, name="checkpoint", step=step, keep=2, with_journal=True,
                    aliases=["best"] if step == 19 else [],
                )  # fmt: skip
    return tracker


def test_a_lost_disk_comes_back_with_its_whole_history(tmp_path: Path) -> None:
    mirror = tmp_path / "drive"
    life(tmp_path / "first", mirror, 0, 55)
    shutil.rmtree(tmp_path / "first")
    found = find_run("mine", root=tmp_path / "second", mirror=str(mirror))
    assert found is not None
    assert (found.step, found.status, found.places) == (49, "finished", ("mirror",))
    folder = found.fetch_checkpoint()
    assert folder is not None
    assert (folder / "state.txt").read_text() == "49"
    life(tmp_path / "second", mirror, 50, 60, found)
    rows = list(read_run("mine", tmp_path / "second").rows())
    assert [(row.step, row.metrics["a/value"]) for row in rows] == [(step, step / 3) for step in range(60)]


def test_what_was_logged_besides_numbers_comes_back_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"mirror": {"path": str(tmp_path / "drive")}}
    with open_tracker("mirror", name="mine", root=tmp_path / "first", options=options) as tracker:
        tracker.log({"a/value": 1.0}, step=0)
        tracker.log_histogram("a/spread", [1, 2, 2], step=0)
        tracker.log_text("a/note", "noted", step=0)
        with tracker.checkpoint(step=0):
            pass
    shutil.rmtree(tmp_path / "first")
    found = find_run("mine", root=tmp_path / "second", mirror=str(tmp_path / "drive"))
    assert found is not None
    assert found.fetch_checkpoint() is not None
    with open_tracker("jsonl", root=tmp_path / "second", resume=found) as tracker:
        records = read_run("mine", tmp_path / "second").records()
    assert [line["kind"] for line in records][:2] == ["histogram", "text"]
    (row,) = read_run("mine", tmp_path / "second").rows()
    assert row.metrics == {"a/value": 1.0}
    assert not [message for message in caplog.messages if "does not show" in message]


def test_the_newest_and_the_best_are_kept_and_pieces_are_copied_once(tmp_path: Path) -> None:
    life(tmp_path / "runs", tmp_path / "drive", 0, 50)
    there = tmp_path / "drive" / "mine" / "checkpoints"
    assert sorted(path.name for path in there.glob("step-*")) == ["step-19", "step-39", "step-49"]
    names = json.loads((there / "step-49" / "manifest.json").read_text())["metrics"]
    assert (
        b"".join((there / name).read_bytes() for name in names)
        == (tmp_path / "runs" / "mine" / "metrics.jsonl").read_bytes()
    )


def test_the_best_that_is_whole_is_kept_where_a_better_one_never_became_whole(tmp_path: Path) -> None:
    mirror = tmp_path / "drive"
    life(tmp_path / "first", mirror, 0, 40)
    there = mirror / "mine" / "checkpoints"
    assert (there / "best").read_text() == "19"
    (there / "best").write_text("19 44")  # as a kill before the manifest of step 44 leaves it
    shutil.rmtree(tmp_path / "first")
    found = find_run("mine", root=tmp_path / "second", mirror=str(mirror))
    assert found is not None
    found.fetch_checkpoint()
    life(tmp_path / "second", mirror, 40, 70, found)
    assert sorted(path.name for path in there.glob("step-*")) == ["step-19", "step-59", "step-69"]


def test_a_file_that_is_in_use_at_the_end_is_replaced_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, calls = Path.replace, list[Path]()

    def refuse_the_second(self: Path, target: Path) -> Path:
        if self == tmp_path / "drive" / "mine" / "run.json.part":
            calls.append(target)
            if len(calls) == 2:  # the first comes with the checkpoint, this one with the end
                raise PermissionError("somebody reads it")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_the_second)
    life(tmp_path / "runs", tmp_path / "drive", 0, 10)
    assert len(calls) == 3
    found = find_run("mine", root=tmp_path / "empty", mirror=str(tmp_path / "drive"))
    assert found is not None
    assert (found.step, found.status) == (9, "finished")


def test_a_run_is_found_by_id_and_by_config_and_its_name_is_taken(tmp_path: Path) -> None:
    mirror = str(tmp_path / "drive")
    first = life(tmp_path / "runs", tmp_path / "drive", 0, 10)
    for sought in ({"name_or_id": first.run.id}, {"name_or_id": None, "config": {"a": 1}}):
        found = find_run(root=tmp_path / "empty", mirror=mirror, **sought)
        assert found is not None
        assert found.uid == first.run.uid
    assert find_run("other", root=tmp_path / "empty", mirror=mirror) is None
    options = {"mirror": {"path": mirror}}
    names = []
    for root in ("one", "two"):
        with open_tracker("mirror", root=tmp_path / root, prefix="new", options=options) as tracker:
            state = tracker.run.folder / "checkpoints" / "tmp-state"
            state.mkdir(parents=True)
            tracker.log_artifact(state, name="checkpoint", step=0, with_journal=True)
        names.append(tracker.run.name)
    assert len(set(names)) == 2, "an empty disk computed yesterday's name, and the mirror has a run of it"


@pytest.mark.parametrize("damage", ["short", "gone", "outside"])
def test_a_damaged_copy_is_passed_over_for_the_one_before_it(tmp_path: Path, damage: str) -> None:
    mirror = tmp_path / "drive"
    life(tmp_path / "runs", mirror, 0, 40)
    newest = mirror / "mine" / "checkpoints" / "step-39"
    if damage == "short":
        (newest / "state.txt").write_text("3")
    elif damage == "gone":
        (newest / "state.txt").unlink()
    else:
        manifest = json.loads((newest / "manifest.json").read_text())
        manifest["files"]["../../outside.txt"] = "0" * 64
        (newest / "manifest.json").write_text(json.dumps(manifest))
        (mirror / "outside.txt").write_text("not yours")
    found = find_run("mine", root=tmp_path / "other", mirror=str(mirror))
    assert found is not None
    folder = found.fetch_checkpoint()
    assert folder is not None
    assert (found.step, folder.name) == (29, "step-29")
    assert not list(tmp_path.glob("other/**/outside.txt"))


def test_what_cannot_be_a_mirror_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in ("nosuch://bucket", str(tmp_path / "file")):
        with pytest.raises(BackendSetupError, match="the mirror"):
            open_tracker("mirror", root=tmp_path / "runs", options={"mirror": {"path": path}})
    assert not list((tmp_path / "runs").glob("*"))


def test_another_run_of_the_name_found_later_gets_nothing_and_the_told_command_names_it_anew(
    tmp_path: Path,
) -> None:
    life(tmp_path / "first", tmp_path / "drive", 0, 10)
    options = {"mirror": {"path": str(tmp_path / "elsewhere")}}
    with open_tracker("mirror", root=tmp_path / "second", name="mine", options=options) as tracker:
        tracker.log({"a/value": 1.0}, step=0)
    shutil.rmtree(tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "drive", tmp_path / "elsewhere")
    before = sorted(path.name for path in (tmp_path / "elsewhere").rglob("*"))
    with pytest.raises(RunConflictError, match="another run called 'mine'"):
        replay("mine", "mirror", root=tmp_path / "second", options=options)
    assert sorted(path.name for path in (tmp_path / "elsewhere").rglob("*")) == before
    report = replay("mine", "mirror", root=tmp_path / "second", options=options, as_name="yours")
    assert report.complete


def test_the_told_command_can_be_pasted(tmp_path: Path) -> None:
    told = shlex.split(replay_command(tmp_path / "a b", "mirror", {"path": "/mnt/my drive"}))
    assert told[1:4] == ["-m", "hackmatrix.tracking", "replay"]
    assert told[4:] == [
        str(tmp_path / "a b"),
        "--tracker",
        "mirror",
        "--tracker-option",
        "mirror.path=/mnt/my drive",
    ]


def test_a_mirror_is_read_as_any_run_up_to_its_newest_checkpoint(tmp_path: Path) -> None:
    mirror = tmp_path / "drive"
    tracker = life(tmp_path / "runs", mirror, 0, 55)
    there = read_run("mine", mirror)
    whole = read_run("mine", tmp_path / "runs")
    assert list(there.rows()) == [row for row in whole.rows() if row.step <= 49]
    assert there.columns()["_step"] == list(range(50))
    assert [each["place"] for each in there.records()] == [each["place"] for each in whole.records()]
    assert not (mirror / "mine" / "metrics.jsonl").exists(), "reading leaves nothing behind"
    report = tracker.finish().backends["mirror"]
    assert (report.handed_over, report.confirmed, report.pending) == (None, 49, 0)


def test_a_mirror_without_a_checkpoint_confirms_nothing(tmp_path: Path) -> None:
    options = {"mirror": {"path": str(tmp_path / "drive")}}
    with open_tracker("mirror", name="mine", root=tmp_path, options=options) as tracker:
        tracker.log({"a": 1.0}, step=0)
    report = tracker.finish()
    assert report.complete
    assert report.backends["mirror"].confirmed is None


def test_a_mirrored_run_is_replayed_and_the_mirror_stays_as_it_is(tmp_path: Path) -> None:
    mirror = tmp_path / "drive"
    life(tmp_path / "runs", mirror, 0, 55)
    before = {path: path.read_bytes() for path in mirror.rglob("*") if path.is_file()}
    options = {"mirror": {"path": str(tmp_path / "other")}}
    report = replay("mine", "mirror", root=mirror, options=options)
    assert report.backends["mirror"].confirmed == 49
    assert list(read_run("mine", tmp_path / "other").rows()) == list(read_run("mine", mirror).rows())
    assert {path: path.read_bytes() for path in mirror.rglob("*") if path.is_file()} == before


def test_a_mirror_is_mended_without_becoming_a_run(tmp_path: Path) -> None:
    mirror = tmp_path / "drive"
    life(tmp_path / "runs", mirror, 0, 55)
    (mirror / "mine/checkpoints/step-49/state.txt").write_text("damaged")
    assert verify(mirror / "mine")
    repair(mirror / "mine")
    assert verify(mirror / "mine") == []
    assert not {"lock", "metrics.jsonl"} & {path.name for path in (mirror / "mine").iterdir()}
    assert max(row.step for row in read_run("mine", mirror).rows()) == 39


def test_half_a_mirror_is_told(tmp_path: Path) -> None:
    mirror = tmp_path / "drive"
    life(tmp_path / "runs", mirror, 0, 55)
    next((mirror / "mine/checkpoints/pieces").glob("metrics-00001-*")).unlink()
    with pytest.raises(RunFolderError, match="a piece of the run's rows; copy the mirror again"):
        list(read_run("mine", mirror).rows())


def test_one_copy_is_kept_of_a_mirror_that_grows(tmp_path: Path) -> None:
    mirror = tmp_path / "drive"
    life(tmp_path / "runs", mirror, 0, 30)
    first = read_run("mine", mirror).journal
    assert read_run("mine", mirror).journal == first
    found = find_run("mine", root=tmp_path / "runs", mirror=str(mirror))
    assert found is not None
    assert found.fetch_checkpoint() is not None
    life(tmp_path / "runs", mirror, 30, 50, found)
    assert max(row.step for row in read_run("mine", mirror).rows()) == 49
    assert not first.exists()
