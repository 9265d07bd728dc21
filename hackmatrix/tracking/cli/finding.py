"""A run by what a person types: its folder, its name, its id, or something close."""

import contextlib
import difflib
from pathlib import Path

from hackmatrix.tracking.cli.listing import list_runs
from hackmatrix.tracking.errors import RunFolderError, RunNotFoundError
from hackmatrix.tracking.reading import RunReader, read_run
from hackmatrix.tracking.roots import run_root
from hackmatrix.tracking.run_folder import RunFolder


def open_runs(text: str, root: Path) -> list[RunReader]:
    """The run of that name, folder or id; else the runs of that group, in the order of their names.

    Raises:
        RunNotFoundError: there is neither.
    """
    try:
        return [open_run(text, root)]
    except RunNotFoundError:
        runs = [RunReader(run.folder, run.identity) for run in list_runs(run_root(root))]
        members = [run for run in runs if run.identity["group"] == text]
        if not members:
            raise
        return members


def open_run(text: str, root: Path) -> RunReader:
    """The run of a folder, of a name below ``root``, or of an id there.

    Raises:
        RunNotFoundError: there is none; the message has the name that is closest.
    """
    try:
        return read_run(text, root)
    except RunNotFoundError:
        place = run_root(root)
        folders = sorted(path.parent for path in place.glob("*/run.json"))
        fitting: list[RunReader] = []
        for folder in folders:
            with contextlib.suppress(RunFolderError):  # a damaged neighbour is no answer
                identity = RunFolder(folder).read_identity()
                if identity is not None and identity["id"] == text:
                    fitting.append(RunReader(folder, identity))
        if fitting:  # a copied or renamed folder only where the run's own is not there
            return min(fitting, key=lambda run: run.folder.name != run.name)
        close = difflib.get_close_matches(text, [folder.name for folder in folders], 1, 0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"see hackmatrix-runs ls {place}"
        raise RunNotFoundError(
            f"no run {text!r}, neither as a folder nor in {str(place)!r}; {hint}"
        ) from None
