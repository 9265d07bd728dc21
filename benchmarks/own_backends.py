"""Backends to measure with: one that only takes the rows, and one that hangs, which must change no other figure."""

import time
from typing import Any

from hackmatrix.tracking import register


@register("counting")
class CountingBackend:
    """A follower that takes every row and keeps none: what remains is the cost of following."""

    precision = "float64"
    url: str | None = None
    last: int | None = None

    def open(self, run: Any, config: Any) -> int | None:
        """Nothing is held."""
        del run, config
        return None

    def discard_after(self, step: int | None) -> bool:
        """Nothing is there."""
        del step
        return True

    def write(self, rows: Any) -> None:
        """Take them."""
        self.last = rows[-1].step

    def flush(self, timeout: float) -> None:
        """Nothing to do."""
        del timeout

    def close(self, status: Any, summary: Any, timeout: float) -> int | None:
        """Confirm all that came."""
        del status, summary, timeout
        return self.last


@register("hanging")
class HangingBackend(CountingBackend):
    """Takes no row for a minute."""

    def write(self, rows: Any) -> None:
        """Hang."""
        del rows
        time.sleep(60.0)
