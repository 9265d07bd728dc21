"""A damaged run made sound again, with everything that is taken away put aside."""

import shutil
from pathlib import Path

from hackmatrix.tracking.bundles import (
    Bundle,
    newest_whole,
    read_bundle,
    restore,
    step_folder,
    steps_on_disk,
    verify_bundle,
)
from hackmatrix.tracking.errors import DamagedCheckpointError, RunFolderError
from hackmatrix.tracking.journal import read_chunks, scan
from hackmatrix.tracking.lock import RunLock
from hackmatrix.tracking.mirrored import is_mirror
from hackmatrix.tracking.run_folder import RunFolder, write_whole
from hackmatrix.tracking.verifying import is_prefix, leftovers, lost_rows


def repair(path: Path) -> None:
    """Do what ``verify`` says can be done; what it finds afterwards only a person can mend.

    In a mirror, which its run may still write to, damaged checkpoints are put aside, and that is all.

    Raises:
        RunInUseError: the run is being written.
        OSError: the disk refuses.
    """
    folder = RunFolder(path)
    if is_mirror(folder):  # which has no lock, and no journals of its own to rebuild
        _put_damaged_checkpoints_aside(folder)
        return
    lock = RunLock(folder.lock)
    try:
        _clear(folder)
        _put_damaged_checkpoints_aside(folder)
        bundle, _ = newest_whole(folder.checkpoints)
        if bundle is not None:
            _restore_identity(folder, bundle)
            _rebuild("metrics", folder, folder.metrics, bundle)
            _rebuild("records", folder, folder.records, bundle)
        restore(folder, None, None)
        _count_lost(folder)
    finally:
        lock.release()


def _clear(folder: RunFolder) -> None:
    for finding in leftovers(folder):
        path = folder.path / finding.file
        if path.name.startswith("step-"):
            folder.set_aside(path, path.name)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _put_damaged_checkpoints_aside(folder: RunFolder) -> None:
    for step in steps_on_disk(folder.checkpoints):
        try:
            verify_bundle(folder.checkpoints, read_bundle(folder.checkpoints, step))
        except DamagedCheckpointError:
            folder.set_aside(folder.checkpoints / step_folder(step), step_folder(step))


def _restore_identity(folder: RunFolder, bundle: Bundle) -> None:
    try:
        if folder.read_identity() is not None:
            return
    except RunFolderError:
        folder.set_aside(folder.identity, folder.identity.name)
    write_whole(folder.identity, (folder.checkpoints / step_folder(bundle.step) / "run.json").read_bytes())


def _count_lost(folder: RunFolder) -> None:
    lost = lost_rows(folder)
    identity = folder.read_identity() if lost else None
    if identity is not None:
        report = identity["report"]
        report["rows"] -= lost
        report["dropped_rows"] += lost
        folder.write_identity(identity)


def _rebuild(kind: str, folder: RunFolder, journal: Path, bundle: Bundle) -> None:
    """The checkpoint's pieces, and the sound rows of the journal that follow where they end."""
    pieces = [folder.checkpoints / name for name in getattr(bundle, kind)]
    if is_prefix(pieces, journal):
        return
    held = b"".join(chunk for piece in pieces for chunk in read_chunks(piece))
    present = b"".join(read_chunks(journal))
    rest = present[len(held) :] if present[len(held) - 1 : len(held)] == b"\n" else b""
    whole = held + rest
    folder.keep_aside([present], journal.name)
    write_whole(journal, whole[: scan([whole], ordered=kind == "metrics").size])
