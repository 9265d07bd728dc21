"""What a follower tells of itself while its run is going, in a small file that other processes may read."""

import json
import logging
import math
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

EVERY_S = 5.0  # at most so often; while nothing changes, nothing is written
_log = logging.getLogger("hackmatrix.tracking")


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """How far a backend has come, as its follower knew it; what has arrived is certain at the end of the run only.

    Attributes:
        handed_over: the last step that the backend has been given, in this attempt or before; None for none.
        takes_rows: whether it keeps rows at all.
        artifacts_owed: artifacts that it has yet to take.
        newest_checkpoint: the step of the newest one that it took in this attempt.
        problem: the failure that is going on.
        time: when this was so, in Unix seconds.
    """

    handed_over: int | None
    takes_rows: bool
    artifacts_owed: int
    newest_checkpoint: int | None
    problem: str | None
    time: float = field(default_factory=time.time, compare=False)


class StandingFile:
    """Holds the newest standing of one follower; not safe against a power cut, since nothing goes on from it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: Standing | None = None
        self._due = 0.0
        self._closed = False
        self._lock = threading.Lock()

    def tell(self, standing: Standing, *, at_once: bool = False) -> float:
        """Write what has changed, unless it is too early; returns in how many seconds to call again."""
        now = time.monotonic()
        with self._lock:
            if standing == self._told or self._closed:
                return math.inf
            if now < self._due and not at_once:
                return self._due - now
            self._due = 0.0 if at_once else now + EVERY_S
            temporary = self._path.with_suffix(".tmp")
            try:
                self._path.parent.mkdir(exist_ok=True)
                temporary.write_text(json.dumps(asdict(standing)), encoding="utf-8")
                temporary.replace(self._path)
            except OSError as problem:
                _log.debug("%s could not be written: %s", self._path, problem)
                return EVERY_S
            self._told = standing
            return math.inf

    def close(self) -> None:
        """Write nothing any more, also from a thread that is stuck now: the folder may be somebody else's soon."""
        with self._lock:
            self._closed = True


def read_standing(path: Path) -> Standing | None:
    """What a follower told last; None if it did not."""
    try:
        return Standing(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
