"""The journals of a run that lies in a mirror, where rows and records stand in the pieces of checkpoints only."""

import atexit
import shutil
from functools import cache
from pathlib import Path
from typing import Literal

from hackmatrix.tracking.bundles import newest_pieces
from hackmatrix.tracking.run_folder import RunFolder


def is_mirror(folder: RunFolder) -> bool:
    """Whether a run was copied here, and never written here."""
    return not folder.metrics.exists() and not folder.lock.exists()


def journal_of(folder: RunFolder, kind: Literal["metrics", "records"]) -> Path:
    """The file that has a run's rows or records.

    Returns:
        The run's own journal, there or not; in a mirror a copy for this process, up to the newest checkpoint.
    """
    journal = folder.metrics if kind == "metrics" else folder.records
    if folder.metrics.exists():
        return journal
    pieces = newest_pieces(folder.checkpoints, kind)
    return _joined(tuple(pieces)) if pieces else journal


def end_of(folder: RunFolder) -> Path:
    """The file in which a run's newest rows are: its journal, in a mirror the newest piece of it."""
    if folder.metrics.exists():
        return folder.metrics
    return next(reversed(newest_pieces(folder.checkpoints, "metrics")), folder.metrics)


@cache  # pieces never change
def _joined(pieces: tuple[Path, ...]) -> Path:
    import tempfile  # noqa: PLC0415 - keeps the package's import light

    copy = Path(tempfile.mkdtemp(prefix="hackmatrix-mirrored-"))
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    with (copy / "journal.jsonl").open("wb") as whole:
        for piece in pieces:
            with piece.open("rb") as part:
                shutil.copyfileobj(part, whole)
    return copy / "journal.jsonl"
