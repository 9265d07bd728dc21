"""Memory that compiling took, given back to the system."""

import ctypes
import sys


def give_back() -> None:
    """Let the C library return what it holds for later: it keeps what compiling a program took, 400 MB for the game.

    That is glibc's habit, and ``malloc_trim`` its remedy; elsewhere nothing is done.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
