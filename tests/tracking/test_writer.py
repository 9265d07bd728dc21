"""The writer's thread: order, bounds, a disk that refuses, values that cannot be read, sleep."""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import writer as module
from hackmatrix.tracking.journal import Journal, lines_of, read_chunks
from hackmatrix.tracking.lines import decode_object, decode_row
from hackmatrix.tracking.protocol import Row
from hackmatrix.tracking.series import Series
from hackmatrix.tracking.writer import Writer


class Waiting:
    """A number that a device has not finished until it is told so."""

    shape = ()

    def __init__(self, value: float) -> None:
        self.value, self.done = value, threading.Event()

    def is_ready(self) -> bool:
        return self.done.is_set()

    def item(self) -> float:
        assert self.done.wait(20)
        return self.value


class Deleted:
    """A number that is taken away between the call and the writing, as donated arrays are."""

    shape, dtype = (), None

    def is_deleted(self) -> bool:
        return False

    def __array__(self, *rest: Any) -> Any:
        return self.item()

    def item(self) -> float:
        raise RuntimeError("Array has been deleted")


class Disk:
    """``os.write`` that can be told to refuse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses, self.asked, self._write = False, 0, os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:
        self.asked += 1
        if self.refuses:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(descriptor, data)


def open_writer(folder: Path, **more: Any) -> Writer:
    options: dict[str, Any] = {
        "queue_rows": 65536, "on_full": "wait", "fsync": "never",
        "still_ours": lambda: True, "published": lambda: None, **more,
    }  # fmt: skip
    fsync = options["fsync"]
    return Writer(
        Journal(folder / "metrics.jsonl", fsync=fsync),
        Journal(folder / "records.jsonl", fsync=fsync),
        **options,
    )


def rows_in(folder: Path) -> list[Row]:
    return [decode_row(line) for line in lines_of(read_chunks(folder / "metrics.jsonl"))]


def put(writer: Writer, step: int, **metrics: Any) -> None:
    writer.put((step, 1.0, 0.5, metrics))


def soon(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


def until(condition: Callable[[], bool]) -> None:
    deadline = soon()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def test_rows_are_written_in_the_order_in_which_they_were_said(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    for step in range(3000):
        put(writer, step, a=step)
    writer.put((Series({"a": [0.5, 1.5]}, [3000, 3001], None, None), 1.0, 0.5), rows=2)
    put(writer, 3002, a=2)
    assert writer.drain(soon())
    assert [row.step for row in rows_in(tmp_path)] == list(range(3003))
    assert writer.close(soon())
    assert (writer.rows, writer.dropped, writer.absent) == (3003, 0, 0)


def test_a_row_is_written_within_a_tick_though_nobody_asks(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    put(writer, 0, a=1.0)
    until(lambda: len(rows_in(tmp_path)) == 1)
    writer.close(soon())


def test_records_stand_on_the_disk_before_the_rows_said_with_them(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    sizes = lambda: ((tmp_path / "records.jsonl").stat().st_size, (tmp_path / "metrics.jsonl").stat().st_size)  # noqa: E731 - short
    writer = open_writer(tmp_path, published=lambda: seen.append(sizes()))
    writer.put(lambda: {"_step": 1, "kind": "text"})
    put(writer, 1, a=1.0)
    writer.close(soon())
    assert all(records for records, metrics in seen if metrics)


def test_a_bad_value_is_absent_and_counted_and_all_else_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = open_writer(tmp_path)
    put(writer, 0, a=1.0, b=Deleted(), c=3)
    put(writer, 1, a=1.0, b=Deleted())
    writer.put((Series({"s": [Deleted(), 1.0], "t": [1.0, 2.0]}, [2, 3], None, None), 1.0, 0.5), rows=2)
    writer.put(lambda: {"_step": 4, "no": object()})
    writer.put(lambda: {"_step": 4, "yes": 1})
    put(writer, 4, a=2.0)
    assert writer.close(soon())
    assert [row.metrics for row in rows_in(tmp_path)] == [
        {"a": 1.0, "c": 3}, {"a": 1.0}, {"t": 1.0}, {"t": 2.0}, {"a": 2.0},
    ]  # fmt: skip
    assert writer.absent == 4
    records = [decode_object(line) for line in lines_of(read_chunks(tmp_path / "records.jsonl"))]
    assert records == [{"_step": 4, "yes": 1}]
    assert sum("metric 'b'" in message for message in caplog.messages) == 1


def test_a_value_still_being_computed_does_not_hold_back_the_rows_before_it(tmp_path: Path) -> None:
    writer, value = open_writer(tmp_path), Waiting(2.5)
    put(writer, 0, a=1.0)
    put(writer, 1, a=value)
    put(writer, 2, a=3.0)
    until(lambda: len(rows_in(tmp_path)) == 1)
    assert not writer.drain(soon(0.1))
    value.done.set()
    assert writer.close(soon())
    assert [row.metrics["a"] for row in rows_in(tmp_path)] == [1.0, 2.5, 3.0]


def test_a_value_that_never_comes_does_not_hold_the_end(tmp_path: Path) -> None:
    writer, value = open_writer(tmp_path), Waiting(2.5)
    put(writer, 0, a=value)
    put(writer, 1, a=1.0)
    assert not writer.close(soon(0.2))
    assert (writer.dropped, writer.is_alive()) == (2, True)
    value.done.set()
    until(lambda: not writer.is_alive())
    assert rows_in(tmp_path) == [], "a row was written after the end"
    assert writer.dropped == 2


def test_a_deleted_array_of_jax_is_absent(tmp_path: Path) -> None:
    jax = pytest.importorskip("jax", reason="needs JAX's arrays")
    writer = open_writer(tmp_path)
    gone, kept = jax.numpy.float32(1.0) + 1, jax.numpy.float32(1.0) / 3
    gone.delete()
    put(writer, 0, gone=gone, kept=kept)
    assert writer.close(soon())
    (row,) = rows_in(tmp_path)
    assert row.metrics == {"kept": float(kept)}
    assert writer.absent == 1


def test_a_full_queue_drops_and_counts_what_it_was_told_to_drop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer, value = open_writer(tmp_path, queue_rows=10, on_full="drop"), Waiting(0.0)
    put(writer, 0, a=value)
    for step in range(1, 26):
        put(writer, step, a=step)
    assert writer.dropped == 16
    value.done.set()
    assert writer.drain(soon())
    put(writer, 99, a=1)
    assert writer.close(soon())
    assert [row.step for row in rows_in(tmp_path)] == [*range(10), 99]
    assert writer.dropped == 16
    assert sum("queue" in message for message in caplog.messages) == 1


def test_a_full_queue_waits_for_the_writer_and_loses_nothing(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, queue_rows=10)
    for step in range(500):
        put(writer, step, a=step)
    writer.put((Series({"a": list(range(35))}, range(500, 535), None, None), 1.0, 0.5), rows=35)
    writer.put((Series({"a": list(range(7))}, range(535, 542), None, None), 1.0, 0.5), rows=7)
    assert writer.close(soon())
    assert [row.step for row in rows_in(tmp_path)] == list(range(542))
    assert writer.dropped == 0


def test_a_full_queue_of_records_is_bounded_too(tmp_path: Path) -> None:
    writer, value = open_writer(tmp_path, queue_rows=10, on_full="drop"), Waiting(0.0)
    put(writer, 0, a=value)
    for step in range(20):
        writer.put(lambda step=step: {"_step": step})
    assert writer.dropped == 11
    value.done.set()
    writer.close(soon())


def test_a_writer_without_progress_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STALL_S", 0.3)
    writer, value = open_writer(tmp_path, queue_rows=5), Waiting(0.0)
    put(writer, 0, a=value)
    for step in range(1, 5):
        put(writer, step, a=step)
    began = time.monotonic()
    put(writer, 5, a=5)
    waited = time.monotonic() - began
    for step in range(6, 200):
        put(writer, step, a=step)
    assert waited >= 0.3
    assert time.monotonic() - began < waited + 0.3 * 100, "each row waited anew"
    assert writer.dropped == 195
    value.done.set()
    assert writer.drain(soon())
    put(writer, 200, a=1)
    assert writer.close(soon())
    assert [row.step for row in rows_in(tmp_path)] == [0, 1, 2, 3, 4, 200]


def test_a_disk_that_refuses_is_told_once_and_has_every_row_when_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch)
    writer = open_writer(tmp_path, queue_rows=100)
    put(writer, 0, a=0)
    assert writer.drain(soon())
    disk.refuses = True
    for step in range(1, 101):
        put(writer, step, a=step)
    asked = disk.asked
    until(lambda: disk.asked > asked + 3)
    assert not writer.drain(soon(0.2))
    put(writer, 101, a=1)  # over the bound while the disk refuses: dropped at once
    assert writer.dropped == 1
    disk.refuses = False
    assert writer.close(soon())
    assert [row.step for row in rows_in(tmp_path)] == list(range(101))
    about = [record for record in caplog.records if "disk" in record.message]
    assert [record.levelno for record in about] == [logging.WARNING] * 2, caplog.messages


def test_a_disk_that_recovers_during_the_end_has_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    writer = open_writer(tmp_path)
    disk.refuses = True
    put(writer, 0, a=0)
    until(lambda: disk.asked > 0)
    threading.Timer(0.3, lambda: setattr(disk, "refuses", False)).start()
    assert writer.close(soon())
    assert [row.step for row in rows_in(tmp_path)] == [0]


def test_rows_that_the_disk_never_took_are_counted_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    writer = open_writer(tmp_path)
    disk.refuses = True
    for step in range(4):
        put(writer, step, a=0)
    assert not writer.close(soon(0.3))
    assert writer.dropped == 4
    disk.refuses = False
    until(lambda: not writer.is_alive())
    assert rows_in(tmp_path) == [], "a row was written after the end"


def test_a_writer_whose_run_was_taken_over_stops_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = [True]
    writer = open_writer(tmp_path, still_ours=lambda: ours[0])
    put(writer, 0, a=0)
    assert writer.drain(soon())
    ours[0] = False
    put(writer, 1, a=1)
    assert not writer.drain(soon())
    assert writer.lost is not None
    assert not writer.close(soon())
    assert [row.step for row in rows_in(tmp_path)] == [0]
    assert writer.dropped == 1
    assert sum("took the run over" in message for message in caplog.messages) == 1


@pytest.mark.parametrize(("fsync", "least", "most"), [("never", 0, 0), ("second", 1, 4), ("always", 3, 3)])
def test_the_disk_is_asked_for_safety_as_often_as_the_option_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: str, least: int, most: int
) -> None:
    asked: list[int] = []
    writer = open_writer(tmp_path, fsync=fsync)
    monkeypatch.setattr(os, "fsync", asked.append)
    for step in range(3):
        put(writer, step, a=1)
        assert writer.drain(soon())
    assert writer.close(soon())
    assert least <= len(asked) <= most


def test_a_failed_fsync_is_told_and_does_not_end_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = open_writer(tmp_path, fsync="second")
    monkeypatch.setattr(os, "fsync", fail)
    put(writer, 0, a=1)
    assert writer.close(soon())
    assert len(rows_in(tmp_path)) == 1
    assert any("cannot make rows safe" in message for message in caplog.messages)


def test_nobody_is_woken_while_rows_keep_coming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = open_writer(tmp_path)
    woken: list[int] = []
    monkeypatch.setattr(writer, "_awaken", lambda: woken.append(1))
    for step in range(1000):
        put(writer, step, a=1)
    assert woken == []
    until(lambda: len(rows_in(tmp_path)) == 1000)
    monkeypatch.undo()
    writer.close(soon())


def test_a_quiet_thread_sleeps_and_the_next_row_wakes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUSY_S", 0.0)
    monkeypatch.setattr(module, "_TICK_S", 1000.0)
    writer, turns = open_writer(tmp_path), list[int]()
    for step in range(5):
        until(lambda: writer._asleep)
        monkeypatch.setattr(writer, "_turn", lambda: bool(turns.append(1)))
        time.sleep(0.05)
        assert turns == [], "a thread that sleeps took a turn"
        monkeypatch.undo()
        monkeypatch.setattr(module, "_BUSY_S", 0.0)
        put(writer, step, a=1)
        until(lambda step=step: len(rows_in(tmp_path)) == step + 1)
    assert writer.close(soon())


def test_rows_of_many_threads_are_all_written(tmp_path: Path) -> None:
    writer, lock, steps = open_writer(tmp_path, queue_rows=50), threading.Lock(), iter(range(4000))

    def say() -> None:
        for _ in range(1000):
            with lock:
                put(writer, next(steps), a=1)

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.close(soon())
    assert [row.step for row in rows_in(tmp_path)] == list(range(4000))
