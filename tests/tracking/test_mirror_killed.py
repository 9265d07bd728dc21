"""Wherever a kill falls while checkpoints are copied to a mirror, the newest whole one is found."""

import itertools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs hackmatrix[mirror]")
from fsspec.implementations.local import LocalFileSystem

from hackmatrix.tracking import find_run
from hackmatrix.tracking.backends.mirror import MirrorBackend
from hackmatrix.tracking.protocol import ArtifactRecord
from tests.tracking.test_mirror_backend import life

Calls = list[tuple[str, tuple[Any, ...]]]


def as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is given the instance it is called on, which a bound method would not be."""
    return lambda *given, **named: function(*given, **named)  # noqa: PLW0108


class Killed(BaseException):
    """No handler of ours catches it."""


class Killer:
    """Kills after the n-th change of the disk; a file is written by half, then whole, then gets its name."""

    def __init__(self, patched: pytest.MonkeyPatch, left: int) -> None:
        self._left = left
        self._pipe_file, self._replace = LocalFileSystem.pipe_file, Path.replace
        self._rm_file, self._rm = LocalFileSystem.rm_file, LocalFileSystem.rm
        patched.setattr(LocalFileSystem, "rm_file", as_method(self.rm_file))
        patched.setattr(LocalFileSystem, "rm", as_method(self.rm))
        patched.setattr(LocalFileSystem, "pipe_file", as_method(self.pipe_file))
        patched.setattr(Path, "replace", as_method(self.replace))

    def pipe_file(self, files: LocalFileSystem, path: str, data: bytes) -> None:
        self._pipe_file(files, path, data[: len(data) // 2])
        self._count_down()
        self._pipe_file(files, path, data)
        self._count_down()

    def replace(self, path: Path, target: Path) -> Path:
        done = self._replace(path, target)
        self._count_down()
        return done

    def rm_file(self, files: LocalFileSystem, path: str) -> None:
        self._rm_file(files, path)
        self._count_down()

    def rm(self, files: LocalFileSystem, path: str, **more: Any) -> None:
        self._rm(files, path, **more)
        self._count_down()

    def _count_down(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed


def calls_of_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What a run calls of its mirror that makes four checkpoints, and the last of them again from the third."""
    calls: Calls = []
    opens = MirrorBackend.open

    def open_(self: MirrorBackend, *given: Any) -> int | None:
        calls.append(("open", given))
        return opens(self, *given)

    def put(_: MirrorBackend, record: ArtifactRecord, files: Mapping[str, Path], keep: int | None) -> None:
        copies = {name: folder / f"files-{len(calls)}" / name for name in files}
        for name, path in copies.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(files[name], path)
        calls.append(("put_artifact", (record, copies, keep)))

    with monkeypatch.context() as patched:
        patched.setattr(MirrorBackend, "open", open_)
        patched.setattr(MirrorBackend, "put_artifact", put)
        life(folder / "runs", folder / "unused", 0, 40)
        shutil.rmtree(folder / "runs" / "mine" / "checkpoints" / "step-39")
        life(folder / "runs", folder / "unused", 30, 40, find_run("mine", root=folder / "runs"))
    assert [name for name, _ in calls].count("open") == 2
    assert [given[0].step for name, given in calls if name == "put_artifact"][3::3] == [39, 39]
    return calls


def make_all(calls: Calls, drive: Path) -> None:
    backend = MirrorBackend(path=str(drive))
    for name, given in calls:
        getattr(backend, name)(*given)


def step_found(drive: Path, empty: Path) -> int | None:
    """The step of the checkpoint that a new machine goes on from."""
    found = find_run("mine", root=empty, mirror=str(drive))
    folder = found.fetch_checkpoint() if found is not None and found.step is not None else None
    return None if folder is None else int((folder / "state.txt").read_text())


def test_wherever_a_kill_falls_the_newest_whole_checkpoint_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = calls_of_a_run(tmp_path, monkeypatch)
    for kill in itertools.count(1):
        drive = tmp_path / f"drive-{kill}"
        with monkeypatch.context() as patched:
            Killer(patched, kill)
            try:
                make_all(calls, drive)
                break
            except Killed:
                pass
        whole = [int(path.parent.name[5:]) for path in drive.glob("mine/checkpoints/step-*/manifest.json")]
        assert step_found(drive, tmp_path / f"empty-{kill}") == max(whole, default=None), f"kill {kill}"
        make_all(calls, drive)  # what was cut short is copied again
        assert step_found(drive, tmp_path / f"other-{kill}") == 39
    assert kill > 60, "too few places for a kill were met"
