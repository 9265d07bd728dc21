"""Checkpoints: closed files from which a run goes on, with the journal up to their step.

::

    checkpoints/
        step-40/            what the caller saved, run.json, manifest.json
        pieces/             the journals in pieces that never change: a piece is uploaded once

A checkpoint appears by one rename, whole, with a manifest that names every file and its checksum: a folder without
one is no checkpoint.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hackmatrix.tracking.errors import DamagedCheckpointError
from hackmatrix.tracking.journal import read_chunks, scan
from hackmatrix.tracking.run_folder import RunFolder, digest_file, sync_file, sync_folder, write_whole
from hackmatrix.tracking.strict_json import encode_strict

MANIFEST = "manifest.json"
FORMAT = 1


class Bundle(NamedTuple):
    """A whole checkpoint: names are relative to ``checkpoints/``."""

    step: int
    run_uid: str
    files: Mapping[str, str]  # name -> SHA-256
    metrics: tuple[str, ...]  # pieces in order
    records: tuple[str, ...]


def step_folder(step: int) -> str:
    """The name of a checkpoint's folder."""
    return f"step-{step}"


def read_bundle(checkpoints: Path, step: int) -> Bundle:
    """What the manifest of a step says.

    Raises:
        FileNotFoundError: there is no checkpoint of this step.
        DamagedCheckpointError: the manifest is cut short, or of another format.
    """
    text = (checkpoints / step_folder(step) / MANIFEST).read_bytes()
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise DamagedCheckpointError(
                f"checkpoint {step} has format {found['format']!r}, this version reads {FORMAT}; "
                "read it with the version that wrote it"
            )
        bundle = Bundle(
            found["step"], found["run_uid"], found["files"], tuple(found["metrics"]), tuple(found["records"])
        )
        if bundle.step != step or not text.endswith(b"}\n"):
            raise ValueError("it is cut short, or another step's")
        for name in (*bundle.files, *bundle.metrics, *bundle.records):
            _check_place(name, step)
        if not bundle.files.keys() >= {*bundle.metrics, *bundle.records}:
            raise ValueError("a piece has no checksum")
        return bundle  # noqa: TRY300 - an else branch would stand far from what it belongs to
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        if isinstance(problem, DamagedCheckpointError):
            raise
        raise DamagedCheckpointError(
            f"the manifest of checkpoint {step} is damaged: {problem!r}"
        ) from problem


def _check_place(name: str, step: int) -> None:
    """A fetched manifest must not lead out of ``checkpoints/``."""
    folder, *rest = name.split("/")
    if folder not in ("pieces", step_folder(step)) or not rest or {"", ".", ".."}.intersection(rest):
        raise ValueError(f"{name!r} is no file of it")
    if "\\" in name or ":" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name on every system")


def verify_bundle(checkpoints: Path, bundle: Bundle) -> None:
    """Compare every file with its checksum.

    Raises:
        DamagedCheckpointError: a file is missing or differs.
    """
    for name, expected in bundle.files.items():
        try:
            found = digest_file(checkpoints / name)
        except OSError as problem:
            raise DamagedCheckpointError(f"checkpoint {bundle.step} lacks {name}: {problem}") from problem
        if found != expected:
            raise DamagedCheckpointError(
                f"checkpoint {bundle.step}: {name} has SHA-256 {found[:12]}..., expected {expected[:12]}..."
            )


def steps_on_disk(checkpoints: Path) -> list[int]:
    """Steps whose manifest stands, ascending; their files are not verified."""
    steps = [int(folder.name[5:]) for folder in checkpoints.glob("step-*") if folder.name[5:].isdecimal()]
    return sorted(step for step in steps if (checkpoints / step_folder(step) / MANIFEST).exists())


def newest_whole(checkpoints: Path, upto: int | None = None) -> tuple[Bundle | None, list[str]]:
    """The newest checkpoint whose every byte is what was written, and why newer ones were passed over."""
    problems = []
    for step in reversed(steps_on_disk(checkpoints)):
        if upto is not None and step > upto:
            continue
        try:
            bundle = read_bundle(checkpoints, step)
            verify_bundle(checkpoints, bundle)
        except (DamagedCheckpointError, OSError) as problem:
            problems.append(f"checkpoint {step}: {problem}")
        else:
            return bundle, problems
    return None, problems


