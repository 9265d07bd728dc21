"""How a run is asked to stop, and what the shell is told of its end."""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from hackmatrix.tracking.protocol import Status

FINISHED, FAILED, USAGE, LOST, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
FINISH_S = 60.0
TERMINATE_S = (
    20.0  # from SIGTERM on; spot machines and Kubernetes give 30, and examples/tpu/hackmatrix.service 25
)


class Stop:
    """Asks training to end after the chunk that is running; the handlers that were there are called as well.

    While the ``with`` block runs; afterwards they are put back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.signal: int | None = None
        self._clock, self._asked_at = clock, 0.0
        self._earlier: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._earlier[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, earlier in self._earlier.items():
            if earlier is not None:  # else it was no Python that set it, and Python cannot put it back
                signal.signal(number, earlier)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            os._exit(INTERRUPTED)  # asked twice: the checkpoint before this one has to do
        if self.signal != number:
            self._asked_at = self._clock()
        self.signal = number
        earlier = self._earlier[number]
        if callable(earlier) and earlier is not signal.default_int_handler:
            earlier(number, frame)

    def asked(self) -> int:
        """The signal that came; 0 for none."""
        return self.signal or 0

    def heard(self, number: int) -> None:
        """What all processes of the run end with, whichever got that signal; 0 for none."""
        if number and number != self.signal:
            self.signal, self._asked_at = number, self._clock()

    def status(self) -> Status:
        """What the run is called when it ends now."""
        if self.signal is None:
            return "finished"
        return "interrupted" if self.signal == signal.SIGINT else "preempted"

    def finish_timeout(self) -> float:
        """Seconds for delivering what is left: short after SIGTERM, since the machine is then being taken away."""
        if self.signal != signal.SIGTERM:
            return FINISH_S
        return max(1.0, self._asked_at + TERMINATE_S - self._clock())

    def exit_code(self) -> int:
        """The same for the shell."""
        if self.signal is None:
            return FINISHED
        return INTERRUPTED if self.signal == signal.SIGINT else TERMINATED
