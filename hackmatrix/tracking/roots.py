"""Where runs lie on this disk."""

import os
from pathlib import Path

from hackmatrix.tracking.errors import RunFolderError

DEFAULT_ROOT = Path("runs")  # told from an argument of the same spelling by being this very object


def run_root(root: str | Path) -> Path:
    """The folder of runs: the argument, else ``HACKMATRIX_DIR``, else ``runs`` here."""
    return Path(os.environ.get("HACKMATRIX_DIR") or root) if root is DEFAULT_ROOT else Path(root)


def writable_root(root: Path) -> Path:
    """The folder, made if it is missing.

    Raises:
        RunFolderError: it cannot be made or written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise RunFolderError(
            f"runs cannot be written to {str(root)!r} ({problem.strerror}); give a folder that you can write to"
        ) from problem
    return root