def _closed_files(source: Path, name: str) -> dict[str, str]:
    """The checksums of a folder's files, each made safe: what is pruned for this one must not be missed."""
    files = {}
    for path in sorted(source.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        elif path != source / MANIFEST:
            files[f"{name}/{path.relative_to(source).as_posix()}"] = digest_file(path)
            sync_file(path)
    return files


def newest_named(checkpoints: Path) -> Bundle | None:
    """The newest checkpoint whose manifest can be read, its files not verified; none where there is none."""
    for step in reversed(steps_on_disk(checkpoints)):
        try:
            return read_bundle(checkpoints, step)
        except (DamagedCheckpointError, FileNotFoundError):
            continue  # verify tells, or it was pruned meanwhile
    return None


def rows_in_pieces(checkpoints: Path) -> list[Path]:
    """The pieces of the rows' journal that the newest checkpoint names."""
    bundle = newest_named(checkpoints)
    return [] if bundle is None else [checkpoints / name for name in bundle.metrics]


class BundleMaker:
    """Closes pieces of a run's journals and puts checkpoints together; used from one thread at a time.

    Args:
        folder: the run's files.
        base: the checkpoint that this attempt goes on from.
    """

    def __init__(self, folder: RunFolder, base: Bundle | None) -> None:
        self._folder = folder
        self._pieces: dict[str, list[str]] = {
            "metrics": list(base.metrics) if base else [],
            "records": list(base.records) if base else [],
        }
        self._digests: dict[str, str] = {
            name: base.files[name] for names in self._pieces.values() for name in names if base
        }
        self._ends = {
            kind: sum((folder.checkpoints / name).stat().st_size for name in names)
            for kind, names in self._pieces.items()
        }

    def make(self, source: Path, step: int, sizes: Mapping[str, int], identity: Mapping[str, Any]) -> Bundle:
        """Move a folder of closed files to its place and bundle the journals with it.

        Args:
            source: the folder; its place afterwards is ``checkpoints/step-N``.
            step: rows and records up to here belong to the checkpoint.
            sizes: valid bytes of ``metrics`` and ``records``.
            identity: what ``run.json`` says now.

        Raises:
            OSError: the disk refused; there is no checkpoint of this step then.
        """
        self._folder.pieces.mkdir(parents=True, exist_ok=True)
        self._close_piece("metrics", self._folder.metrics, step, sizes["metrics"])
        self._close_piece("records", self._folder.records, step, sizes["records"])
        write_whole(source / "run.json", encode_strict(identity))
        bundle = Bundle(
            step,
            identity["uid"],
            {**_closed_files(source, step_folder(step)), **self._digests},
            tuple(self._pieces["metrics"]),
            tuple(self._pieces["records"]),
        )
        manifest = {"format": FORMAT, **bundle._asdict(), "written": time.time()}
        write_whole(source / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        self._move_into_place(source, step)
        return bundle

    def _move_into_place(self, source: Path, step: int) -> None:
        place = self._folder.checkpoints / step_folder(step)
        earlier = self._folder.checkpoints / f"tmp-replaced-{step}"  # a checkpoint that is taken again
        shutil.rmtree(earlier, ignore_errors=True)
        if place.exists():
            place.replace(earlier)
        try:
            source.replace(place)
        except OSError:
            with contextlib.suppress(OSError):
                earlier.replace(place)
            raise
        for folder in (place.parent, self._folder.path, self._folder.path.parent):
            sync_folder(folder)  # a file is only as safe as the names that lead to it
        shutil.rmtree(earlier, ignore_errors=True)

    def _close_piece(self, kind: str, journal: Path, step: int, size: int) -> None:
        start = self._ends[kind]
        extent = scan(read_chunks(journal, start, size), upto=step, ordered=kind == "metrics")
        if not extent.size:
            return
        temporary = self._folder.pieces / f".{kind}.tmp"
        write_whole(temporary, read_chunks(journal, start, start + extent.size))
        digest = digest_file(temporary)
        name = f"pieces/{kind}-{len(self._pieces[kind]):05d}-{digest[:12]}.jsonl"
        temporary.replace(self._folder.checkpoints / name)
        sync_folder(self._folder.pieces)
        self._pieces[kind].append(name)
        self._digests[name] = digest
        self._ends[kind] = start + extent.size

    def prune(self, keep: int, spare: Iterable[int]) -> None:
        """Remove all but the newest ``keep`` checkpoints and those to spare."""
        steps = steps_on_disk(self._folder.checkpoints)
        for step in set(steps[:-keep] if keep else steps) - set(spare):
            gone = self._folder.checkpoints / f"tmp-pruned-{step}"  # so that a kill leaves no half checkpoint
            with contextlib.suppress(OSError):  # one too many does no harm
                (self._folder.checkpoints / step_folder(step)).replace(gone)
            shutil.rmtree(gone, ignore_errors=True)


def restore(folder: RunFolder, bundle: Bundle | None, upto: int | None) -> list[Path]:
    """Make a run's journals what they were at a step; what is beyond it goes to ``discarded/``.

    Args:
        folder: the run's files; call it under the lock.
        bundle: where the journals come from; none takes them from the run's own files.
        upto: the last step to keep; none keeps all that is valid.

    Returns:
        What was put aside, rows first.
    """
    aside: list[Path] = []
    for kind, journal in (("metrics", folder.metrics), ("records", folder.records)):
        pieces = [folder.checkpoints / name for name in getattr(bundle, kind)] if bundle else [journal]
        aside += _restore_journal(folder, journal, pieces, kind, upto)
    for step in steps_on_disk(folder.checkpoints):
        if upto is not None and step > upto:
            aside.append(folder.set_aside(folder.checkpoints / step_folder(step), step_folder(step)))
    return aside


def _restore_journal(
    folder: RunFolder, journal: Path, pieces: list[Path], kind: str, upto: int | None
) -> list[Path]:
    size = scan(_chunks(pieces), upto=upto, ordered=kind == "metrics").size
    present = journal.stat().st_size if journal.exists() else 0
    label = f"{kind}.jsonl"
    if _common(_chunks(pieces), read_chunks(journal, 0, size)) >= size:
        if present == size:
            return []
        aside = folder.keep_aside(read_chunks(journal, size), label)
        _cut(journal, size)
        return [aside]
    moved = [folder.set_aside(journal, label)] if present else []
    write_whole(journal, _first(size, _chunks(pieces)))
    return moved


def _chunks(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in paths:
        yield from read_chunks(path)


def _first(size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return


def _common(one: Iterable[bytes], other: Iterable[bytes]) -> int:
    """How many bytes two files surely share; pieces may be cut anywhere."""
    common, rest, ahead = 0, b"", iter(one)
    for chunk in other:
        while len(rest) < len(chunk):
            more = next(ahead, None)
            if more is None:
                return common
            rest += more
        if not rest.startswith(chunk):
            return common
        common, rest = common + len(chunk), rest[len(chunk) :]
    return common


def _cut(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
