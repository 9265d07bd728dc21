"""Damage of every kind is found, and mended where it can be without losing a row that was whole."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hackmatrix.tracking import BackendSetupError, RunInUseError, find_run, open_tracker, read_run
from hackmatrix.tracking.mending import repair
from hackmatrix.tracking.registry import replaced
from hackmatrix.tracking.verifying import verify


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of steps 1 to 9 with checkpoints of 3 and 6, an artifact, and media."""
    with open_tracker("jsonl", name="run", root=tmp_path / "runs", config={"lr": 0.1}) as tracker:
        folder = tracker.run.folder
        assert folder is not None
        (tmp_path / "notes.txt").write_text("kept")
        for step in range(1, 10):
            tracker.log({"loss": 1.0 / step}, step=step)
            tracker.log({"eval": float("nan")}, step=step)
            if step % 3 == 0 and step < 9:
                saved = folder / "checkpoints" / f"tmp-{step}"
                saved.mkdir(parents=True)
                (saved / "state.bin").write_bytes(bytes([step]) * 100)
                tracker.log_text("words", f"step {step}", step=step)
                tracker.log_artifact(saved, name="checkpoint", step=step, with_journal=True)
        tracker.log_artifact(tmp_path / "notes.txt", name="notes", step=9)
    return folder


def append(name: str, data: bytes) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        with (run / name).open("ab") as file:
            file.write(data)

    return damage


def replace_in(name: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (path,) = run.glob(name)
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))

    return damage


