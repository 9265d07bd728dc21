"""Which processes still answer: each counts up in JAX's key-value store, and every one watches the counts.

A process that hangs breaks no connection. JAX's own heartbeat notices it, and aborts all others without a word of
ours; and where a connection does break, its error does not tell who is gone, or only who went because of that.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

BEAT_S = 1.0
MISSED_S = 3.5  # so long without a beat, while a connection is broken: it is the one that went away
SILENT_S = 10.0  # so long without a beat, while nothing is broken: it hangs
FAREWELL_S = (
    6.0  # at most, the first process waits for the others to say who went: JAX aborts them once it is gone
)
_KEYS = "hackmatrix/beats"
_FAREWELLS = "hackmatrix/farewells"


class Beats:
    """When each of the other processes last counted up.

    Args:
        others: their numbers.
        now: seconds, rising, as everywhere below.
    """

    def __init__(self, others: Iterable[int], now: float) -> None:
        self._counts: dict[int, str] = dict.fromkeys(others, "")
        self._heard = dict.fromkeys(self._counts, now)
        self._answered = now

    def note(self, counts: Mapping[int, str], now: float) -> None:
        """Take what the store holds, process -> count; the store is the first process's."""
        self._answered = now
        for process in self._counts:
            count = counts.get(process, "")
            if count != self._counts[process]:
                self._counts[process], self._heard[process] = count, now

    def excuse(self, seconds: float) -> None:
        """Nobody could be heard for so long: this process itself stood still."""
        self._answered += seconds
        for process in self._heard:
            self._heard[process] += seconds

    def silent(self, now: float, seconds: float) -> list[int]:
        """Processes that were not heard for so long. Those that fell silent because of them are left out."""
        if 0 in self._counts and now - self._answered > seconds:
            return [0]  # and of the others nothing is known
        first = min(self._heard.values())
        return [
            process
            for process, heard in self._heard.items()
            if now - heard > seconds and heard - first < 2 * BEAT_S
        ]


class Presence:
    """Counts up for this process, and notes the others' counts, in a thread of its own until the process ends.

    Args:
        client: JAX's of the coordination service.
        process: this one's number.
        count: of processes.
        address: ``host:port`` where the first process keeps the store.
    """

    def __init__(self, client: Any, process: int, count: int, address: str) -> None:
        self._client, self._process, self._address = client, process, address
        self._others = set(range(count)) - {process}
        self._beats = Beats(self._others, time.monotonic())
        threading.Thread(target=self._beat, name="hackmatrix-beat", daemon=True).start()

    @contextmanager
    def watched(self, on_silence: Callable[[list[int]], None]) -> Iterator[None]:
        """While the block runs, call ``on_silence`` once, from another thread, if processes hang."""
        left = threading.Event()

        def watch() -> None:
            woke = time.monotonic()
            while not left.wait(BEAT_S):
                slept, woke = time.monotonic() - woke, time.monotonic()
                if slept > 2 * BEAT_S:  # stopped and continued, or starved
                    self._beats.excuse(slept)
                silent = self._beats.silent(woke, SILENT_S)
                if silent:
                    on_silence(silent)
                    return

        threading.Thread(target=watch, name="hackmatrix-watch", daemon=True).start()
        try:
            yield
        finally:
            left.set()

    def missing(self) -> list[int]:
        """Wait until it is known who went away, a few seconds; none where all still count."""
        if not self._store_is_there():
            return [0]  # at once, since JAX aborts this process next
        deadline = time.monotonic() + MISSED_S + 2 * BEAT_S
        while time.monotonic() < deadline:
            silent = self._beats.silent(time.monotonic(), MISSED_S)
            if silent:
                return silent
            time.sleep(BEAT_S / 10)
        return []

    def farewell(self) -> None:
        """Call it when this process has said who went away and leaves; the first one waits for the others' calls."""
        told = threading.Thread(target=self._tell_farewell, name="hackmatrix-farewell", daemon=True)
        told.start()  # in a thread, since a store whose process hangs gives no answer, and no error
        told.join(FAREWELL_S if self._process == 0 else BEAT_S)

    def _tell_farewell(self) -> None:
        with suppress(Exception):  # the store may be what went away
            self._client.key_value_set(f"{_FAREWELLS}/{self._process}", "", allow_overwrite=True)
            while self._process == 0 and not self._others_left():
                time.sleep(BEAT_S / 10)

    def _others_left(self) -> bool:
        expected = self._others - set(self._beats.silent(time.monotonic(), MISSED_S))
        return expected <= self._held(_FAREWELLS).keys()

    def _store_is_there(self) -> bool:
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=BEAT_S).close()
        except OSError:
            return False
        return True

    def _beat(self) -> None:
        count = 0
        while True:
            count += 1
            try:
                self._client.key_value_set(f"{_KEYS}/{self._process}", str(count), allow_overwrite=True)
                self._beats.note(self._held(_KEYS), time.monotonic())
            except Exception:  # noqa: BLE001, S110 - it is judged by the time for which nothing comes
                pass
            time.sleep(BEAT_S)

    def _held(self, keys: str) -> dict[int, str]:
        """What the store has under these keys, process -> value."""
        return {int(key.rsplit("/", 1)[1]): value for key, value in self._client.key_value_dir_get(keys)}
