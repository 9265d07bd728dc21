"""Every promise that can be checked on the disk, checked: what ``run.json``, journals and checkpoints say."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hackmatrix.tracking.artifacts import digest_folder
from hackmatrix.tracking.bundles import Bundle, read_bundle, steps_on_disk, verify_bundle
from hackmatrix.tracking.config import config_digest
from hackmatrix.tracking.errors import DamagedCheckpointError, RunFolderError
from hackmatrix.tracking.journal import lines_of, read_chunks, scan
from hackmatrix.tracking.lines import STEP, decode_object, decode_row, encode_objects
from hackmatrix.tracking.lock import is_held
from hackmatrix.tracking.mirrored import is_mirror
from hackmatrix.tracking.naming import run_id
from hackmatrix.tracking.run_folder import RunFolder

_KINDS = ("artifact", "histogram", "text", "image")
_TICK_S = 0.05  # by so much a file's stamp may lag behind the clock
_CUT = "keeps what is before it and puts the rest into discarded/"


class Finding(NamedTuple):
    """One promise that is not kept.

    Attributes:
        file: relative to the run's folder.
        problem: a sentence.
        mend: what ``repair`` does about it; none: only a person can.
    """

    file: str
    problem: str
    mend: str | None


def verify(path: Path) -> list[Finding]:
    """What is wrong with a run's folder; changes nothing.

    A run that is being written may have an unfinished last line and temporary files: that is its right.
    """
    folder = RunFolder(path)
    live = is_held(folder.lock)
    found: list[Finding] = []
    for check in (_identity, _rows, _records, _checkpoints):
        found += check(folder, live=live)
    if not live and not any(each.file == folder.metrics.name for each in found):
        found += _loss(folder)
    return found if live else [*found, *leftovers(folder)]


def _loss(folder: RunFolder) -> Iterator[Finding]:
    lost = lost_rows(folder)
    if lost:
        problem = f"{lost} rows that the last attempt wrote are missing"
        yield Finding(folder.metrics.name, problem, "counts them as dropped in run.json; they are lost")


def _identity(folder: RunFolder, *, live: bool) -> Iterator[Finding]:
    del live  # run.json is whole at every instant
    name = folder.identity.name
    try:
        identity = folder.read_identity()
    except RunFolderError as problem:
        yield Finding(name, str(problem), _restorable(folder))
        return
    if identity is None:
        yield Finding(name, "it is missing, so that nobody sees this run", _restorable(folder))
        return
    if identity["id"] != run_id(identity["name"]):
        yield Finding(name, f"id {identity['id']!r} is not that of the name {identity['name']!r}", None)
    if identity["config_digest"] != config_digest(identity["config"]):
        yield Finding(name, "the config is not the one whose digest stands beside it", None)
    numbers = [attempt.get("number") for attempt in identity["attempts"]]
    if numbers != list(range(len(numbers))):
        yield Finding(name, f"attempts are numbered {numbers}", None)


def _restorable(folder: RunFolder) -> str | None:
    for step in reversed(steps_on_disk(folder.checkpoints)):
        if (folder.checkpoints / f"step-{step}" / "run.json").exists():
            return f"takes it from the checkpoint of step {step}"
    return None


def _rows(folder: RunFolder, *, live: bool) -> Iterator[Finding]:
    name, size, number, newest = folder.metrics.name, 0, 0, -1
    tags: set[str] = set()
    for number, line in enumerate(lines_of(read_chunks(folder.metrics)), 1):
        try:
            row = decode_row(line)
        except ValueError as problem:
            yield Finding(name, f"line {number} is no row: {problem}", _CUT)
            return
        if row.step < newest:
            yield Finding(name, f"line {number} has step {row.step} after step {newest}", _CUT)
            return
        if row.step > newest:
            newest, tags = row.step, set()
        repeated = sorted(tags.intersection(row.metrics)) + _repeated_keys(line)
        if repeated:
            yield Finding(name, f"step {row.step} has {repeated[0]!r} twice, again in line {number}", None)
        tags |= row.metrics.keys()
        size += len(line)
    yield from _torn(folder.metrics, size, "row", live=live)


def lost_rows(folder: RunFolder) -> int:
    """Rows that the last attempt wrote, by its own report, and that are nowhere; 0 if it came to no end.

    What was put aside since is there: by a resume that went on from a checkpoint and failed, say.
    """
    if is_mirror(folder):
        return 0
    try:
        identity = folder.read_identity() or {}
        attempt = identity["attempts"][-1]
        if "ended" not in attempt:
            return 0
        written: int = identity["report"]["rows"]
        start = attempt["from_step"]
    except (RunFolderError, LookupError):
        return 0  # that is told already
    present = sum(chunk.count(b"\n") for chunk in read_chunks(folder.metrics))
    if start is not None:
        present -= scan(read_chunks(folder.metrics), upto=start).lines
    aside = [
        path for path in folder.discarded.glob(f"*{folder.metrics.name}") if _since(path, attempt["ended"])
    ]
    present += sum(chunk.count(b"\n") for path in aside for chunk in read_chunks(path))
    return max(0, written - present)


def _since(path: Path, time: float) -> bool:
    """Whether a file came to its place after a time: a move changes the one stamp, writing the other."""
    facts = path.stat()
    return max(facts.st_mtime, facts.st_ctime) > time - _TICK_S


def _repeated_keys(line: bytes) -> list[str]:
    if encode_objects([decode_object(line)]) == line:
        return []  # as our encoder writes it: no key can stand there twice
    names = json.loads(line, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    return [name for name, count in Counter(names).items() if count > 1]


def _torn(journal: Path, size: int, what: str, *, live: bool) -> Iterator[Finding]:
    beyond = journal.stat().st_size - size if journal.exists() else 0
    if beyond and not live:
        yield Finding(journal.name, f"{beyond} bytes of an unfinished {what} stand at the end", _CUT)


def _records(folder: RunFolder, *, live: bool) -> Iterator[Finding]:
    name, size = folder.records.name, 0
    seen: set[str] = set()
    for number, line in enumerate(lines_of(read_chunks(folder.records)), 1):
        try:
            record = decode_object(line)
        except ValueError as problem:
            yield Finding(name, f"line {number} is no record: {problem}", _CUT)
            return
        if type(record.get(STEP)) is not int:
            yield Finding(name, f"line {number} is no record: it has no step", _CUT)
            return
        try:
            if record["kind"] not in _KINDS:
                raise ValueError(f"its kind is {record['kind']!r}")
            yield from _files_of(folder, record, seen)
        except (ValueError, KeyError) as problem:
            yield Finding(name, f"line {number} is no record of this version: {problem}", None)
        size += len(line)
    yield from _torn(folder.records, size, "record", live=live)


def _files_of(folder: RunFolder, record: dict[str, Any], seen: set[str]) -> Iterator[Finding]:
    """An artifact's files are what its digest says; an image is there."""
    if record["kind"] == "image" and not (folder.path / record["data"]["file"]).exists():
        yield Finding(record["data"]["file"], f"the image {record['tag']!r} is missing", None)
    place = record.get("place")
    if (
        place is None or place in seen or place.startswith("checkpoints/")
    ):  # those are looked at by themselves
        return
    seen.add(place)
    path = folder.path / place
    if not path.exists():
        if record["keep"] is None:
            yield Finding(place, f"the files of artifact {record['name']!r} are missing", None)
    elif digest_folder(path) != record["digest"]:
        yield Finding(place, f"artifact {record['name']!r} is not what was kept: its digest differs", None)


