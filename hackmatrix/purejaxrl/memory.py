"""Memory of the process that glibc would keep for later: what compiling a program takes, 400 MB for the game.

Elsewhere than on Linux with glibc nothing is done.
"""

import ctypes
import sys
from typing import Any

from hackmatrix.purejaxrl.platform import cpu_threads

_M_ARENA_MAX = -8  # of <malloc.h>


def keep_little() -> None:
    """Let threads share their stores of memory, one for each core: glibc has eight, half empty while it compiles.

    It takes a tenth off the first start's peak with the game, and no time; half as many would take an eighth more
    time. Call it before JAX asks for its devices, whose threads otherwise have stores already. Source: mallopt(3).
    """
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, max(2, cpu_threads()))


def give_back() -> None:
    """Return to the system what is unused, now that a program was compiled. Source: malloc_trim(3)."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
