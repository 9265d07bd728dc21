"""Checkpoints copied as closed files to a folder or bucket that outlives the machine.

Rows are not sent one by one, since an append-only file on a mounted drive or in a bucket is rewritten whole, or
torn: they travel in the pieces of each checkpoint. Below ``path`` a run lies as it does on the disk that made it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from hackmatrix.tracking.bundles import MANIFEST as _MANIFEST
from hackmatrix.tracking.bundles import read_bundle, step_folder
from hackmatrix.tracking.errors import (
    BackendSetupError,
    BackendUnreachableError,
    DamagedCheckpointError,
    RunConflictError,
    RunNotFoundError,
)
from hackmatrix.tracking.naming import run_id
from hackmatrix.tracking.protocol import (
    ArtifactRecord,
    Config,
    MediaRecord,
    Number,
    Precision,
    RemoteRun,
    Row,
    RunInfo,
    Status,
)
from hackmatrix.tracking.strict_json import decode_strict, encode_strict

_BEST = "best"  # a file beside the checkpoints: the steps of those that were the best, the newest last


class MirrorBackend:
    """Keeps a copy of a run's checkpoints.

    Args:
        path: a folder (made if absent), or a URL that fsspec understands, e.g. ``gs://bucket/runs``.
    """

    precision: Precision = "none"  # rows travel with checkpoints

    def __init__(self, *, path: str) -> None:
        self.url: str | None = path
        self._given = path
        self._name = ""
        try:
            self._files, self._root = fsspec.core.url_to_fs(str(path))
        except (ImportError, ValueError) as problem:
            raise BackendSetupError(
                f"the mirror {path!r} cannot be used ({problem}); for gs://... install 'hackmatrix[gcs]'"
            ) from problem

    def open(self, run: RunInfo, config: Config) -> int | None:
        """Make the folder of the run; nothing is held of its rows but what checkpoints have."""
        del config
        self._name = run.name
        with self._reachable():
            held = self._identity(run.name)
            if held is not None and held["uid"] != run.uid:
                raise RunConflictError(
                    f"the mirror {self._given!r} has another run called {run.name!r}; choose another name, or go on "
                    "with that one: resume=find_run(NAME, mirror=...)"
                )
            self._files.makedirs(self._at(run.name, "checkpoints", "pieces"), exist_ok=True)
        return None

    def discard_after(self, step: int | None) -> bool:
        """Nothing to do: a checkpoint has the rows up to its step."""
        del step
        return True

    def write(self, rows: Sequence[Row]) -> None:
        """Nothing to do: rows travel with checkpoints."""
        del rows

    def write_media(self, record: MediaRecord, path: Path | None) -> bool:
        """Histograms and texts travel as rows do; an image's file is an artifact of its own."""
        del path
        return record.kind != "image"

    def flush(self, timeout: float) -> None:
        """Nothing waits."""

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        """Note how the run ended beside its newest checkpoint; that one's step is what is held."""
        del timeout
        if status is None:
            return None
        with self._reachable():
            identity = self._identity(self._name)
            if identity is not None:
                identity["attempts"][-1]["status"] = status
                identity["summary"] = dict(summary)
                self._put(encode_strict(identity), self._name, "run.json")
            return self._newest_step(self._name)

    # Artifacts.

    def put_artifact(self, record: ArtifactRecord, files: Mapping[str, Path], keep: int | None) -> None:
        """Copy files, read each back and compare; a checkpoint's manifest goes last: it makes it one."""
        manifest = f"{step_folder(record.step)}/{_MANIFEST}"
        place = "checkpoints" if manifest in files else f"artifacts/{record.name}-{record.digest[:16]}"
        with self._reachable():
            if manifest in files:
                self._clear_other(files[manifest], self._name, place, manifest)
            for name in sorted(files.keys() - {manifest}):
                self._copy(files[name], self._name, place, name)
            if manifest not in files:
                return
            self._put(files[f"step-{record.step}/run.json"].read_bytes(), self._name, "run.json")
            self._note_best(record.step, is_best="best" in record.aliases)
            self._copy(files[manifest], self._name, place, manifest)
            if keep is not None:
                self._prune(keep)

    def _copy(self, source: Path, *place: str) -> None:
        data = source.read_bytes()
        target = self._at(*place)
        is_piece = place[-1].startswith("pieces/")
        if is_piece and self._files.exists(target) and self._files.size(target) == len(data):
            return  # pieces never change
        self._put(data, *place)
        if hashlib.sha256(self._files.cat_file(target)).digest() != hashlib.sha256(data).digest():
            raise OSError(f"{target} reads back other bytes than were written")

    def _clear_other(self, source: Path, *place: str) -> None:
        """A step that is made again: what stands there is no checkpoint while its files are exchanged."""
        target = self._at(*place)
        if self._files.exists(target) and self._files.cat_file(target) != source.read_bytes():
            self._files.rm_file(target)

    def _note_best(self, step: int, *, is_best: bool) -> None:
        """Keep the steps that were ever best, oldest first: the newest may never become a whole checkpoint."""
        noted = self._noted_best()
        wanted = [each for each in noted if each != step] + [step] * is_best
        if wanted != noted:
            self._put(" ".join(map(str, wanted)).encode(), self._name, "checkpoints", _BEST)

    def _noted_best(self) -> list[int]:
        try:
            words = self._files.cat_file(self._at(self._name, "checkpoints", _BEST)).split()
        except FileNotFoundError:
            return []
        return [int(word) for word in words if word.isdigit()]

    def _prune(self, keep: int) -> None:
        steps = self._steps(self._name)
        best = next((step for step in reversed(self._noted_best()) if step in steps), None)
        for step in steps[:-keep]:
            if step != best:
                folder = self._at(self._name, "checkpoints", f"step-{step}")
                self._files.rm_file(f"{folder}/{_MANIFEST}")  # first: without it there is no checkpoint
                self._files.rm(folder, recursive=True)

    def get_artifact(self, run: RemoteRun, name: str, version: int | str, into: Path) -> None:
        """Copy the checkpoint of a step, its pieces with it."""
        step = int(version)
        manifest = into / step_folder(step) / _MANIFEST
        with self._reachable():
            try:
                text = self._files.cat_file(self._at(run.name, name + "s", step_folder(step), _MANIFEST))
            except FileNotFoundError:
                raise RunNotFoundError(f"the mirror has no {name} {version} of {run.name!r}") from None
            manifest.parent.mkdir(parents=True)
            manifest.write_bytes(text)
            for file in read_bundle(into, step).files:  # its names are checked: none leads out of the folder
                target = into / file
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    target.write_bytes(self._files.cat_file(self._at(run.name, "checkpoints", file)))
                except FileNotFoundError as problem:
                    raise DamagedCheckpointError(f"the mirror lacks {file} of {run.name!r}") from problem

    # Asking.

    def find(
        self, name: str | None, config_digest: str | None, project: str, entity: str | None
    ) -> RemoteRun | None:
        """The run of this name or id, else the newest of this config."""
        del project, entity
        with self._reachable():
            identities = [self._identity(name)] if name is not None else []
            if not any(identities):
                identities = [self._identity(other) for other in self._names()]
            fitting = [
                identity
                for identity in identities
                if identity is not None
                and (
                    name in (identity["name"], identity["id"])
                    if name is not None
                    else identity["config_digest"] == config_digest
                )
            ]
            if not fitting:
                return None
            identity = max(fitting, key=lambda identity: identity["attempts"][-1]["started"])
            return RemoteRun(
                name=identity["name"],
                uid=identity["uid"],
                project=identity["project"],
                entity=identity["entity"],
                config={**identity["config"], "config_digest": identity["config_digest"]},
                status=identity["attempts"][-1].get("status") or "lost",
                attempts=len(identity["attempts"]),
                steps=tuple(self._steps(identity["name"])),
            )

    def taken(self, name: str, project: str, entity: str | None) -> bool:
        """Whether a run of this name was copied here."""
        del project, entity
        with self._reachable():
            return self._identity(name) is not None

    # Files.

    def _at(self, *parts: str) -> str:
        return "/".join((self._root.rstrip("/"), *parts))

    def _put(self, data: bytes, *place: str) -> None:
        """Write a file; in a folder a kill leaves all of it, or what stood there before."""
        target = self._at(*place)
        self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
        if not isinstance(self._files, LocalFileSystem):
            # An object store shows it once it is whole; of others that is not known.
            self._files.pipe_file(target, data)
            return
        self._files.pipe_file(f"{target}.part", data)
        try:
            Path(f"{target}.part").replace(target)
        except PermissionError as problem:  # Windows, while somebody reads it
            raise BackendUnreachableError(f"{target} cannot be replaced now: {problem}") from problem

    def _identity(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = decode_strict(self._files.cat_file(self._at(name, "run.json")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError:
            return None  # not one of ours
        return found if found.get("id") == run_id(found.get("name", "")) else None

    def _names(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self._listed(self._root)]

    def _steps(self, name: str) -> list[int]:
        return [step for step in self._folders_of_steps(name) if self._has_manifest(name, step)]

    def _newest_step(self, name: str) -> int | None:
        """As ``_steps`` says, with one request more than the listing."""
        there = self._folders_of_steps(name)
        return next((step for step in reversed(there) if self._has_manifest(name, step)), None)

    def _folders_of_steps(self, name: str) -> list[int]:
        folders = (path.rpartition("/")[2] for path in self._listed(self._at(name, "checkpoints")))
        return sorted(
            int(folder[5:]) for folder in folders if folder.startswith("step-") and folder[5:].isdecimal()
        )

    def _has_manifest(self, name: str, step: int) -> bool:
        return bool(self._files.exists(self._at(name, "checkpoints", f"step-{step}", _MANIFEST)))

    def _listed(self, folder: str) -> list[str]:
        self._files.invalidate_cache()
        try:
            return [path.rstrip("/") for path in self._files.ls(folder, detail=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as problem:
            raise BackendSetupError(f"the mirror {self._given!r} cannot be written: {problem}") from problem
        except (FileExistsError, NotADirectoryError) as problem:
            raise BackendSetupError(f"the mirror {self._given!r} is no folder: {problem}") from problem
        except ImportError as problem:
            raise BackendSetupError(
                f"the mirror {self._given!r} needs {problem.name!r}: {problem}"
            ) from problem
        except OSError as problem:
            if isinstance(problem, BackendUnreachableError):
                raise
            raise BackendUnreachableError(f"the mirror {self._given!r} failed: {problem}") from problem
