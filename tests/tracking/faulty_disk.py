"""The functions of ``os`` that change a disk, watched, and failing when they are told to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CHANGING = ("open", "write", "fsync", "ftruncate", "replace", "mkdir", "unlink", "rmdir")


class Call(NamedTuple):
    name: str
    path: str  # below the root


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
            made = Call(name, path.removeprefix(self._root).lstrip("/"))
            if not reads:
                self.calls.append(made)
                self.before(made)
            if name == "fsync":  # noted; to wait for the real one proves nothing
                return None
            result = original(first, *rest, **named)
            if name == "open":
                self._paths[result] = path
            return result

        return call

    def _path(self, first: Any, folder: int | None) -> str | None:
        if isinstance(first, int):
            return self._paths.get(first)
        path = os.fspath(first)
        if folder is not None and folder in self._paths:
            path = f"{self._paths[folder]}/{path}"
        path = path if isinstance(path, str) else os.fsdecode(path)
        return path if path.startswith(self._root) else None

    def heal(self) -> None:
        """Nothing fails any more."""
        self.before: Callable[[Call], None] = _nothing

    def fail_at(self, place: int, error: BaseException) -> None:
        """The call of that number raises, once; the ones before and after it do not."""

        def before(call: Call) -> None:
            if len(self.calls) == place + 1:
                raise error

        self.calls.clear()
        self.before = before


def _nothing(call: Call) -> None:
    pass
