"""The journals of a run that lies in a mirror, where rows and records stand in the pieces of checkpoints only."""

import atexit
import shutil
from pathlib import Path
from typing import Literal

from hackmatrix.tracking.bundles import Bundle, newest_named, rows_in_pieces
from hackmatrix.tracking.errors import RunFolderError
from hackmatrix.tracking.lines import encode_objects
from hackmatrix.tracking.records import checkpoint_line
from hackmatrix.tracking.run_folder import RunFolder

_copies: dict[Path, tuple[Bundle, Path]] = {}  # journal -> the checkpoint, and the copy


def is_mirror(folder: RunFolder) -> bool:
    """Whether a run was copied here, and never written here."""
    return not folder.metrics.exists() and not folder.lock.exists()


def journal_of(folder: RunFolder, kind: Literal["metrics", "records"]) -> Path:
    """The file that has a run's rows or records.

    Returns:
        The run's own journal, there or not; in a mirror a copy for this process, up to the newest checkpoint.
    """
    journal = folder.metrics if kind == "metrics" else folder.records
    bundle = newest_named(folder.checkpoints) if is_mirror(folder) else None
    return journal if bundle is None else _joined(folder, journal, bundle)


def end_of(folder: RunFolder) -> Path:
    """The file in which a run's newest rows are: its journal, in a mirror the newest piece of it."""
    if not is_mirror(folder):
        return folder.metrics
    return next(reversed(rows_in_pieces(folder.checkpoints)), folder.metrics)


def _joined(folder: RunFolder, journal: Path, bundle: Bundle) -> Path:
    """A copy of a journal that is there in pieces; one of each is kept, while this process lives."""
    import tempfile  # noqa: PLC0415 - keeps the package's import light

    earlier = _copies.get(journal)
    if earlier is not None and earlier[0] == bundle:
        return earlier[1]
    place = Path(tempfile.mkdtemp(prefix="hackmatrix-mirrored-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    try:
        with (place / journal.name).open("wb") as whole:
            for name in bundle.metrics if journal == folder.metrics else bundle.records:
                with (folder.checkpoints / name).open("rb") as piece:
                    shutil.copyfileobj(piece, whole)
            if journal == folder.records:
                whole.write(encode_objects([checkpoint_line(folder, bundle.step)]))
    except FileNotFoundError as problem:
        raise RunFolderError(
            f"{problem.filename} is missing, a piece of the run's rows; copy the mirror again, or see "
            f"hackmatrix-runs verify {folder.path}"
        ) from problem
    if earlier is not None:
        shutil.rmtree(earlier[1].parent, ignore_errors=True)
    _copies[journal] = bundle, place / journal.name
    return place / journal.name
