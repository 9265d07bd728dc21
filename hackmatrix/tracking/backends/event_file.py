"""Files of records in TensorBoard's framing: length, its checksum, bytes, their checksum."""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import crc32c

_LENGTH = struct.Struct("<QI")
_SUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8  # of the format: the checksum of data that holds checksums shall not be their own


class Record(NamedTuple):
    """One record and where it stands: bytes ``start`` to ``end`` of its file."""

    start: int
    end: int
    data: bytes


def framed(data: bytes) -> bytes:
    """The bytes of one record in a file."""
    length = struct.pack("<Q", len(data))
    return b"".join((length, _SUM.pack(_masked_sum(length)), data, _SUM.pack(_masked_sum(data))))


def read_records(path: Path) -> Iterator[Record]:
    """The whole records of a file, up to its end or to the first that is torn or damaged."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = 0
        while start + _LENGTH.size + _SUM.size <= size:
            head = file.read(_LENGTH.size)
            length, length_sum = _LENGTH.unpack(head)
            end = start + _LENGTH.size + length + _SUM.size
            if end > size or length_sum != _masked_sum(head[:8]):
                return
            data = file.read(length)
            if _SUM.unpack(file.read(_SUM.size))[0] != _masked_sum(data):
                return
            yield Record(start, end, data)
            start = end


def read_record(path: Path, start: int) -> bytes:
    """The data of the record that begins at byte ``start``."""
    with path.open("rb") as file:
        file.seek(start)
        length, _ = _LENGTH.unpack(file.read(_LENGTH.size))
        return file.read(length)


def remove_ranges(path: Path, ranges: Iterable[tuple[int, int]], aside: Path | None) -> None:
    """Take byte ranges out of a file; killed at any point, the file is as before or as wanted.

    Args:
        path: the file.
        ranges: first byte and byte behind the last, ascending.
        aside: where the bytes are kept, if anywhere.
    """
    gone = list(ranges)
    size = path.stat().st_size
    if aside is not None:
        _write_ranges(path, gone, aside)
    first = gone[0][0]
    if first + sum(end - start for start, end in gone) == size:
        os.truncate(path, first)
        return
    edges = [0, *(edge for pair in gone for edge in pair), size]
    _write_ranges(path, zip(edges[::2], edges[1::2], strict=True), path)


def _write_ranges(source: Path, ranges: Iterable[tuple[int, int]], target: Path) -> None:
    # No word of TensorBoard's in the name: it would show a half-written file.
    temporary = target.with_name(f".{os.getpid()}-{target.name.replace('tfevents', '')}.tmp")
    with source.open("rb") as old, temporary.open("wb") as new:
        for start, end in ranges:
            old.seek(start)
            new.write(old.read(end - start))
    temporary.replace(target)


def _masked_sum(data: bytes) -> int:
    plain = crc32c.crc32c(data)
    masked: int = (((plain >> 15) | (plain << 17)) + _MASK_DELTA) & 0xFFFFFFFF
    return masked
