"""A lock on a run that dies with its holder."""

import contextlib
import os
import sys
import time
from pathlib import Path

from hackmatrix.tracking.errors import RunInUseError

_PATIENCE_S = 0.25  # who only asks whether a run is held, holds it for an instant

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        del shared  # not to be had
        try:
            # A byte far behind the text, since Windows keeps others from reading what is locked.
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class RunLock:
    """Held by the one process that writes a run; the operating system drops it when that process ends.

    Args:
        path: the lock file; created where it is missing, never removed (a removed one could be held twice).

    Raises:
        RunInUseError: a live process holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        deadline = time.monotonic() + _PATIENCE_S
        while not self._taken():
            if time.monotonic() > deadline:
                raise RunInUseError(
                    f"the run in {str(path.parent)!r} is being written by {_holder(path)}; "
                    "wait for it, stop it, or choose another run name"
                )
            time.sleep(0.01)
        with contextlib.suppress(OSError):  # a full disk; the text only helps people
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, _ourselves().encode())

    def _taken(self) -> bool:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if _try_lock(self._descriptor) and self.still_ours():
                return True
        except BaseException:
            self.release()
            raise
        self.release()  # another holds it, or the file was replaced between opening and locking
        return False

    def still_ours(self) -> bool:
        """Whether the locked file is the one that stands at the path, so that nobody else can lock it."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Let go; harmless a second time. A forked child calls it too, else it would keep its parent's lock."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _ourselves() -> str:
    host = f" on {os.uname().nodename}" if hasattr(os, "uname") else ""
    return f"process {os.getpid()}{host}\n"


def _holder(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[:200].strip() or "another process"
    except OSError:
        return "another process"


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock at ``path``."""
    try:
        descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)
