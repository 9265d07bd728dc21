"""Processor time of threads and child processes that began with a tracker.

A tracker's threads are those that exist after it was opened and did not before, and every thread of Python that
begins later; its children are the processes below this one that were not there before. Threads that the
training's own library begins later are not Python's and are left out.

Read from ``/proc`` where there is one, in nanoseconds. Elsewhere only Python's threads can be told apart, and
where not even these can, nothing is counted and ``is_known`` is false.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_NS = 1e-9


class TrackerTime:
    """Sums what threads and children used since the object was made; make it before the tracker.

    Life: made, then ``opened`` once the tracker is open, then ``seconds`` any number of times.
    """

    def __init__(self) -> None:
        self._has_proc = (_PROC / "self" / "task").is_dir() and (_PROC / "self" / "schedstat").exists()
        self.is_known = self._has_proc or hasattr(time, "pthread_getcpuclockid")
        self._others = set(_own_threads()) if self._has_proc else set()
        self._python_others = {thread.ident for thread in threading.enumerate()}
        self._others_below = set(_descendants(os.getpid())) if self._has_proc else set()
        self._native: set[int] = set()
        self._used: dict[tuple[int, int], float] = {}  # what has ended keeps its last reading

    def opened(self) -> None:
        """The tracker is open: whatever thread was not there before is its own."""
        if self._has_proc:
            self._native = set(_own_threads()) - self._others

    def seconds(self) -> float:
        """Processor time of all of them so far; never falls."""
        if self._has_proc:
            python = {
                thread.native_id
                for thread in threading.enumerate()
                if thread.ident not in self._python_others and thread.native_id is not None
            }
            for number in self._native | python:
                self._note((0, number), _schedstat(_PROC / "self" / "task" / str(number)))
            for process in set(_descendants(os.getpid())) - self._others_below:
                for task in _listed(_PROC / str(process) / "task"):
                    self._note((process, int(task.name)), _schedstat(task))
        elif self.is_known:
            for thread in threading.enumerate():
                if thread.ident is not None and thread.ident not in self._python_others:
                    with suppress(OSError):
                        clock = time.pthread_getcpuclockid(thread.ident)
                        self._note((0, thread.ident), time.clock_gettime(clock))
        return sum(self._used.values())

    def _note(self, who: tuple[int, int], seconds: float | None) -> None:
        if seconds is not None:
            self._used[who] = max(seconds, self._used.get(who, 0.0))


def busy_seconds() -> float | None:
    """Processor time that every process of this machine used since it started; None: it cannot be told."""
    try:
        words = (_PROC / "stat").read_text().split(None, 9)
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, words[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_threads() -> Iterator[int]:
    return (int(task.name) for task in _listed(_PROC / "self" / "task"))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # ended meanwhile
        return []


def _schedstat(task: Path) -> float | None:
    """Seconds on a processor; the other figures of the file are waiting for one, and how often."""
    try:
        return int((task / "schedstat").read_bytes().split()[0]) * _NS
    except (OSError, IndexError):
        return None


def _descendants(process: int) -> Iterator[int]:
    parents: dict[int, list[int]] = {}
    for folder in _listed(_PROC):
        if folder.name.isdecimal():
            with suppress(OSError, IndexError, ValueError):
                # The name in parentheses may hold spaces and parentheses of its own.
                parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
                parents.setdefault(parent, []).append(int(folder.name))
    below = list(parents.get(process, ()))
    while below:
        child = below.pop()
        yield child
        below += parents.get(child, ())
