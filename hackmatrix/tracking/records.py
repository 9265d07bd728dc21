"""Artifacts and media of a run: lines of ``records.jsonl``, and how a follower goes through them."""

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hackmatrix.tracking.bundles import MANIFEST, read_bundle, step_folder
from hackmatrix.tracking.errors import DamagedCheckpointError
from hackmatrix.tracking.journal import Readable, lines_of, read_chunks
from hackmatrix.tracking.lines import STEP, TIMESTAMP, decode_object
from hackmatrix.tracking.protocol import ArtifactRecord, ArtifactStore, Backend, MediaRecord, MediaWriter, Row
from hackmatrix.tracking.run_folder import RunFolder, digest_file
from hackmatrix.tracking.strict_json import noted, restored

_RETRY_S = 15.0
_MEDIUM = (STEP, TIMESTAMP, "kind", "tag", "data")
_ARTIFACT = (
    STEP, TIMESTAMP, "kind", "name", "type", "digest", "aliases", "metadata", "place", "keep", "upload",
)  # fmt: skip
_log = logging.getLogger("hackmatrix.tracking")


def artifact_line(record: ArtifactRecord, place: str, keep: int | None, *, upload: bool) -> dict[str, Any]:
    """The line of an artifact whose files lie at ``place``, relative to the run's folder."""
    return {
        STEP: record.step,
        TIMESTAMP: time.time(),
        "kind": "artifact",
        "name": record.name,
        "type": record.type,
        "digest": record.digest,
        "aliases": list(dict.fromkeys(record.aliases)),
        "metadata": noted(record.metadata),
        "place": place,
        "keep": keep,
        "upload": upload,
    }


def checkpoint_line(folder: RunFolder, step: int) -> dict[str, Any]:
    """The line of a checkpoint whose own may be lost, or not there yet: it is written after it."""
    place = f"checkpoints/{step_folder(step)}"
    record = ArtifactRecord(
        name="checkpoint",
        type="model",
        step=step,
        digest=digest_file(folder.path / place / MANIFEST),
        aliases=(f"checkpoint-{step}",),
    )
    return artifact_line(record, place, None, upload=True)


def artifact_of(line: Mapping[str, Any]) -> ArtifactRecord:
    """The record of a line that ``artifact_line`` made."""
    return ArtifactRecord(
        name=line["name"],
        type=line["type"],
        step=line[STEP],
        digest=line["digest"],
        aliases=tuple(line["aliases"]),
        metadata=restored(dict(line["metadata"])),
    )


def media_line(record: MediaRecord) -> dict[str, Any]:
    """The line of a histogram, text or image."""
    return {
        STEP: record.step,
        TIMESTAMP: record.timestamp,
        "kind": record.kind,
        "tag": record.tag,
        "data": dict(record.data),
    }


def media_of(line: Mapping[str, Any]) -> MediaRecord:
    """The record of a line that ``media_line`` made."""
    return MediaRecord(
        kind=line["kind"], tag=line["tag"], step=line[STEP], timestamp=line[TIMESTAMP], data=line["data"]
    )


def whole_record(line: dict[str, Any]) -> dict[str, Any]:
    """The line, if it has what ``artifact_line`` or ``media_line`` writes.

    Raises:
        ValueError: it lacks something.
    """
    needed = _ARTIFACT if line.get("kind") == "artifact" else _MEDIUM
    lacking = [key for key in needed if key not in line]
    if lacking:
        raise ValueError(f"a line is no record: it lacks {', '.join(lacking)}")
    return line


def read_records(path: Path, start: int = 0, end: int | None = None) -> Iterator[dict[str, Any]]:
    """The whole lines of a records' journal between two bytes."""
    yield from map(decode_object, lines_of(read_chunks(path, start, end)))


def artifact_files(folder: RunFolder, place: str) -> dict[str, Path]:
    """Name in the artifact -> path, of the files that lie at ``place``; a checkpoint's include its pieces."""
    root = folder.path / place
    if root.parent == folder.checkpoints:
        step = int(root.name.removeprefix(step_folder(0)[:-1]))
        bundle = read_bundle(folder.checkpoints, step)
        names = [*bundle.files, f"{step_folder(step)}/{MANIFEST}"]
        return {name: folder.checkpoints / name for name in names}
    files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    if not files and not root.exists():
        raise FileNotFoundError(f"there is no {str(root)!r}")
    return files


