"""How the script hears that it shall stop, and how long it may take to."""

import os
import signal
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module; handlers are put back should a test fail in the middle."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    handlers = {number: signal.getsignal(number) for number in BOTH}
    yield import_module("stopping")
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_the_handlers_that_were_there_are_called_and_put_back(stopping: Any) -> None:
    heard: list[int] = []

    def earlier(number: int, frame: object) -> None:
        heard.append(number)

    for number in BOTH:
        signal.signal(number, earlier)
    with stopping.Stop() as stop:
        assert signal.getsignal(signal.SIGTERM) is not earlier
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked()
    assert heard == [signal.SIGTERM]
    assert [signal.getsignal(number) for number in BOTH] == [earlier, earlier]


@pytest.mark.parametrize(
    ("number", "status", "code"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "preempted", 143)]
)
def test_a_signal_decides_status_and_exit_code(
    stopping: Any, number: signal.Signals, status: str, code: int
) -> None:
    with stopping.Stop() as stop:
        assert (stop.asked(), stop.status(), stop.exit_code()) == (0, "finished", 0)
        os.kill(os.getpid(), number)
        assert (stop.asked(), stop.status(), stop.exit_code()) == (number, status, code)


def test_a_machine_that_goes_away_is_given_the_rest_of_its_notice(stopping: Any) -> None:
    now = [100.0]
    with stopping.Stop(clock=lambda: now[0]) as stop:
        assert stop.finish_timeout() == 60.0
        os.kill(os.getpid(), signal.SIGTERM)
        now[0] += 8.0  # the chunk that was running, and the checkpoint
        os.kill(os.getpid(), signal.SIGTERM)  # again: the notice has begun long ago
        assert stop.finish_timeout() == stopping.TERMINATE_S - 8.0
        now[0] += 100.0
        assert stop.finish_timeout() == 1.0
    with stopping.Stop(clock=lambda: now[0]) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.finish_timeout() == 60.0
        now[0] += 25.0
        os.kill(os.getpid(), signal.SIGTERM)  # the notice begins now
        assert stop.finish_timeout() == stopping.TERMINATE_S


def test_what_another_process_heard_decides_here_too(stopping: Any) -> None:
    stop = stopping.Stop(clock=lambda: 100.0)
    stop.heard(0)
    assert (stop.status(), stop.exit_code()) == ("finished", 0)
    stop.heard(signal.SIGTERM)
    assert (stop.status(), stop.exit_code(), stop.finish_timeout()) == (
        "preempted",
        143,
        stopping.TERMINATE_S,
    )
    stop.signal = signal.SIGINT
    stop.heard(signal.SIGTERM)
    assert (stop.status(), stop.exit_code()) == ("preempted", 143)
