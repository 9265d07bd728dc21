"""Every call to the disk fails in its turn, and the power goes after each of them."""

import errno
import itertools
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import open_tracker, read_run
from hackmatrix.tracking.bundles import newest_whole
from hackmatrix.tracking.errors import RunFolderError
from tests.tracking.faulty_disk import Data, FaultyDisk, after_power_cut, lay_out

STEPS = 6


def write_file(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, data)
    os.close(descriptor)


class ShortRun:
    """A run of six steps with a checkpoint, whose caller goes on after whatever is raised at him.

    Attributes:
        flushed: (number of calls so far, step) when a flush was true.
        saved: number of calls when the checkpoint was made; none if that was refused.
    """

    def __init__(self, root: Path, disk: FaultyDisk, **options: Any) -> None:
        self._disk = disk
        self.flushed: list[tuple[int, int]] = []
        self.saved: int | None = None
        self.tracker = open_tracker("jsonl", name="r", root=root, options={"jsonl": options})

    def live(self) -> Any:
        for step in range(STEPS):
            self.tracker.log({"a/loss": step / 7, "b": step}, step=step)
            if self.tracker.flush(20.0):
                self.flushed.append((len(self._disk.calls), step))
            if step == 3:
                self.save(step)
        return self.tracker.finish(timeout=20.0)

    def save(self, step: int) -> None:
        assert self.tracker.run.folder is not None
        place = self.tracker.run.folder / "checkpoints" / "tmp-state"
        try:
            place.parent.mkdir(exist_ok=True)
            place.mkdir()
            write_file(place / "state", b"state of 3")
            self.tracker.log_artifact(place, name="checkpoint", step=step, keep=1, with_journal=True)
        except OSError:
            return
        self.saved = len(self._disk.calls)


def steps(root: Path) -> list[int]:
    rows = list(read_run("r", root).rows())
    assert [row.metrics for row in rows] == [{"a/loss": row.step / 7, "b": row.step} for row in rows]
    return [row.step for row in rows]


def goes_on(root: Path, first: int) -> None:
    """The run can be opened again, and what it held is followed by what is said then."""
    with open_tracker("jsonl", name="r", root=root) as tracker:
        assert tracker.run.last_step == (first - 1 if first else None)
        tracker.log({"a/loss": first / 7, "b": first}, step=first)
    assert steps(root) == list(range(first + 1))


@pytest.mark.parametrize("fsync", ["never", "always"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=errno.errorcode.get)
def test_any_call_that_fails_is_survived_or_an_error_at_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int, fsync: str
) -> None:
    caplog.set_level(logging.WARNING)
    disk = FaultyDisk(monkeypatch, tmp_path)
    opened = refused = 0
    for place in range(1000):
        root = tmp_path / "runs"
        disk.heal()
        root.mkdir()
        disk.fail_at(place, OSError(code, os.strerror(code)))
        try:
            run = ShortRun(root, disk, fsync=fsync)
        except RunFolderError as refusal:
            refused += 1
            told = str(refusal)
            disk.heal()
            assert os.strerror(code) in told
            assert not (root / "r" / "run.json").exists(), "a failed open left a run behind"
            goes_on(root, 0)
        else:
            opened += 1
            report = run.live()
            reached = len(disk.calls) > place
            disk.heal()
            assert (report.rows, report.dropped_rows) == (STEPS, 0)
            assert [step for _, step in run.flushed] == list(range(STEPS)), (
                "a flush gave up on a short refusal"
            )
            assert steps(root) == list(range(STEPS))
            bundle, problems = newest_whole(root / "r" / "checkpoints")
            assert problems == []
            assert bundle is not None or run.saved is None
            goes_on(root, STEPS)
        shutil.rmtree(root)
        if opened and not reached:
            break
    assert refused > 5
    assert opened > 20


def test_a_disk_that_is_full_for_a_while_has_every_row_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FaultyDisk(monkeypatch, tmp_path)
    run = ShortRun(tmp_path, disk)
    run.tracker.log({"a/loss": 0.0, "b": 0}, step=0)
    assert run.tracker.flush()
    disk.fail_at(0, OSError(errno.ENOSPC, "No space left on device"), times=10**9)
    for step in range(1, STEPS):
        run.tracker.log({"a/loss": step / 7, "b": step}, step=step)
    assert not run.tracker.flush(0.5)
    run.save(STEPS)
    assert run.saved is None
    disk.heal()
    report = run.tracker.finish()
    assert report.complete
    assert steps(tmp_path) == list(range(STEPS))
    told = [message for message in caplog.messages if "disk" in message]
    assert len(told) == 2, told


def test_a_disk_that_stays_full_is_told_and_counted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FaultyDisk(monkeypatch, tmp_path)
    run = ShortRun(tmp_path, disk)
    disk.fail_at(0, OSError(errno.ENOSPC, "No space left on device"), times=10**9)
    for step in range(STEPS):
        run.tracker.log({"a/loss": step / 7, "b": step}, step=step)
    report = run.tracker.finish(timeout=0.5)
    assert (report.rows, report.dropped_rows, report.complete) == (0, STEPS, False)
    assert any("could not be written" in message for message in caplog.messages)
    assert any("could not be noted" in message for message in caplog.messages)
    disk.heal()
    assert read_run("r", tmp_path).status == "lost"
    goes_on(tmp_path, 0)


DATA: tuple[Data, ...] = ("kept", "lost", "half", "zeros")


@pytest.mark.parametrize("fsync", ["never", "always"])
def test_after_any_power_cut_the_run_goes_on_with_what_was_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: str
) -> None:
    with monkeypatch.context() as patch:
        root = tmp_path / "runs"
        root.mkdir()
        disk = FaultyDisk(patch, root)
        run = ShortRun(root, disk, fsync=fsync)
        assert run.live().complete
    assert run.saved is not None
    monkeypatch.setattr(os, "fsync", int)  # what follows reads only what is in memory
    lost, seen, root = 0, [], tmp_path / "after"
    for count, data, names_kept in itertools.product(range(len(disk.calls) + 1), DATA, (True, False)):
        confirmed = sum(calls <= count for calls, _ in run.flushed)
        left = after_power_cut(disk.calls[:count], data=data, names_kept=names_kept)
        if (left, confirmed, run.saved <= count) in seen:
            continue
        seen.append((left, confirmed, run.saved <= count))
        lay_out(left, root)
        case = f"after {count} calls, bytes {data}, names {'kept' if names_kept else 'lost'}"
        held = steps_of_valid(root) if (root / "r" / "run.json").exists() else 0
        if run.saved <= count:
            assert newest_whole(root / "r" / "checkpoints")[0] is not None, f"{case}: the checkpoint is gone"
        if fsync == "always":
            assert held >= confirmed, f"{case}: {held} of {confirmed} confirmed rows are there"
        lost += held < confirmed
        goes_on(root, held)
        shutil.rmtree(root)
    assert len(seen) > 50
    assert (lost > 0) == (fsync == "never"), "the cuts prove nothing where no row can be lost"


def steps_of_valid(root: Path) -> int:
    """How many rows a new attempt takes over."""
    with open_tracker("jsonl", name="r", root=root) as tracker:
        last = tracker.run.last_step
    held = steps(root)
    assert held == list(range(len(held)))
    assert last == (held[-1] if held else None)
    return len(held)