class RecordReader:
    """What one follower still has to carry of a run's records.

    Args:
        folder: the run's files.
        journal: the records' journal; read up to its published size.
        name: the backend's name, for messages.

    Attributes:
        problem: why an artifact is not taken, while that is so.
        newest_checkpoint: the step of the newest one that was taken.
    """

    def __init__(self, folder: RunFolder, journal: Readable, name: str) -> None:
        self._folder, self._journal, self._name = folder, journal, name
        self._offset = 0
        self._media: list[MediaRecord] = []
        self._artifacts: list[dict[str, Any]] = []
        self._done: set[tuple[str, int, str]] = set()
        self._retry_at = 0.0
        self._told: set[str] = set()
        self._stores = self._shows = False
        self.problem: str | None = None
        self.newest_checkpoint: int | None = None
        self.unsupported: Counter[str] = Counter()

    def restart(self, backend: Backend) -> None:
        """A new backend object: media begin anew, artifacts that it took are known."""
        self._offset, self._media, self._artifacts = 0, [], []
        self._stores = isinstance(backend, ArtifactStore)
        self._shows = isinstance(backend, MediaWriter)

    def read(self, after: int | None) -> None:
        """Take in what is new; media up to step ``after`` are held already."""
        size = self._journal.size
        for line in read_records(self._journal.path, self._offset, size):
            if line["kind"] != "artifact":
                if after is None or line[STEP] > after:
                    self._media.append(media_of(line))
                elif line["kind"] == "image" and (not self._shows or "image" in self.unsupported):
                    self._add_image(media_of(line))
            elif line["upload"]:
                self._artifacts.append(line)
        self._offset = size

    # Media.

    def write(self, backend: Backend, rows: list[Row], *, ending: bool = False) -> None:
        """Hand over rows, each medium just before the row of its step, so that one last step speaks for both."""
        due = sorted(
            (m for m in self._media if ending or (rows and m.step <= rows[-1].step)), key=lambda m: m.step
        )
        start = 0
        for medium in due:
            cut = next((i for i in range(start, len(rows)) if rows[i].step >= medium.step), len(rows))
            if cut > start:
                backend.write(rows[start:cut])
            start = cut
            if not self._written(backend, medium) and medium.kind == "histogram":
                same = start < len(rows) and rows[start].step == medium.step
                row = rows[start] if same else Row(medium.step, medium.timestamp, 0.0, {})
                row = row._replace(metrics={**row.metrics, **moments(medium)})
                if same:
                    rows = [*rows[:start], row, *rows[start + 1 :]]
                else:
                    backend.write([row])
        if rows[start:]:
            backend.write(rows[start:])
        taken = set(map(id, due))
        self._media = [m for m in self._media if id(m) not in taken]

    def _written(self, backend: Backend, medium: MediaRecord) -> bool:
        path = self._folder.path / medium.data["file"] if medium.kind == "image" else None
        if path is not None and not path.exists():
            self._tell_once(
                "gone", f"images of this run are not on this disk, e.g. {path}: they are left out"
            )
            return True
        if isinstance(backend, MediaWriter) and backend.write_media(medium, path):
            return True
        self.unsupported[medium.kind] += 1
        if path is not None:
            self._add_image(medium)
        self._tell_once(
            medium.kind,
            f"{self._name} does not show {medium.kind}s: "
            + {
                "histogram": "their moments are sent instead",
                "image": "they become artifacts" if self._stores else "they stay in the run's folder",
                "text": "they stay in the run's folder",
            }[medium.kind],
        )
        return False

    def _add_image(self, medium: MediaRecord) -> None:
        path = self._folder.path / medium.data["file"]
        if not self._stores or not path.exists():
            return
        record = ArtifactRecord(
            name="image-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in medium.tag).strip("-"),
            type="image",
            step=medium.step,
            digest=digest_file(path),
        )
        place = path.parent.relative_to(self._folder.path).as_posix()
        self._artifacts.append(artifact_line(record, place, None, upload=True))

    # Artifacts.

    def _due(self) -> list[dict[str, Any]]:
        """Those of the newest ``keep`` of each name that were not taken yet, and the best one, oldest first."""
        due = []
        newer: Counter[str] = Counter()
        best: set[str] = set()
        for line in reversed(self._artifacts):
            name, keep = line["name"], line["keep"]
            newer[name] += 1
            first_best = "best" in line["aliases"] and name not in best
            if first_best:
                best.add(name)
            wanted = keep is None or newer[name] <= keep or first_best
            if wanted and _key(line) not in self._done:
                due.append(line)
        return due[::-1]

    @property
    def owed(self) -> int:
        """Artifacts that are still to be delivered."""
        return len(self._due()) if self._stores else 0

    def wait_s(self, until: float | None) -> float | None:
        """Seconds until the next artifact may be tried; none if nothing is owed, or it is too late to begin one."""
        now = time.monotonic()
        left = math.inf if until is None else until - now
        if left < 0 or not self.owed:
            return None
        return max(0.0, min(self._retry_at - now, left))

    def deliver_artifact(self, backend: Backend, until: float | None) -> None:
        """Hand over one artifact at most; a failed one is tried again later and holds no rows back.

        Args:
            until: monotonic seconds; none is begun later. None: the run has not ended.
        """
        if self.wait_s(until) is None or time.monotonic() < self._retry_at:
            return
        assert isinstance(backend, ArtifactStore)
        line = self._due()[0]
        try:
            files = artifact_files(self._folder, line["place"])
        except (FileNotFoundError, DamagedCheckpointError):
            self._done.add(_key(line))  # pruned meanwhile: a newer one stands for it
            return
        record = artifact_of(line)
        try:
            backend.put_artifact(record, files, line["keep"])
        except Exception as problem:  # noqa: BLE001 - rows must go on whatever an upload raises
            self._retry_at = time.monotonic() + (_RETRY_S if until is None else 2.0)
            self.problem = f"did not take artifact {record.name!r} ({problem})"
            self._tell_once("artifact", f"{self._name} {self.problem}; it is tried again")
            return
        self._told.discard("artifact")
        self.problem = None
        if line["place"].startswith("checkpoints/"):
            self.newest_checkpoint = record.step
        self._done.add(_key(line))

    def _tell_once(self, cause: str, message: str) -> None:
        if cause not in self._told:
            self._told.add(cause)
            _log.warning("%s", message)


def _key(line: Mapping[str, Any]) -> tuple[str, int, str]:
    return line["name"], line[STEP], line["digest"]


def moments(record: MediaRecord) -> dict[str, float]:
    """What stands for a histogram where none can be shown."""
    count = sum(record.data["counts"])
    if not count:
        return {}
    mean = record.data["sum"] / count
    variance = max(0.0, record.data["sum_squares"] / count - mean * mean)
    return {
        f"{record.tag}/mean": mean,
        f"{record.tag}/std": variance**0.5,
        f"{record.tag}/min": float(record.data["min"]),
        f"{record.tag}/max": float(record.data["max"]),
    }
