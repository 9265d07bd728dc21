"""Whose processor time is counted, compared with what the process as a whole used."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from processor_time import TrackerTime, busy_seconds

pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="read from /proc")


def use(seconds: float) -> None:
    """Use processor time of this thread."""
    while time.thread_time() < seconds:
        pass


def test_a_thread_begun_with_the_tracker_is_counted_and_the_caller_is_not() -> None:
    counted = TrackerTime()
    used, end = threading.Event(), threading.Event()

    def use_and_wait() -> None:
        use(0.05)
        used.set()
        end.wait()

    thread = threading.Thread(target=use_and_wait)
    thread.start()
    counted.opened()
    use(time.thread_time() + 0.05)
    used.wait()
    seconds = counted.seconds()
    end.set()
    thread.join()
    assert 0.05 <= seconds < 0.08


def test_a_thread_begun_later_is_counted_and_one_from_before_is_not() -> None:
    go, end, used = threading.Event(), threading.Event(), threading.Semaphore(0)

    def wait_and_use() -> None:
        go.wait()
        use(0.05)
        used.release()
        end.wait()

    earlier = threading.Thread(target=wait_and_use)
    earlier.start()
    counted = TrackerTime()
    counted.opened()
    later = threading.Thread(target=wait_and_use)
    later.start()
    go.set()
    for _ in (earlier, later):
        used.acquire()
    seconds = counted.seconds()
    end.set()
    for thread in (earlier, later):
        thread.join()
    assert 0.05 <= seconds < 0.08


def test_children_and_their_children_are_counted() -> None:
    counted = TrackerTime()
    burn = "import time\nwhile time.process_time() < 0.2: pass\ninput()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE) as child:
        counted.opened()
        deadline = time.monotonic() + 30
        while counted.seconds() < 0.2 and time.monotonic() < deadline:
            time.sleep(0.02)
        child.communicate(b"\n")
    assert 0.2 <= counted.seconds() < 0.6


def test_what_a_thread_used_is_kept_when_it_has_ended() -> None:
    counted = TrackerTime()
    used, end = threading.Event(), threading.Event()

    def use_and_wait() -> None:
        use(0.05)
        used.set()
        end.wait()

    thread = threading.Thread(target=use_and_wait)
    thread.start()
    counted.opened()
    used.wait()
    last = counted.seconds()
    end.set()
    thread.join()
    assert counted.seconds() >= last >= 0.05


def test_the_machine_as_a_whole_is_busier_than_this_process() -> None:
    before = busy_seconds()
    use(time.thread_time() + 0.2)
    after = busy_seconds()
    assert before is not None
    assert after is not None
    assert after - before > 0.1
