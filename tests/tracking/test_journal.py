"""A journal is valid at every instant: what was cut short is told from what was written, and cut."""

import errno
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.journal import Extent, Journal, last_line, lines_of, read_chunks, scan
from hackmatrix.tracking.lines import encode_rows
from hackmatrix.tracking.protocol import Row

ROWS = [Row(step, 1.5 + step, 0.5, {"a/loss": step / 7, "b": step}) for step in (0, 1, 1, 2, 5)]
LINES = [encode_rows([row]) for row in ROWS]
BYTES = b"".join(LINES)


def cut_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def extent_of(count: int) -> Extent:
    lines = LINES[:count]
    return Extent(sum(map(len, lines)), count, ROWS[count - 1].step if count else None)


@given(st.lists(st.integers(0, 1 << 20), max_size=12))
def test_a_scan_does_not_depend_on_the_size_of_the_pieces(cuts: list[int]) -> None:
    pieces = cut_at(BYTES, cuts)
    assert scan(pieces) == extent_of(5)
    assert list(lines_of(pieces)) == LINES


def test_every_prefix_is_valid_up_to_its_last_whole_line() -> None:
    for size in range(len(BYTES) + 1):
        assert scan([BYTES[:size]]) == extent_of(BYTES[:size].count(b"\n"))


@pytest.mark.parametrize("upto", [-1, 0, 1, 3, 5, 9])
def test_a_scan_ends_before_the_first_step_beyond(upto: int) -> None:
    assert scan([BYTES], upto) == extent_of(sum(row.step <= upto for row in ROWS))


def test_a_falling_step_is_damage_in_rows_and_none_in_records() -> None:
    fallen = BYTES + LINES[0]
    assert scan([fallen]) == extent_of(5)
    assert scan([fallen], ordered=False).size == len(fallen)


@pytest.mark.parametrize(
    "tail", [bytes(1), bytes(4096), bytes(4096) + b"\n", b"\n", b"{}\n", b'{"_step":6}\n', b"\xff\xfe\n"]
)
def test_what_a_power_cut_may_leave_behind_is_not_valid(tail: bytes) -> None:
    assert scan([BYTES, tail]) == extent_of(5)
    assert scan([BYTES, tail, LINES[4]]) == extent_of(5)


def test_zeros_in_the_middle_end_what_is_valid() -> None:
    start = len(LINES[0]) + len(LINES[1])
    for length in (1, 10, len(LINES[2])):
        damaged = BYTES[:start] + bytes(length) + BYTES[start + length :]
        assert scan([damaged]) == extent_of(2)


def test_what_is_appended_stands_behind_what_is_valid(tmp_path: Path) -> None:
    for size in range(0, len(BYTES) + 1, 7):
        path = tmp_path / f"{size}.jsonl"
        path.write_bytes(BYTES[:size])
        extent = scan(read_chunks(path))
        journal = Journal(path, extent)
        journal.append(BYTES[extent.size :])
        journal.close()
        assert path.read_bytes() == BYTES
        assert journal.size == len(BYTES)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], None]]:
    """Make an ``os`` function fail from now on, after ``passed`` more calls; 0 bytes of the failing are taken."""

    def patch(name: str, passed: int = 0) -> None:
        original, left = getattr(os, name), [passed]

        def fail(descriptor: int, *rest: Any) -> Any:
            left[0] -= 1
            if left[0] >= 0:
                return original(descriptor, *((rest[0][:5],) if name == "write" else rest))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, name, fail)

    return patch


@pytest.mark.parametrize("passed", range(4))
def test_a_refused_write_leaves_the_journal_as_it_was(
    tmp_path: Path, refuse: Any, monkeypatch: pytest.MonkeyPatch, passed: int
) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.append(LINES[0])
    refuse("write", passed)
    with pytest.raises(OSError, match="No space"):
        journal.append(LINES[1])
    assert journal.size == len(LINES[0])
    assert journal.path.read_bytes() == LINES[0]
    monkeypatch.undo()
    journal.append(LINES[1] + LINES[2])
    journal.close()
    assert journal.path.read_bytes() == b"".join(LINES[:3])


def test_a_disk_that_cannot_even_cut_is_overwritten_in_place(
    tmp_path: Path, refuse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.append(LINES[0])
    refuse("write", 3)
    refuse("ftruncate")
    with pytest.raises(OSError, match="No space"):
        journal.append(LINES[1])
    assert journal.path.read_bytes() == LINES[0] + LINES[1][:15], "the disk holds a torn line now"
    assert scan(read_chunks(journal.path)) == extent_of(1)
    monkeypatch.undo()
    journal.append(LINES[1])
    journal.close()
    assert journal.path.read_bytes() == LINES[0] + LINES[1]


def test_always_means_that_a_row_is_safe_before_it_counts(tmp_path: Path, refuse: Any) -> None:
    journal = Journal(tmp_path / "metrics.jsonl", fsync="always")
    journal.append(LINES[0])
    refuse("fsync")
    with pytest.raises(OSError, match="No space"):
        journal.append(LINES[1])
    assert journal.size == len(LINES[0])
    journal.sync()  # nothing is new, so that the disk is not asked


def test_sync_asks_the_disk_only_for_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "fsync", asked.append)
    journal = Journal(tmp_path / "metrics.jsonl", fsync="second")
    journal.sync()
    assert asked == []
    journal.append(LINES[0])
    journal.append(LINES[1])
    journal.sync()
    journal.sync()
    assert len(asked) == 1
    journal.close()


@pytest.mark.parametrize("long", [0, 4095, 4096, 40_000])
def test_the_last_line_is_found_from_the_end(tmp_path: Path, long: int) -> None:
    path = tmp_path / "metrics.jsonl"
    last = b'{"' + b"x" * long + b'"}\n'
    for before in (b"", BYTES):
        path.write_bytes(before + last + b"torn")
        assert last_line(path, len(before + last)) == last
    assert last_line(path, 0) is None


def test_chunks_end_where_they_are_told_and_a_missing_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert list(read_chunks(path)) == []
    path.write_bytes(b"0123456789")
    assert list(read_chunks(path, 2, 7, chunk=2)) == [b"23", b"45", b"6"]
    assert list(read_chunks(path, 8, 99, chunk=4)) == [b"89"]


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.close()
    journal.close()
