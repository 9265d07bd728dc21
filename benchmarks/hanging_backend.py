"""A backend that hangs for a minute, which must change no figure of the others."""

import time
from typing import Any

from hackmatrix.tracking import register


@register("hanging")
class HangingBackend:
    """Takes no row for a minute."""

    precision = "float64"
    url: str | None = None

    def open(self, run: Any, config: Any) -> int | None:
        """Nothing is held."""
        del run, config
        return None

    def discard_after(self, step: int | None) -> bool:
        """Nothing is there."""
        del step
        return True

    def write(self, rows: Any) -> None:
        """Hang."""
        del rows
        time.sleep(60.0)

    def flush(self, timeout: float) -> None:
        """Nothing to do."""
        del timeout

    def close(self, status: Any, summary: Any, timeout: float) -> int | None:
        """Confirm nothing."""
        del status, summary, timeout
        return None
