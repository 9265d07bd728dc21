"""The files of a run but its two journals: where they lie, ``run.json``, and how a file appears whole."""

import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hackmatrix.tracking.errors import RunFolderError
from hackmatrix.tracking.journal import write_all
from hackmatrix.tracking.lock import is_held
from hackmatrix.tracking.strict_json import decode_strict, encode_strict

_ANY = object  # null, too
_NEEDED: dict[str, type] = {
    "name": str, "id": str, "uid": str, "project": _ANY, "entity": _ANY, "group": _ANY, "job_type": _ANY,
    "tags": list, "notes": _ANY, "config": dict, "config_digest": str, "attempts": list, "summary": dict,
}  # fmt: skip


def write_whole(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write a file that is seen either not at all or complete, also after a power cut.

    Raises:
        OSError: the disk refused; ``path`` is what it was before, or complete but perhaps not yet safe.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o644
        )
        try:
            for part in (data,) if isinstance(data, bytes) else data:
                write_all(descriptor, part)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)  # else it is cleared when the run is opened again
        raise
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make what somebody else wrote survive a power cut."""
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    import hashlib  # noqa: PLC0415 - keeps the package's import light

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_attempt(found: object) -> bool:
    return isinstance(found, dict) and "number" in found and "started" in found


class RunFolder:
    """Paths below ``root/<run name>`` and what is kept there as whole files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = path / "metrics.jsonl"
        self.records = path / "records.jsonl"
        self.identity = path / "run.json"
        self.lock = path / "lock"
        self.artifacts = path / "artifacts"
        self.checkpoints = path / "checkpoints"
        self.pieces = self.checkpoints / "pieces"
        self.discarded = path / "discarded"
        self.followers = path / "followers"

    def standing(self, backend: str) -> Path:
        """Where a backend's follower tells how far it has come."""
        return self.followers / f"{backend}.json"

    def read_identity(self) -> dict[str, Any] | None:
        """What ``run.json`` says; none where there is none, since a folder without it is no run.

        Raises:
            RunFolderError: the file is there and no run's description, or one that lacks what readers need.
        """
        try:
            found = decode_strict(self.identity.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as problem:
            raise RunFolderError(
                f"{self.identity} cannot be read ({problem}); restore it or move it away"
            ) from problem
        if not isinstance(found, dict) or "name" not in found:
            raise RunFolderError(f"{self.identity} is no run's description; restore it or move it away")
        lacking = [
            key for key, kind in _NEEDED.items() if key not in found or not isinstance(found[key], kind)
        ]
        if lacking or not all(_is_attempt(each) for each in found["attempts"] or (None,)):
            raise RunFolderError(
                f"{self.identity} lacks {', '.join(lacking) or 'whole attempts'}; restore it or move it away"
            )
        return found

    def write_identity(self, identity: dict[str, Any]) -> None:
        """Replace ``run.json``."""
        write_whole(self.identity, encode_strict(identity))

    def status(self, identity: dict[str, Any]) -> str:
        """The newest attempt's status; ``running`` and ``lost`` are derived from the lock."""
        written: str | None = identity["attempts"][-1].get("status") if identity.get("attempts") else None
        if written is not None:
            return written
        return "running" if is_held(self.lock) else "lost"

    def set_aside(self, path: Path, label: str) -> Path:
        """Move a file or folder to ``discarded/`` under a name that is free there."""
        return self._aside(label, path.replace)

    def keep_aside(self, data: Iterable[bytes], label: str) -> Path:
        """Write bytes to ``discarded/`` under a name that is free there."""
        return self._aside(label, lambda target: write_whole(target, data))

    def _aside(self, label: str, put: Callable[[Path], object]) -> Path:
        self.discarded.mkdir(exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        names = (f"{stamp}-{number}-{label}" for number in itertools.count(1))
        target = next(path for path in map(self.discarded.joinpath, names) if not path.exists())
        put(target)
        return target

    def clear_temporary(self) -> None:
        """Remove what a killed attempt was still writing; call it under the lock only."""
        for leftover in [
            *self.path.glob(".*.tmp"),
            *self.pieces.glob(".*.tmp"),
            *self.artifacts.glob(".*.tmp"),
            *self.discarded.glob(".*.tmp"),
            *self.checkpoints.glob("tmp-*"),
            self.followers,
        ]:
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
