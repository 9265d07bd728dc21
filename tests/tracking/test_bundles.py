"""Checkpoints are whole or not there, and what a run goes back over is put aside, never lost."""

import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from hackmatrix.tracking.bundles import (
    MANIFEST,
    BundleMaker,
    newest_whole,
    read_bundle,
    restore,
    steps_on_disk,
    verify_bundle,
)
from hackmatrix.tracking.errors import DamagedCheckpointError
from hackmatrix.tracking.lines import encode_objects, encode_rows
from hackmatrix.tracking.protocol import Row
from hackmatrix.tracking.run_folder import RunFolder
from tests.tracking.faulty_disk import FaultyDisk, Killed

IDENTITY = {"name": "run", "uid": "u" * 32, "attempts": []}


def rows(steps: Iterable[int]) -> bytes:
    return encode_rows([Row(step, 1.0, 0.5, {"a/loss": step / 7}) for step in steps])


def records(steps: Iterable[int]) -> bytes:
    return encode_objects([{"_step": step, "kind": "text"} for step in steps])


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def save(folder: RunFolder, maker: BundleMaker, step: int, state: bytes = b"state") -> None:
    """Rows up to the step and two beyond, and a checkpoint of the step."""
    folder.metrics.write_bytes(rows(range(step + 3)))
    folder.records.write_bytes(records(range(step + 2)))
    source = folder.checkpoints / "tmp-state"
    (source / "deep").mkdir(parents=True)
    (source / "state.bin").write_bytes(state + b" of %d" % step)
    (source / "deep" / "more.txt").write_text("more")
    sizes = {"metrics": folder.metrics.stat().st_size, "records": folder.records.stat().st_size}
    maker.make(source, step, sizes, IDENTITY)


def whole_step(folder: RunFolder) -> int | None:
    bundle, _ = newest_whole(folder.checkpoints)
    return None if bundle is None else bundle.step


def all_bytes(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_pieces_in_a_row_are_the_journal_byte_for_byte(folder: RunFolder) -> None:
    maker = BundleMaker(folder, None)
    before: dict[str, bytes] = {}
    for step in (3, 4, 9):
        save(folder, maker, step)
        bundle = read_bundle(folder.checkpoints, step)
        verify_bundle(folder.checkpoints, bundle)
        for names, journal in (
            (bundle.metrics, rows(range(step + 1))),
            (bundle.records, records(range(step + 1))),
        ):
            assert b"".join((folder.checkpoints / name).read_bytes() for name in names) == journal
        assert len(bundle.metrics) == len({3, 4, 9} & set(range(step + 1)))
        assert before.items() <= all_bytes(folder.pieces).items(), "a piece was changed"
        before = all_bytes(folder.pieces)
    assert set(read_bundle(folder.checkpoints, 9).files) == {
        *(f"step-9/{name}" for name in ("state.bin", "deep/more.txt", "run.json")),
        *(f"pieces/{name}" for name in before),
    }


def test_a_run_that_goes_on_adds_pieces_to_those_it_has(folder: RunFolder) -> None:
    save(folder, BundleMaker(folder, None), 3)
    first = read_bundle(folder.checkpoints, 3)
    save(folder, BundleMaker(folder, first), 6)
    second = read_bundle(folder.checkpoints, 6)
    assert second.metrics[:1] == first.metrics
    assert b"".join((folder.checkpoints / name).read_bytes() for name in second.metrics) == rows(range(7))


def test_a_checkpoint_without_new_rows_makes_no_piece(folder: RunFolder) -> None:
    maker = BundleMaker(folder, None)
    save(folder, maker, 3)
    pieces = all_bytes(folder.pieces)
    save(folder, maker, 3, state=b"again")
    assert all_bytes(folder.pieces) == pieces
    assert (folder.checkpoints / "step-3" / "state.bin").read_bytes() == b"again of 3"
    assert whole_step(folder) == 3
    assert not list(folder.checkpoints.glob("tmp-*"))


def damaged_files(folder: RunFolder) -> Iterator[Path]:
    bundle = read_bundle(folder.checkpoints, 6)
    older = read_bundle(folder.checkpoints, 3)
    for name in bundle.files.keys() - older.files.keys():
        yield folder.checkpoints / name
    yield folder.checkpoints / "step-6" / MANIFEST


def test_every_prefix_of_every_file_is_refused_and_the_one_before_is_taken(folder: RunFolder) -> None:
    maker = BundleMaker(folder, None)
    save(folder, maker, 3)
    save(folder, maker, 6)
    cuts = 0
    for path in damaged_files(folder):
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            bundle, problems = newest_whole(folder.checkpoints)
            assert bundle is not None
            assert (bundle.step, len(problems)) == (3, 1), (
                f"{path.name} was cut to {size} bytes of {len(whole)}"
            )
            cuts += 1
        path.unlink()
        assert whole_step(folder) == 3
        path.write_bytes(whole)
    assert cuts > 300
    assert whole_step(folder) == 6


def test_zeros_in_place_of_bytes_are_refused(folder: RunFolder) -> None:
    maker = BundleMaker(folder, None)
    save(folder, maker, 3)
    save(folder, maker, 6)
    for path in damaged_files(folder):
        whole = path.read_bytes()
        path.write_bytes(bytes(len(whole)))
        assert whole_step(folder) == 3
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/etc/x",
        "pieces/../../x",
        "step-4/x",
        "x",
        "pieces",
        "pieces/",
        "pieces/a\\b",
        "step-3/c:d",
    ],
)
def test_a_manifest_that_leads_elsewhere_is_refused(folder: RunFolder, name: str) -> None:
    save(folder, BundleMaker(folder, None), 3)
    manifest = folder.checkpoints / "step-3" / MANIFEST
    text = json.loads(manifest.read_bytes())
    for key in ("files", "metrics"):
        changed = {**text["files"], name: "0"} if key == "files" else [name]
        manifest.write_text(json.dumps({**text, key: changed}) + "\n")
        with pytest.raises(DamagedCheckpointError):
            read_bundle(folder.checkpoints, 3)


