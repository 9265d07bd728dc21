"""The functions of ``os`` that change a disk: noted, failing when they are told to, and cut off by a power cut."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

CHANGING = ("open", "write", "fsync", "ftruncate", "replace", "mkdir", "unlink", "rmdir")


class Call(NamedTuple):
    """A call that was made; ``detail`` is a write's place and bytes, a length, or a new path."""

    name: str
    path: str  # below the root
    detail: Any = None


class Killed(BaseException):
    """What a process sees of SIGKILL in these tests: nothing catches it."""


class FaultyDisk:
    """Calls below ``root`` in the order in which they were made; ``before`` may raise instead of each.

    Files that are only read, and those of other folders, do not count.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.calls: list[Call] = []
        self.heal()
        self._root, self._paths = str(root), dict[int, str]()
        for name in CHANGING:
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(first: Any, *rest: Any, **named: Any) -> Any:
            path = self._path(first, named.get("dir_fd"))
            if path is None:
                return original(first, *rest, **named)
            reads = name == "open" and not rest[0] & (os.O_CREAT | os.O_RDWR | os.O_WRONLY)
            if not reads:
                self.calls.append(Call(name, self._below(path), self._detail(name, first, rest)))
                self.before(self.calls[-1])
            if name == "fsync":  # noted; to wait for the real one proves nothing
                return None
            result = original(first, *rest, **named)
            if name == "open":
                self._paths[result] = path
            return result

        return call

    def _detail(self, name: str, first: Any, rest: tuple[Any, ...]) -> Any:
        if name == "write":
            return os.lseek(first, 0, os.SEEK_CUR), bytes(rest[0])
        if name == "open":
            return bool(rest[0] & os.O_TRUNC)
        return self._below(os.fspath(rest[0])) if name == "replace" else rest[0] if rest else None

    def _below(self, path: str) -> str:
        return path.removeprefix(self._root).lstrip("/")

    def _path(self, first: Any, folder: int | None) -> str | None:
        if isinstance(first, int):
            return self._paths.get(first)
        path = os.fsdecode(first)
        if folder is not None and folder in self._paths:
            path = f"{self._paths[folder]}/{path}"
        return path if path.startswith(self._root) else None

    def heal(self) -> None:
        """Nothing fails any more."""
        self.before: Callable[[Call], None] = _nothing

    def fail_at(self, place: int, error: BaseException, times: int = 1) -> None:
        """Calls from that number on raise, so many times; the ones before and after do not."""

        def before(call: Call) -> None:
            if place < len(self.calls) <= place + times:
                raise error

        self.calls.clear()
        self.before = before


def _nothing(call: Call) -> None:
    pass


Data = Literal["kept", "lost", "half", "zeros"]


class _File:
    def __init__(self) -> None:
        self.now = self.safe = b""

    def left(self, data: Data) -> bytes:
        if data == "kept" or self.now == self.safe:
            return self.now
        if data == "lost":
            return self.safe
        pairs = zip(self.now, self.safe, strict=False)
        common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        fresh = len(self.now) - common
        return self.now[:common] + (self.now[common:][: fresh // 2] if data == "half" else bytes(fresh))


class _Disk:
    """What a file system holds in memory, and what of it is safe; a folder is a name without a file."""

    def __init__(self) -> None:
        self.now: dict[str, _File | None] = {}
        self.safe: dict[str, _File | None] = {}

    def open(self, path: str, cut: bool) -> None:
        file = self.now.setdefault(path, _File())
        assert file is not None
        file.now = b"" if cut else file.now

    def mkdir(self, path: str, mode: int) -> None:
        if path:
            self.now.setdefault(path, None)

    def unlink(self, path: str, nothing: None) -> None:
        self.now.pop(path, None)

    rmdir = unlink

    def replace(self, path: str, target: str) -> None:
        for old in [old for old in self.now if old == path or old.startswith(path + "/")]:
            self.now[target + old.removeprefix(path)] = self.now.pop(old)
        # What is safe inside a folder stays so; which of its two names leads there is known with the next fsync.
        self.safe |= {
            target + old.removeprefix(path): x for old, x in self.safe.items() if old.startswith(path + "/")
        }

    def write(self, path: str, detail: tuple[int, bytes]) -> None:
        file, (start, data) = self.now[path], detail
        assert file is not None
        file.now = file.now[:start].ljust(start, b"\0") + data + file.now[start + len(data) :]

    def ftruncate(self, path: str, size: int) -> None:
        file = self.now[path]
        assert file is not None
        file.now = file.now[:size].ljust(size, b"\0")

    def fsync(self, path: str, nothing: None) -> None:
        file = self.now.get(path)
        if file is not None:
            file.safe = file.now
            return
        self.safe = {name: kept for name, kept in self.safe.items() if name.rpartition("/")[0] != path}
        self.safe |= {name: kept for name, kept in self.now.items() if name.rpartition("/")[0] == path}


def after_power_cut(calls: list[Call], *, data: Data, names_kept: bool) -> dict[str, bytes | None]:
    """What a disk may hold when the power goes after these calls: files, and folders without bytes.

    Bytes that were not made safe are kept, lost, half there, or zeros; names that were not made safe (by a call
    for their folder) are all there or none. The root was empty and safe.
    """
    disk = _Disk()
    for call in calls:
        getattr(disk, call.name)(call.path, call.detail)
    held: dict[str, bytes | None] = {}
    for path, file in sorted((disk.now if names_kept else disk.safe).items()):
        folder = path.rpartition("/")[0]
        if folder in held or not folder:  # else its folder's own name was lost
            held[path] = None if file is None else file.left(data)
    return held


def lay_out(held: dict[str, bytes | None], root: Path) -> None:
    """Make these files and folders."""
    root.mkdir()
    for path, data in held.items():
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)
