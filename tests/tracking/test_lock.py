"""One live process holds a run; a dead one does not, and whoever lost the lock knows it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hackmatrix.tracking import lock as module
from hackmatrix.tracking.errors import RunInUseError
from hackmatrix.tracking.lock import RunLock, is_held

HOLDER = """
import sys, pathlib
from hackmatrix.tracking.lock import RunLock
held = RunLock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""


@contextmanager
def held_by_another(path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_told_who_holds_the_run(tmp_path: Path) -> None:
    with held_by_another(tmp_path / "lock") as process:
        with pytest.raises(RunInUseError, match=f"process {process.pid}"):
            RunLock(tmp_path / "lock")
        assert is_held(tmp_path / "lock")


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    with held_by_another(tmp_path / "lock") as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not is_held(tmp_path / "lock")
        held = RunLock(tmp_path / "lock")
        assert str(os.getpid()) in (tmp_path / "lock").read_text()
        held.release()


def test_a_second_lock_in_one_process_is_refused_too(tmp_path: Path) -> None:
    held = RunLock(tmp_path / "lock")
    with pytest.raises(RunInUseError):
        RunLock(tmp_path / "lock")
    held.release()
    held.release()
    RunLock(tmp_path / "lock").release()


def test_who_lost_the_lock_file_knows_it(tmp_path: Path) -> None:
    held = RunLock(tmp_path / "lock")
    assert held.still_ours()
    (tmp_path / "lock").unlink()
    assert not held.still_ours()
    other = RunLock(tmp_path / "lock")
    assert other.still_ours()
    assert not held.still_ours()
    held.release()
    assert not held.still_ours()
    other.release()


def test_a_file_replaced_between_opening_and_locking_is_not_mistaken_for_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, replaced = module._try_lock, []

    def replace_first(descriptor: int) -> bool:
        if not replaced:
            replaced.append((tmp_path / "lock").unlink())
            (tmp_path / "lock").touch()
        return original(descriptor)

    monkeypatch.setattr(module, "_try_lock", replace_first)
    held = RunLock(tmp_path / "lock")
    assert replaced
    assert held.still_ours()
    held.release()


def test_asking_whether_a_run_is_held_keeps_nobody_from_opening_it(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            is_held(tmp_path / "lock")

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(100):
            RunLock(tmp_path / "lock").release()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_readers_do_not_take_each_other_for_a_writer(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    reading = os.open(tmp_path / "lock", os.O_RDONLY)
    assert module._try_lock(reading, shared=True)
    assert not is_held(tmp_path / "lock")
    os.close(reading)
    assert not is_held(tmp_path / "missing")


def test_a_disk_that_cannot_take_the_text_still_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*rest: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    held = RunLock(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    held.release()


def test_a_folder_that_is_gone_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    before = open_files()
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            RunLock(tmp_path / "gone" / "lock")
        held = RunLock(tmp_path / "lock")
        with contextlib.suppress(RunInUseError):
            RunLock(tmp_path / "lock")
        held.release()
    assert open_files() == before


def open_files() -> int:
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.exists() else 0
