"""Rows into a file that is valid at every instant."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias

from hackmatrix.tracking.lines import STEP, decode_object, decode_row, whole_lines

Fsync: TypeAlias = Literal["never", "second", "always"]


class Extent(NamedTuple):
    """How far a journal is valid: ``size`` bytes in ``lines`` lines, the last of them of ``last_step``."""

    size: int
    lines: int
    last_step: int | None


_EMPTY = Extent(0, 0, None)


def scan(chunks: Iterable[bytes], upto: int | None = None, *, ordered: bool = True) -> Extent:
    """The longest valid beginning: whole lines, steps never falling, none above ``upto``.

    Args:
        chunks: the journal's bytes in pieces of any size.
        upto: the last step to keep; none keeps all.
        ordered: whether lines are rows, where a falling step is damage; else they are records, of which one
            may name an earlier step than the one before it.
    """
    size, lines, last = 0, 0, None
    for line in lines_of(chunks):
        step = _step_of_row(line) if ordered else _step_of_record(line)
        if step is None or (upto is not None and step > upto):
            break
        if ordered and last is not None and step < last:
            break
        size, lines, last = size + len(line), lines + 1, step
    return Extent(size, lines, last)


def _step_of_row(line: bytes) -> int | None:
    try:
        return decode_row(line).step
    except ValueError:
        return None


def _step_of_record(line: bytes) -> int | None:
    try:
        step = decode_object(line).get(STEP)
    except ValueError:
        return None
    return step if type(step) is int else None


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The whole lines of a file whose bytes come in pieces of any size, each with its newline."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        taken = 0
        for line in whole_lines(data):
            taken += len(line)
            yield line
        rest = data[taken:]


def read_chunks(path: Path, start: int = 0, end: int | None = None, chunk: int = 1 << 20) -> Iterable[bytes]:
    """The bytes of a file from ``start`` to ``end`` in pieces; nothing where there is no file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(start)
        while end is None or start < end:
            data = file.read(chunk if end is None else min(chunk, end - start))
            if not data:
                return
            start += len(data)
            yield data


class Readable(Protocol):
    """A journal as its readers see it."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def size(self) -> int:
        """Bytes that are valid; nobody looks beyond."""


class Journal:
    """An append-only file of lines; a refused write leaves it as valid as before.

    Args:
        path: the file; created where it is missing.
        extent: how far it is valid, as ``scan`` found; what stands behind is overwritten.

    Attributes:
        size: bytes that are valid; readers in this process never look beyond.
    """

    def __init__(self, path: Path, extent: Extent = _EMPTY, fsync: Fsync = "never") -> None:
        self.path = path
        self.size = extent.size
        self._fsync = fsync
        self._synced = extent.size
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        os.ftruncate(self._file, extent.size)

    def append(self, lines: bytes) -> None:
        """Write whole lines at the end.

        Raises:
            OSError: the disk refused; the journal's valid size is what it was, so that the same lines may be
                given again.
        """
        os.lseek(self._file, self.size, os.SEEK_SET)
        try:
            write_all(self._file, lines)
            if self._fsync == "always":
                os.fsync(self._file)
                self._synced = self.size + len(lines)
        except OSError:
            _quietly(lambda: os.ftruncate(self._file, self.size))
            raise
        self.size += len(lines)

    def sync(self) -> None:
        """Make what was appended survive a power cut; no system call when nothing is new."""
        if self._synced != self.size:
            os.fsync(self._file)
            self._synced = self.size

    def close(self) -> None:
        """Close the file; harmless a second time."""
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; the system may take fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _quietly(action: Callable[[], object]) -> None:
    with contextlib.suppress(OSError):
        action()  # what stands behind the valid size is cut when the run is opened again


def last_line(path: Path, size: int) -> bytes | None:
    """The last whole line among the first ``size`` bytes; none if there is none."""
    if not size:
        return None
    with path.open("rb") as file:
        reach = 4096
        while True:
            start = max(0, size - reach)
            file.seek(start)
            data = file.read(size - start)
            cut = data.rstrip(b"\n").rfind(b"\n")
            if cut >= 0 or start == 0:
                return data[cut + 1 :]
            reach *= 8
