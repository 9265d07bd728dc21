"""A lock on a run that dies with its holder."""

import os
import sys
from pathlib import Path

from hackmatrix.tracking.errors import RunInUseError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
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

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        while True:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            if not _try_lock(self._descriptor):
                holder = os.read(self._descriptor, 200).decode(errors="replace").strip()
                os.close(self._descriptor)
                raise RunInUseError(
                    f"the run in {str(path.parent)!r} is being written by {holder or 'another process'}; "
                    "wait for it, stop it, or choose another run name"
                )
            if self.still_ours():
                break
            os.close(self._descriptor)  # the file was replaced between opening and locking
        os.ftruncate(self._descriptor, 0)
        os.write(
            self._descriptor,
            f"process {os.getpid()} on {os.uname().nodename}\n".encode()
            if hasattr(os, "uname")
            else f"process {os.getpid()}\n".encode(),
        )

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


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock at ``path``."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)
