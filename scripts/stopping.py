"""How a run is asked to stop, and what the shell is told of its end."""

import os
import signal
from types import FrameType

from hackmatrix.tracking.protocol import Status

FINISHED, FAILED, USAGE, LOST, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


class Stop:
    """Asks training to end after the chunk that is running; chains the handlers that were there."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._earlier = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            os._exit(INTERRUPTED)  # asked twice: the checkpoint before this one has to do
        self.signal = number
        earlier = self._earlier[signal.Signals(number)]
        if callable(earlier) and earlier is not signal.default_int_handler:
            earlier(number, frame)

    def asked(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def status(self) -> Status:
        """What the run is called when it ends now."""
        if self.signal is None:
            return "finished"
        return "interrupted" if self.signal == signal.SIGINT else "preempted"

    def exit_code(self) -> int:
        """The same for the shell."""
        if self.signal is None:
            return FINISHED
        return INTERRUPTED if self.signal == signal.SIGINT else TERMINATED
