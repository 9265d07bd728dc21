"""What a follower tells of itself while its run is going, in a small file that other processes may read."""

import contextlib
import json
import logging
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

EVERY_S = 5.0  # at most so often; while nothing changes, nothing is written
_log = logging.getLogger("hackmatrix.tracking")


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far a backend has come, as its follower knew it; what has arrived is certain at the end of the run only.

    Attributes:
        handed_over: the last step given to the backend; None for none.
        artifacts_owed: artifacts that it has yet to take.
        problem: the failure that is going on.
    """

    handed_over: int | None
    artifacts_owed: int
    problem: str | None


class StandingFile:
    """Holds the newest standing of one follower; not safe against a power cut, since nothing goes on from it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: Standing | None = None
        self._due = 0.0

    def tell(self, standing: Standing) -> float:
        """Write what has changed, unless it is too early; returns in how many seconds to call again."""
        if standing == self._told:
            return math.inf
        now = time.monotonic()
        if now < self._due:
            return self._due - now
        self._told, self._due = standing, now + EVERY_S
        temporary = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(exist_ok=True)
            temporary.write_text(json.dumps(asdict(standing)), encoding="utf-8")
            temporary.replace(self._path)
        except OSError as problem:
            _log.debug("%s could not be written: %s", self._path, problem)
        return math.inf

    def clear(self) -> None:
        """The run has ended, and its report says more."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._path.parent.rmdir()  # of the last one


def read_standing(path: Path) -> Standing | None:
    """What a follower told last; None if it did not."""
    try:
        return Standing(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