@pytest.mark.parametrize(
    "change", [{"format": 99}, {"step": 4}, {"files": {}}, {"files": None}, {"metrics": 3}]
)
def test_a_manifest_of_another_kind_is_refused(folder: RunFolder, change: dict[str, object]) -> None:
    save(folder, BundleMaker(folder, None), 3)
    manifest = folder.checkpoints / "step-3" / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_bytes()), **change}) + "\n")
    with pytest.raises(DamagedCheckpointError):
        read_bundle(folder.checkpoints, 3)


def test_a_kill_between_any_two_steps_of_making_one_leaves_no_half_checkpoint(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save(folder, BundleMaker(folder, None), 3)
    shutil.copytree(folder.path, tmp_path / "before")
    disk = FaultyDisk(monkeypatch, folder.path)
    for step in (6, 3):  # a new one, and one that is taken again
        outcomes = set()
        for place in itertools.count():
            shutil.rmtree(folder.path)
            shutil.copytree(tmp_path / "before", folder.path)
            maker = BundleMaker(folder, read_bundle(folder.checkpoints, 3))
            disk.fail_at(place, Killed())
            try:
                save(folder, maker, step)
                finished = True
            except Killed:
                finished = False
            disk.heal()
            found, problems = newest_whole(folder.checkpoints)
            assert problems == []
            assert all((made / MANIFEST).exists() for made in folder.checkpoints.glob("step-*"))
            outcomes.add(found.step if found else None)
            folder.clear_temporary()
            assert not list(folder.checkpoints.glob("tmp-*"))
            save(folder, BundleMaker(folder, found), step)
            assert whole_step(folder) == step
            if finished:
                break
        assert place > 15
        # Only the instant between two renames is without a checkpoint that is taken again.
        assert outcomes == ({3, 6} if step == 6 else {3, None})


def test_a_disk_that_refuses_at_any_step_leaves_the_checkpoint_before(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save(folder, BundleMaker(folder, None), 3)
    shutil.copytree(folder.path, tmp_path / "before")
    disk = FaultyDisk(monkeypatch, folder.path)
    for place, step in itertools.product(range(200), (3, 6)):
        shutil.rmtree(folder.path)
        shutil.copytree(tmp_path / "before", folder.path)
        maker = BundleMaker(folder, read_bundle(folder.checkpoints, 3))
        disk.fail_at(place, OSError(28, "No space left on device"))
        try:
            save(folder, maker, step)
        except OSError:
            assert whole_step(folder) in (3, step)
        else:
            assert whole_step(folder) == step
        if len(disk.calls) < place:
            break
        disk.heal()
        shutil.rmtree(folder.checkpoints / "tmp-state", ignore_errors=True)
        save(folder, maker, 8)
        assert whole_step(folder) == 8
    assert place < 199, "the end was not reached"


@pytest.mark.parametrize("upto", [None, 0, 3, 6, 99])
def test_a_run_that_goes_back_keeps_what_is_beyond_aside(folder: RunFolder, upto: int | None) -> None:
    maker = BundleMaker(folder, None)
    save(folder, maker, 3)
    save(folder, maker, 6)
    aside = restore(folder, None, upto)
    kept = [step for step in range(9) if upto is None or step <= upto]
    assert folder.metrics.read_bytes() == rows(kept)
    beyond = rows(range(len(kept), 9))
    assert [path.read_bytes() for path in aside if path.name.endswith("metrics.jsonl")] == (
        [beyond] if beyond else []
    )
    assert [step for step in (3, 6) if upto is None or step <= upto] == steps_on_disk(folder.checkpoints)
    gone = [step for step in (3, 6) if upto is not None and step > upto]
    assert sorted(path.name[-1] for path in aside if path.is_dir()) == [str(step) for step in gone]
    assert restore(folder, None, upto) == [], "a second time there is nothing left to do"


def test_journals_are_built_from_the_pieces_whatever_lies_there(folder: RunFolder) -> None:
    save(folder, BundleMaker(folder, None), 3)
    bundle = read_bundle(folder.checkpoints, 3)
    for present in (None, b"", rows(range(3)), rows([0, 7]), b"torn", rows(range(9)), rows(range(4))):
        if present is None:
            folder.metrics.unlink()
        else:
            folder.metrics.write_bytes(present)
        aside = [path for path in restore(folder, bundle, 3) if path.name.endswith("metrics.jsonl")]
        assert folder.metrics.read_bytes() == rows(range(4))
        lost = (present or b"").removeprefix(rows(range(4)))
        kept = [path.read_bytes() for path in aside]
        assert kept == ([lost] if lost else []), f"{present!r} was not kept"


def test_a_torn_tail_is_kept_aside(folder: RunFolder) -> None:
    whole = rows(range(3))
    for size in range(len(rows(range(2))), len(whole)):
        folder.metrics.write_bytes(whole[:size])
        restore(folder, None, None)
        assert folder.metrics.read_bytes() == rows(range(2))
    torn = sorted(path.read_bytes() for path in folder.discarded.iterdir())
    last = whole[len(rows(range(2))) :]
    assert torn == [last[:size] for size in range(1, len(last))]


def test_a_kill_at_any_step_of_going_back_loses_no_row(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maker = BundleMaker(folder, None)
    save(folder, maker, 3)
    save(folder, maker, 6)
    for present in (rows(range(9)), rows([0, 7])):
        folder.metrics.write_bytes(present)
        shutil.copytree(folder.path, tmp_path / "before", dirs_exist_ok=True)
        disk = FaultyDisk(monkeypatch, folder.path)
        for place in itertools.count():
            shutil.rmtree(folder.path)
            shutil.copytree(tmp_path / "before", folder.path)
            disk.fail_at(place, Killed())
            try:
                restore(folder, read_bundle(folder.checkpoints, 3), 3)
                finished = True
            except Killed:
                finished = False
            disk.heal()
            folder.clear_temporary()
            restore(folder, read_bundle(folder.checkpoints, 3), 3)
            assert folder.metrics.read_bytes() == rows(range(4))
            aside = b"".join(path.read_bytes() for path in folder.discarded.glob("*metrics.jsonl"))
            assert present.removeprefix(rows(range(4))) in aside
            if finished:
                break
        monkeypatch.undo()
        assert place > 5


def test_pruning_keeps_the_newest_and_what_is_spared(folder: RunFolder) -> None:
    maker = BundleMaker(folder, None)
    for step in range(1, 7):
        save(folder, maker, step)
    maker.prune(2, spare=[3])
    assert steps_on_disk(folder.checkpoints) == [3, 5, 6]
    assert not list(folder.checkpoints.glob("tmp-*"))
    for step in (3, 5, 6):
        verify_bundle(folder.checkpoints, read_bundle(folder.checkpoints, step))
    maker.prune(0, spare=[])
    assert steps_on_disk(folder.checkpoints) == []


def test_what_is_no_checkpoint_is_passed_over(folder: RunFolder) -> None:
    save(folder, BundleMaker(folder, None), 3)
    for name in ("step-", "step-x", "step-9", "other"):
        (folder.checkpoints / name).mkdir()
    assert newest_whole(folder.checkpoints, upto=2) == (None, [])
    assert whole_step(folder) == 3
    assert newest_whole(folder.path / "nowhere") == (None, [])
