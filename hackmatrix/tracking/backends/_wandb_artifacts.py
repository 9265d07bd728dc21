"""Artifacts at W&B: versions of a collection, one collection for each name of a run.

Collections belong to the project, so the run's name stands in front. Every version carries the digest of its
record in its metadata: by that a version that is there already is known, whatever became of the answer.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb
from wandb.sdk.artifacts.exceptions import WaitTimeoutError

from hackmatrix.tracking.backends import _wandb_client as client
from hackmatrix.tracking.backends import _wandb_errors as meanings
from hackmatrix.tracking.errors import BackendUnreachableError, RunNotFoundError
from hackmatrix.tracking.protocol import ArtifactRecord, RemoteRun


class Uploads:
    """What one backend object has put.

    Args:
        timeout: seconds that a version may take until the server has committed it.
        delete: whether versions beyond ``keep`` are deleted.
    """

    def __init__(self, *, timeout: float, delete: bool) -> None:
        self._timeout, self._delete = timeout, delete
        self._under_way: set[tuple[str, str]] = set()  # begun, and late

    def put(
        self,
        run: wandb.Run,
        run_name: str,
        record: ArtifactRecord,
        files: Mapping[str, Path],
        keep: int | None,
    ) -> None:
        """Upload a version and wait until the server has it, or give more names to the one that is there."""
        collection = f"{run.entity}/{run.project}/{run_name}-{record.name}"
        there = _version_of(record, collection)
        if there is None and (record.name, record.digest) in self._under_way:
            there = self._wait(record, collection)
        if there is None:
            self._upload(run, run_name, record, files)
        else:
            _give_names(there, names_of(record))
        self._under_way.discard((record.name, record.digest))
        if keep is not None and self._delete:
            _delete_beyond(_versions(record.type, collection), keep)

    def _upload(
        self, run: wandb.Run, run_name: str, record: ArtifactRecord, files: Mapping[str, Path]
    ) -> None:
        def work() -> None:
            self.queue(run, run_name, record, files).wait(timeout=max(1, round(self._timeout)))

        with meanings.translated(run.entity):
            try:
                client.bounded(work, self._timeout + client.API_S, "giving W&B an artifact")
            except (TimeoutError, WaitTimeoutError):
                self._under_way.add((record.name, record.digest))
                raise BackendUnreachableError(
                    f"artifact {record.name!r} is not at W&B after {self._timeout:.0f} s"
                ) from None

    def _wait(self, record: ArtifactRecord, collection: str) -> Any:
        """A version that was late, if it arrives after all; the client waits for a version only once."""
        deadline = time.monotonic() + self._timeout
        while (there := _version_of(record, collection)) is None and time.monotonic() < deadline:
            time.sleep(1.0)
        return there

    def queue(self, run: wandb.Run, run_name: str, record: ArtifactRecord, files: Mapping[str, Path]) -> Any:
        """Give a version to the client."""
        metadata = {**record.metadata, "digest": record.digest, "step": record.step}
        artifact = wandb.Artifact(f"{run_name}-{record.name}", type=record.type, metadata=metadata)
        for name, path in files.items():
            # The files are closed and never change, so the client needs no copy of them.
            artifact.add_file(str(path), name=name, policy="immutable", skip_cache=True)
        return run.log_artifact(artifact, aliases=list(names_of(record)))


def names_of(record: ArtifactRecord) -> tuple[str, ...]:
    """The aliases of a version: those that were asked for, and one by which its step is found."""
    step = step_names(record.step)[0 if record.type == "model" else 1]
    return tuple(dict.fromkeys((*record.aliases, step)))


def step_names(step: int) -> tuple[str, str]:
    """The alias of a step in a collection of type ``model``, and in any other."""
    return f"checkpoint-{step}", f"step-{step}"


def get(run: RemoteRun, name: str, version: int | str, into: Path) -> None:
    """Download the version of a step or of an alias, and compare its files with their checksums.

    Raises:
        RunNotFoundError: there is none.
    """
    asked = client.api()
    collection = f"{run.entity or client.default_entity(asked)}/{run.project}/{run.name}-{name}"
    aliases = step_names(version) if isinstance(version, int) else (version,)
    with meanings.translated(run.entity):
        found = next((a for a in aliases if asked.artifact_exists(f"{collection}:{a}")), None)
        if found is None:
            raise RunNotFoundError(f"W&B has no artifact {collection}:{aliases[0]}")
        artifact = asked.artifact(f"{collection}:{found}")
        artifact.download(root=str(into), skip_cache=True)
        artifact.verify(root=str(into))


def _versions(kind: str, collection: str) -> list[Any]:
    """The committed versions of a collection, newest first; none if there is no such collection."""
    asked = client.api()
    with meanings.translated():
        if not asked.artifact_collection_exists(collection, kind):
            return []
        return list(asked.artifacts(kind, collection))


def _version_of(record: ArtifactRecord, collection: str) -> Any:
    found = (v for v in _versions(record.type, collection) if v.metadata.get("digest") == record.digest)
    return next(found, None)


def _give_names(version: Any, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in version.aliases]
    if missing:
        version.aliases = [*version.aliases, *missing]
        version.save()


def _delete_beyond(versions: list[Any], keep: int) -> None:
    for version in versions[max(keep, 1) :]:
        if "best" not in version.aliases:
            version.delete(delete_aliases=True)
