"""Every prefix of every file of a run is reopened and repaired, or refused in so many words."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import find_run, open_tracker, read_run
from hackmatrix.tracking.errors import RunFolderError


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps with checkpoints at 1 and 2."""
    root = tmp_path_factory.mktemp("finished")
    with open_tracker("jsonl", name="r", root=root, config={"seed": 1}) as tracker:
        for step in range(4):
            tracker.log({"a/loss": step / 7, "b": step}, step=step)
            tracker.log_text("note", f"at {step}", step=step)
            if step in (1, 2):
                place = tracker.run.folder / "checkpoints" / "tmp-state"  # type: ignore[operator]  # it has one
                place.mkdir(parents=True)
                (place / "state").write_text(str(step))
                tracker.log_artifact(place, name="checkpoint", step=step, with_journal=True)
    return root


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps without a checkpoint."""
    root = tmp_path_factory.mktemp("small")
    with open_tracker("jsonl", name="r", root=root) as tracker:
        for step in range(3):
            tracker.log({"a/loss": step / 7}, step=step)
        tracker.log_text("note", "one", step=2)
        tracker.log_text("note", "two", step=2)
    return root


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", int)  # the power stays on


def prefixes(finished: Path, root: Path, file: str, every: int = 1) -> Any:
    """(size, whole bytes) of the file in a fresh copy of the run, cut to each size."""
    whole = (finished / "r" / file).read_bytes()
    for size in range(0, len(whole), every):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(finished, root)
        (root / "r" / file).write_bytes(whole[:size])
        yield size, whole


def steps(root: Path) -> list[int]:
    return [row.step for row in read_run("r", root).rows()]


def test_every_prefix_of_the_journal_is_repaired(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for size, whole in prefixes(small, root, "metrics.jsonl"):
        count = whole[:size].count(b"\n")
        assert steps(root) == list(range(count)), "a reader shows a torn line"
        with open_tracker("jsonl", name="r", root=root) as tracker:
            assert tracker.run.last_step == (count - 1 if count else None)
            tracker.log({"a/loss": 0.5}, step=count)
        assert steps(root) == list(range(count + 1))
        journal = (root / "r" / "metrics.jsonl").read_bytes()
        kept = whole[: whole[:size].rfind(b"\n") + 1]
        assert journal.startswith(kept)
        torn = whole[len(kept) : size]
        aside = [path.read_bytes() for path in (root / "r" / "discarded").glob("*metrics.jsonl")]
        assert aside == ([torn] if torn else [])


def test_whatever_became_of_the_journal_a_checkpoint_brings_it_back(finished: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for _ in prefixes(finished, root, "metrics.jsonl", every=7):
        found = find_run("r", root=root)
        assert found is not None
        assert found.fetch_checkpoint() is not None
        with open_tracker("jsonl", root=root, resume=found) as tracker:
            assert tracker.run.last_step == 2
        assert steps(root) == [0, 1, 2]


def test_every_prefix_of_the_records_is_repaired(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for size, whole in prefixes(small, root, "records.jsonl"):
        count = whole[:size].count(b"\n")
        with open_tracker("jsonl", name="r", root=root) as tracker:
            tracker.log_text("note", "more", step=9)
        records = read_run("r", root).records()
        assert len(records) == count + 1
        assert records[-1]["data"] == {"text": "more"}
        assert steps(root) == [0, 1, 2]


def test_every_prefix_of_the_identity_is_refused_and_left_alone(small: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    shutil.copytree(small, root)
    identity = root / "r" / "run.json"
    whole = identity.read_bytes()
    for size in range(len(whole.rstrip())):  # but for the newline it is whole
        identity.write_bytes(whole[:size])
        with pytest.raises(RunFolderError, match=r"run\.json"):
            open_tracker("jsonl", name="r", root=root)
        with pytest.raises(RunFolderError):
            read_run("r", root)
        assert identity.read_bytes() == whole[:size]
    identity.write_bytes(whole)
    assert steps(root) == [0, 1, 2], "a refusal touched the journal"


@pytest.mark.parametrize("file", ["step-2/state", "step-2/manifest.json", "step-2/run.json"])
def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(
    finished: Path, tmp_path: Path, file: str
) -> None:
    root = tmp_path / "runs"
    for _ in prefixes(finished, root, f"checkpoints/{file}", every=40):  # test_bundles.py has them all
        found = find_run("r", root=root)
        assert found is not None
        place = found.fetch_checkpoint()
        assert place is not None
        assert (place / "state").read_text() == "1"
        with open_tracker("jsonl", root=root, resume=found) as tracker:
            assert tracker.run.last_step == 1
            tracker.log({"a/loss": -2.0}, step=2)
        assert [row.metrics["a/loss"] for row in read_run("r", root).rows()] == [0.0, 1 / 7, -2.0]