def remove(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (path,) = run.glob(name)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return damage


def cut(name: str, size: int) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (run / name).write_bytes((run / name).read_bytes()[:size])

    return damage


def drop_last(name: str, count: int) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        lines = (run / name).read_bytes().splitlines(keepends=True)
        (run / name).write_bytes(b"".join(lines[:-count]))

    return damage


def make(name: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(b"x")

    return damage


ROW = b'{"_step": 10, "_timestamp": 1.0, "_runtime": 1.0, '
EARLY = ROW.replace(b"10", b"2")
TWICE = ROW + b'"a": 1}\n' + ROW + b'"a": 2}\n'
MENDED = [
    pytest.param(append("metrics.jsonl", b'{"_step": 1'), "unfinished row", id="a torn row"),
    pytest.param(append("records.jsonl", b'{"_step": 1'), "unfinished record", id="a torn record"),
    pytest.param(append("metrics.jsonl", b"{]\n"), "line 19 is no row", id="no JSON"),
    pytest.param(append("metrics.jsonl", b"\0" * 50 + b"\n"), "line 19 is no row", id="zeros of a power cut"),
    pytest.param(append("metrics.jsonl", ROW + b'"loss": NaN}\n'), "line 19 is no row", id="no strict JSON"),
    pytest.param(append("metrics.jsonl", EARLY + b'"x": 1}\n'), "step 2 after step 9", id="a falling step"),
    pytest.param(append("records.jsonl", b'{"kind": "text"}\n'), "no step", id="a record without a step"),
    pytest.param(make(".run.json.123.tmp"), "left it unfinished", id="a temporary file"),
    pytest.param(make("checkpoints/tmp-12/state.bin"), "left it unfinished", id="a temporary folder"),
    pytest.param(make("checkpoints/step-12/state.bin"), "without a manifest", id="half a checkpoint"),
    pytest.param(replace_in("checkpoints/step-6/state.bin", b"\6", b"\7"), "has SHA-256", id="a flipped bit"),
    pytest.param(remove("checkpoints/step-6/state.bin"), "lacks step-6/state.bin", id="a missing file"),
    pytest.param(cut("checkpoints/step-6/manifest.json", 30), "is damaged", id="half a manifest"),
    pytest.param(replace_in("metrics.jsonl", b"0.5", b"0.6"), "does not begin with the bytes", id="a changed row"),
    pytest.param(cut("metrics.jsonl", 150), "does not begin with the bytes", id="a journal cut short"),
    pytest.param(remove("metrics.jsonl"), "does not begin with the bytes", id="no journal"),
    pytest.param(drop_last("metrics.jsonl", 2), "2 rows that the last attempt wrote are missing", id="lost rows"),
    pytest.param(remove("run.json"), "missing", id="no run.json"),
    pytest.param(cut("run.json", 40), "cannot be read", id="half a run.json"),
]  # fmt: skip
NOT_MENDED = [
    pytest.param(append("metrics.jsonl", TWICE), "'a' twice", id="a tag twice in a step"),
    pytest.param(append("metrics.jsonl", ROW + b'"a": 1, "a": 2}\n'), "'a' twice", id="a tag twice in a row"),
    pytest.param(append("records.jsonl", b'{"_step": 1, "kind": "film"}\n'), "'film'", id="an unknown record"),
    pytest.param(replace_in("run.json", b"0.1", b"0.2"), "whose digest", id="another config"),
    pytest.param(replace_in("run.json", b'"number": 0', b'"number": 3'), "numbered", id="a lost attempt"),
    pytest.param(replace_in("artifacts/*/notes.txt", b"kept", b"lost"), "digest differs", id="a changed artifact"),
    pytest.param(remove("artifacts"), "are missing", id="no artifact"),
]  # fmt: skip


def told(run: Path) -> str:
    return "\n".join(f"{finding.file}: {finding.problem}" for finding in verify(run))


def test_a_run_is_sound(run: Path) -> None:
    assert verify(run) == []


def test_a_live_run_is_sound_though_its_last_row_is_being_written(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="live", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=1)
        assert tracker.flush()
        append("metrics.jsonl", b'{"_step')(tmp_path / "live")
        make(".run.json.1.tmp")(tmp_path / "live")
        assert verify(tmp_path / "live") == []
        with pytest.raises(RunInUseError):
            repair(tmp_path / "live")


@pytest.mark.parametrize(("damage", "problem"), MENDED)
def test_damage_is_found_and_mended_without_losing_a_row(
    run: Path, damage: Callable[[Path], None], problem: str
) -> None:
    before = (run / "metrics.jsonl").read_bytes()
    whole = [row.step for row in read_run(run).rows()]
    damage(run)
    damaged = (run / "metrics.jsonl").read_bytes() if (run / "metrics.jsonl").exists() else b""
    assert problem in told(run)
    assert all(finding.mend for finding in verify(run))
    repair(run)
    assert told(run) == ""
    after = (run / "metrics.jsonl").read_bytes()
    assert before.startswith(after)
    if damaged.startswith(before):
        assert after == before
    assert [row.step for row in read_run(run).rows()][:6] == whole[:6], (
        "what a checkpoint holds is never lost"
    )


@pytest.mark.parametrize(("damage", "problem"), NOT_MENDED)
def test_damage_that_only_a_person_can_mend_is_found_and_left_alone(
    run: Path, damage: Callable[[Path], None], problem: str
) -> None:
    damage(run)
    assert problem in told(run)
    before = told(run)
    repair(run)
    assert told(run) == before


def test_what_is_taken_away_is_put_aside(run: Path) -> None:
    append("metrics.jsonl", b"{]\nand more")(run)
    repair(run)
    assert any(path.read_bytes() == b"{]\nand more" for path in (run / "discarded").iterdir())


def test_rows_that_are_lost_for_good_count_as_dropped(run: Path) -> None:
    before = read_run(run).identity["report"]
    drop_last("metrics.jsonl", 2)(run)
    repair(run)
    after = read_run(run).identity["report"]
    assert (after["rows"], after["dropped_rows"]) == (before["rows"] - 2, 2)


def test_rows_of_a_later_attempt_are_counted_from_where_it_began(run: Path) -> None:
    with open_tracker("jsonl", name="run", root=run.parent) as tracker:
        for step in range(20, 25):
            tracker.log({"loss": 0.0}, step=step)
    assert told(run) == ""
    drop_last("metrics.jsonl", 2)(run)
    assert "2 rows that the last attempt wrote are missing" in told(run)


def test_rows_that_a_resume_put_aside_before_it_failed_are_not_lost(run: Path) -> None:
    class NeedsTheUser:
        precision, url = "float64", None
        discard_after = write = flush = close = print

        def open(self, info: object, config: object) -> None:
            raise BackendSetupError("log in first")

    found = find_run("run", root=run.parent)
    assert found is not None
    assert found.step == 6
    with replaced("strange", NeedsTheUser), pytest.raises(BackendSetupError):
        open_tracker("strange", root=run.parent, resume=found)
    assert [row.step for row in read_run(run).rows()] == [1, 2, 3, 4, 5, 6]
    assert told(run) == ""


def test_a_mirror_is_sound_without_journals_of_its_own(run: Path) -> None:
    for name in ("metrics.jsonl", "records.jsonl", "lock"):
        (run / name).unlink()
    assert told(run) == ""
    replace_in("checkpoints/step-6/state.bin", b"\6", b"\7")(run)
    assert "has SHA-256" in told(run)


def test_a_mended_run_goes_on(run: Path) -> None:
    cut("metrics.jsonl", 150)(run)
    repair(run)
    with open_tracker("jsonl", name="run", root=run.parent) as tracker:
        tracker.log({"loss": 0.0}, step=20)
    assert [row.step for row in read_run(run).rows()] == [1, 2, 3, 4, 5, 6, 20]
    assert verify(run) == []


def test_an_old_description_comes_from_the_checkpoint(run: Path) -> None:
    remove("run.json")(run)
    repair(run)
    assert json.loads((run / "run.json").read_text())["config"] == {"lr": 0.1}
