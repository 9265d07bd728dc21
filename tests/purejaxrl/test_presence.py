"""Who is silent, told from what the store held and when."""

import threading
import time

from hackmatrix.purejaxrl.presence import FAREWELL_S, Beats, Presence


class Store:
    """JAX's key-value store, as a dict that all processes of a test share."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    def key_value_set(self, key: str, value: str, allow_overwrite: bool) -> None:
        assert allow_overwrite
        self.held[key] = value

    def key_value_dir_get(self, folder: str) -> list[tuple[str, str]]:
        return [item for item in self.held.items() if item[0].startswith(folder)]


def heard(times: dict[int, float], end: float, *, store_until: float = 1e9) -> Beats:
    """Each process counts up every second until its time; the store is looked at every second."""
    beats = Beats(times, 0.0)
    for second in range(1, int(min(end, store_until)) + 1):
        beats.note({process: str(int(min(second, last))) for process, last in times.items()}, float(second))
    return beats


def test_who_counts_is_not_silent() -> None:
    assert heard({1: 1e9, 2: 1e9}, 30).silent(31.0, 10.0) == []


def test_who_stopped_is_named_after_that_time_and_not_before() -> None:
    beats = heard({1: 1e9, 2: 20, 3: 1e9}, 30)
    assert beats.silent(30.0, 10.0) == []
    assert beats.silent(30.5, 10.0) == [2]


def test_one_that_was_never_heard_is_silent() -> None:
    assert heard({1: 1e9, 2: 0}, 12).silent(12.0, 10.0) == [2]


def test_all_that_stopped_together_are_named_and_none_that_left_because_of_them() -> None:
    assert heard({0: 1e9, 1: 20, 2: 21, 3: 26}, 40).silent(40.0, 10.0) == [1, 2]


def test_while_the_store_is_silent_nothing_is_known_but_of_the_first_process() -> None:
    beats = heard({0: 1e9, 2: 1e9}, 40, store_until=25)
    assert beats.silent(35.5, 10.0) == [0]


def test_who_stood_still_itself_blames_nobody() -> None:
    beats = heard({0: 1e9, 2: 1e9}, 30)
    beats.excuse(60.0)
    assert beats.silent(91.0, 10.0) == []
    assert beats.silent(100.5, 10.0) == [0]


def test_the_first_process_stays_until_the_others_have_seen_who_went() -> None:
    store = Store()
    first, second, third = (Presence(store, process, 3, "127.0.0.1:1") for process in range(3))
    second.farewell()  # at once
    left = threading.Event()

    def leave() -> None:
        first.farewell()
        left.set()

    started = time.monotonic()
    threading.Thread(target=leave, daemon=True).start()
    assert not left.wait(0.5), "the third process would be aborted"
    third.farewell()
    assert left.wait(FAREWELL_S / 2)
    assert time.monotonic() - started < FAREWELL_S


def test_nobody_waits_for_the_store_of_a_process_that_hangs() -> None:
    class Hanging(Store):
        def key_value_set(self, *_: object, **__: object) -> None:
            threading.Event().wait()

    started = time.monotonic()
    Presence(Hanging(), 1, 3, "127.0.0.1:1").farewell()
    assert time.monotonic() - started < FAREWELL_S


def test_the_first_process_does_not_stay_for_one_that_is_silent() -> None:
    store = Store()
    Presence(store, 1, 3, "127.0.0.1:1").farewell()
    started = time.monotonic()
    Presence(store, 0, 3, "127.0.0.1:1").farewell()
    assert time.monotonic() - started < FAREWELL_S - 1
