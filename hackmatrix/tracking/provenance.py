"""Where a run's numbers come from: commit, uncommitted changes and packages, kept as an artifact of each attempt.

Gathered on a thread, since asking git and reading packages takes as long as hundreds of rows: opening a run
stays as fast as it is. Command, host and platform stand in ``run.json`` already, and here beside the rest.
"""

import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

from hackmatrix.tracking.errors import TrackerClosedError
from hackmatrix.tracking.identity import command_words
from hackmatrix.tracking.protocol import Tracker
from hackmatrix.tracking.reading import RunReader
from hackmatrix.tracking.run_folder import digest_file

_PATIENCE_S = 10.0  # for git, which may look through a large checkout on a slow disk
_LARGEST_DIFF = 10 << 20  # bytes; a larger change is data, and no longer read by people
_MOST_UNTRACKED = 100
_log = logging.getLogger("hackmatrix.tracking")


class Gathered(NamedTuple):
    """What was found: facts for people and programs, and the files of the artifact."""

    facts: dict[str, Any]
    files: dict[str, bytes]


class Recorded(NamedTuple):
    """What stands in the artifact of an attempt.

    Attributes:
        facts: of ``provenance.json``; ``diff`` is the beginning of the SHA-256 of the uncommitted changes.
        packages: name -> version.
    """

    facts: dict[str, Any]
    packages: dict[str, str]


class Provenance:
    """Records where an attempt comes from; a context manager that waits for its thread at the end.

    >>> with open_tracker("jsonl") as tracker, Provenance(tracker):  # doctest: +SKIP
    ...     ...

    Args:
        tracker: the attempt's; a null tracker keeps nothing, and nothing is asked.
        where: a file or folder in the checkout; default the program's own, else the current folder.
        upload: false keeps it on this disk, e.g. where changes are nobody else's business.
    """

    def __init__(self, tracker: Tracker, where: Path | None = None, *, upload: bool = True) -> None:
        self._tracker, self._upload = tracker, upload
        self._where = where if where is not None else _program()
        self._thread = threading.Thread(target=self._record, name="hackmatrix-provenance", daemon=True)
        if tracker.run.folder is not None:
            self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Wait until it is recorded; call it before ``finish``."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record(self) -> None:
        try:
            found = gather(self._where)
            run = self._tracker.run
            with tempfile.TemporaryDirectory() as place:
                for name, data in found.files.items():
                    (Path(place) / name).write_bytes(data)
                self._tracker.log_artifact(
                    place,
                    name="provenance",
                    type="provenance",
                    step=max(0, run.last_step or 0),
                    aliases=[f"attempt-{run.attempt}"],
                    upload=self._upload,
                    metadata={key: value for key, value in found.facts.items() if key != "untracked"},
                )
        except TrackerClosedError:
            _log.debug("the run was over before its provenance was known")
        except Exception as problem:  # noqa: BLE001 - training is worth more than its pedigree
            _log.warning("where this run comes from could not be recorded (%s)", problem)


def gather(where: Path) -> Gathered:
    """Commit, changes, packages, command, host and platform; what cannot be had is left out."""
    facts: dict[str, Any] = {
        "command": command_words(),
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }
    files = {"packages.txt": "".join(f"{line}\n" for line in _packages()).encode()}
    folder = where if where.is_dir() else where.parent
    commit = _git(folder, "rev-parse", "HEAD")
    if commit:
        changes = (_git(folder, "status", "--porcelain", "--untracked-files=normal") or b"").decode(
            errors="replace"
        )
        lines = changes.splitlines()
        facts["commit"] = commit.decode().strip()
        facts["dirty"] = any(not line.startswith("??") for line in lines)
        facts["untracked"] = [line[3:] for line in lines if line.startswith("??")][:_MOST_UNTRACKED]
        if facts["dirty"]:
            diff = _git(folder, "diff", "HEAD", "--binary") or b""
            facts["diff_bytes"] = len(diff)
            if len(diff) <= _LARGEST_DIFF:
                files["diff.patch"] = diff
    files["provenance.json"] = (json.dumps(facts, indent=1) + "\n").encode()
    return Gathered(facts, files)


def recorded(run: RunReader) -> Recorded | None:
    """What the newest attempt of a run recorded; none if it did not, or its files are not on this disk."""
    alias = f"attempt-{len(run.attempts) - 1}"
    for line in reversed(run.records()):
        if line["kind"] == "artifact" and line["type"] == "provenance" and alias in line["aliases"]:
            place = run.folder / line["place"]
            try:
                facts = json.loads((place / "provenance.json").read_bytes())
                packages = (place / "packages.txt").read_text(encoding="utf-8").splitlines()
            except (OSError, ValueError):
                return None
            if (place / "diff.patch").exists():
                facts["diff"] = digest_file(place / "diff.patch")[:12]
            return Recorded(facts, dict(line.partition("==")[::2] for line in packages))
    return None


def _program() -> Path:
    """The program that runs; the current folder in a notebook or a shell."""
    path = Path(getattr(sys.modules.get("__main__"), "__file__", None) or ".")
    return path if path.exists() else Path()


def _packages() -> list[str]:
    from importlib.metadata import distributions  # noqa: PLC0415 - keeps the package's import light

    return sorted(
        {f"{each.metadata['Name']}=={each.version}" for each in distributions() if each.metadata["Name"]}
    )


def _git(folder: Path, *words: str) -> bytes | None:
    """What git says; none where there is no git, no checkout, or no answer in time. Takes no lock there."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(folder), *words],  # noqa: S607 - whichever git the person uses
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
