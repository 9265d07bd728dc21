"""How a run ends when nobody says so: an exception on its way, or an interpreter that leaves."""

import atexit
import sys
from collections.abc import Callable

from hackmatrix.tracking.protocol import Status


def status_of(error: BaseException | None) -> Status:
    """What an exception that ends a run makes of it; none, or an exit with code 0, is a good end."""
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "finished"
    return "interrupted" if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit) else "failed"


class ExitHook:
    """Finishes a run that is left without ``finish``, before the hooks that backends have registered.

    The last hook registered runs first, and clients of backends register their own when they are opened: ours
    is renewed after that.
    """

    def __init__(self) -> None:
        self._finish: Callable[[Status], object] | None = None

    def set(self, finish: Callable[[Status], object]) -> None:
        """Call this at exit."""
        self._finish = finish
        self.renew()

    def renew(self) -> None:
        """Go before all that were registered until now."""
        atexit.unregister(self._at_exit)
        if self._finish is not None:
            atexit.register(self._at_exit)

    def clear(self) -> None:
        """The run was finished."""
        self._finish = None
        atexit.unregister(self._at_exit)

    def _at_exit(self) -> None:
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if self._finish is not None:
            self._finish("interrupted" if error is None else status_of(error))
