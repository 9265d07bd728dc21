"""What a run costs its machine, as rows of the run: processor, memory, memory of the devices.

The rows go the one way that all rows go, so every backend has them. A row needs a step, and only the loop
chooses steps; therefore they join the newest step that the loop named, under tags of their own, at most once
in a step and never in one that a checkpoint has sealed. Where no step is open the samples wait and are
averaged into the next. A journal of their own was considered, and would have needed a second follower, a
second cut at a resume, and a second reader for no other gain than a finer clock.
"""

import sys
import threading
from typing import Any, Protocol, Self, runtime_checkable

from hackmatrix.tracking.errors import MissingPackageError
from hackmatrix.tracking.protocol import Number, Tracker

_MB = 1e6
_DEVICES = 64
# Equal runs differ in them: a resumed run is not compared by them.
SYSTEM_TAGS = (
    "system/cpu_percent",
    "system/process_cpu_percent",
    "system/memory_percent",
    "system/process_memory_mb",
    *(f"system/device{index}_memory_mb" for index in range(_DEVICES)),
    *(f"system/device{index}_peak_memory_mb" for index in range(_DEVICES)),
)


@runtime_checkable
class TakesAside(Protocol):
    """A tracker that adds to the newest step."""

    def log_aside(self, metrics: dict[str, Number]) -> bool:
        """Add tags to the newest step; false if that is not possible now."""


def require_psutil() -> Any:
    """The package; for asking before anything is opened.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import psutil
    except ImportError:
        raise MissingPackageError(
            "system metrics need the package 'psutil': pip install 'hackmatrix[system]'"
        ) from None
    return psutil


class SystemMetrics:
    """Samples on a slow tick, on a thread of its own; a context manager that ends with the run.

    Args:
        tracker: what ``open_tracker`` gave.
        every_s: seconds between two samples.

    Raises:
        MissingPackageError: psutil is not installed.
    """

    def __init__(self, tracker: Tracker | TakesAside, every_s: float = 10.0) -> None:
        psutil = require_psutil()
        if not every_s > 0:
            raise ValueError(f"every_s is {every_s!r}, expected seconds above 0")
        if not isinstance(tracker, TakesAside):
            raise TypeError(f"{type(tracker).__name__} adds nothing to a step; give what open_tracker gave")
        self._psutil, self._process = psutil, psutil.Process()
        psutil.cpu_percent()  # both count from the call before
        self._process.cpu_percent()
        self._tracker, self._every_s = tracker, every_s
        self._waiting: list[dict[str, Number]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hackmatrix-system", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self.tick()

    def tick(self) -> bool:
        """Take a sample, and log the mean of those that wait; false if they have to wait longer."""
        self._waiting.append(self._sample())
        del self._waiting[:-1000]  # a loop that stands still needs no longer memory
        tags = self._waiting[-1]
        mean = {
            tag: sum(sample[tag] for sample in self._waiting if tag in sample)
            / sum(tag in sample for sample in self._waiting)
            for tag in tags
        }
        if not self._tracker.log_aside(mean):
            return False
        self._waiting.clear()
        return True

    def _sample(self) -> dict[str, Number]:
        return {
            "system/cpu_percent": float(self._psutil.cpu_percent()),
            "system/process_cpu_percent": float(self._process.cpu_percent()),
            "system/memory_percent": float(self._psutil.virtual_memory().percent),
            "system/process_memory_mb": self._process.memory_info().rss / _MB,
            **_device_memory(),
        }


def _device_memory() -> dict[str, Number]:
    """JAX's own counters, where JAX runs already: asking would start its devices otherwise."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    jax: Any = sys.modules.get("jax")
    if jax is None or not getattr(bridge, "backends_are_initialized", lambda: False)():
        return {}
    found: dict[str, Number] = {}
    for index, device in enumerate(jax.local_devices()[:_DEVICES]):
        stats = device.memory_stats() or {}  # a CPU counts nothing
        for key, name in (("bytes_in_use", "memory_mb"), ("peak_bytes_in_use", "peak_memory_mb")):
            if key in stats:
                found[f"system/device{index}_{name}"] = stats[key] / _MB
    return found