def _checkpoints(folder: RunFolder, *, live: bool) -> Iterator[Finding]:
    del live  # a checkpoint without its manifest is none, and pieces never change
    bundles: list[Bundle] = []
    uid = _uid(folder)
    for step in steps_on_disk(folder.checkpoints):
        name = f"checkpoints/step-{step}"
        try:
            bundle = read_bundle(folder.checkpoints, step)
            verify_bundle(folder.checkpoints, bundle)
        except FileNotFoundError:
            continue  # pruned meanwhile
        except DamagedCheckpointError as problem:
            yield Finding(name, str(problem), "puts it into discarded/, so that the one before it is taken")
            continue
        if uid is not None and bundle.run_uid != uid:
            yield Finding(name, "it belongs to another run", None)
        bundles.append(bundle)
    if bundles:
        yield from _pieces(folder, bundles)


def _uid(folder: RunFolder) -> str | None:
    try:
        identity = folder.read_identity()
    except RunFolderError:
        return None
    return None if identity is None else identity.get("uid")


def _pieces(folder: RunFolder, bundles: list[Bundle]) -> Iterator[Finding]:
    newest = bundles[-1]
    for kind, journal in (("metrics", folder.metrics), ("records", folder.records)):
        names: tuple[str, ...] = getattr(newest, kind)
        for older in bundles[:-1]:
            theirs: tuple[str, ...] = getattr(older, kind)
            if names[: len(theirs)] != theirs:
                yield Finding(
                    f"checkpoints/step-{older.step}", f"its pieces of {kind} are not the run's", None
                )
        if not is_mirror(folder) and not is_prefix((folder.checkpoints / name for name in names), journal):
            yield Finding(
                journal.name,
                f"it does not begin with the bytes that the checkpoint of step {newest.step} holds",
                "rebuilds it from the checkpoint's pieces, puts what stood there into discarded/",
            )


def is_prefix(pieces: Iterable[Path], journal: Path) -> bool:
    """Whether a file begins with the bytes of others in a row."""
    start = 0
    for piece in pieces:
        for chunk in read_chunks(piece):
            if b"".join(read_chunks(journal, start, start + len(chunk))) != chunk:
                return False
            start += len(chunk)
    return True


def leftovers(folder: RunFolder) -> list[Finding]:
    """What killed attempts were still writing."""
    mend = "removes it"
    temporary = [
        *folder.path.glob(".*.tmp"),
        *folder.pieces.glob(".*.tmp"),
        *folder.artifacts.glob(".*.tmp"),
        *folder.checkpoints.glob("tmp-*"),
    ]
    found = [
        Finding(path.relative_to(folder.path).as_posix(), "a killed attempt left it unfinished", mend)
        for path in sorted(temporary)
    ]
    unfinished = [
        path for path in sorted(folder.checkpoints.glob("step-*")) if not (path / "manifest.json").exists()
    ]
    return found + [
        Finding(
            path.relative_to(folder.path).as_posix(),
            "a checkpoint without a manifest is none",
            "puts it into discarded/",
        )
        for path in unfinished
    ]
