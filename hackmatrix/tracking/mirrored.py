"""The journals of a run that lies in a mirror, where rows and records stand in the pieces of checkpoints only."""

import atexit
import shutil
from pathlib import Path
from typing import Literal

from hackmatrix.tracking.bundles import newest_pieces
from hackmatrix.tracking.errors import RunFolderError
from hackmatrix.tracking.run_folder import RunFolder

_copies: dict[Path, tuple[list[Path], Path]] = {}  # journal -> its pieces and their copy


def is_mirror(folder: RunFolder) -> bool:
    """Whether a run was copied here, and never written here."""
    return not folder.metrics.exists() and not folder.lock.exists()


def journal_of(folder: RunFolder, kind: Literal["metrics", "records"]) -> Path:
    """The file that has a run's rows or records.

    Returns:
        The run's own journal, there or not; in a mirror a copy for this process, up to the newest checkpoint.
    """
    journal = folder.metrics if kind == "metrics" else folder.records
    if not is_mirror(folder):
        return journal
    pieces = newest_pieces(folder.checkpoints, kind)
    return _joined(journal, pieces) if pieces else journal


def end_of(folder: RunFolder) -> Path:
    """The file in which a run's newest rows are: its journal, in a mirror the newest piece of it."""
    if not is_mirror(folder):
        return folder.metrics
    return next(reversed(newest_pieces(folder.checkpoints, "metrics")), folder.metrics)


def _joined(journal: Path, pieces: list[Path]) -> Path:
    """A copy of a journal that is there in pieces; one of each is kept, while this process lives."""
    import tempfile  # noqa: PLC0415 - keeps the package's import light

    earlier, copy = _copies.get(journal, (None, None))
    if copy is not None and earlier == pieces:
        return copy
    place = Path(tempfile.mkdtemp(prefix="hackmatrix-mirrored-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    try:
        with (place / journal.name).open("wb") as whole:
            for piece in pieces:
                with piece.open("rb") as part:
                    shutil.copyfileobj(part, whole)
    except FileNotFoundError as problem:
        raise RunFolderError(
            f"{problem.filename} is missing, a piece of the run's rows; copy the mirror again, or see "
            f"hackmatrix-runs verify {journal.parent}"
        ) from problem
    if copy is not None:
        shutil.rmtree(copy.parent, ignore_errors=True)
    _copies[journal] = pieces, place / journal.name
    return place / journal.name
