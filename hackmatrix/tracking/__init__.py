"""Experiment tracking that a training loop can trust on machines that vanish.

>>> import tempfile
>>> from hackmatrix.tracking import open_tracker, read_run
>>> folder = tempfile.TemporaryDirectory()
>>> with open_tracker("jsonl", name="first", config={"lr": 0.1}, root=folder.name) as tracker:
...     for step in range(3):
...         tracker.log({"train/loss": 1.0 / (step + 1)}, step=step)
>>> [row.metrics["train/loss"] for row in read_run("first", folder.name).rows()]
[1.0, 0.5, 0.3333333333333333]
>>> folder.cleanup()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hackmatrix.tracking.errors import (
        BackendOptionError,
        BackendSetupError,
        BackendUnreachableError,
        ConfigMismatchError,
        ConfigValueError,
        DamagedCheckpointError,
        InvalidArgumentError,
        InvalidNameError,
        InvalidTagError,
        MetricValueError,
        MissingPackageError,
        RunConflictError,
        RunExistsError,
        RunFolderError,
        RunInUseError,
        RunNotFoundError,
        StepOrderError,
        TrackerClosedError,
        TrackingError,
        UnknownBackendError,
    )
    from hackmatrix.tracking.finding import FoundRun, find_run
    from hackmatrix.tracking.naming import RunName, format_run_name, parse_run_name, run_id
    from hackmatrix.tracking.opening import open_tracker
    from hackmatrix.tracking.options import parse_options
    from hackmatrix.tracking.protocol import (
        ArtifactRecord,
        ArtifactStore,
        Backend,
        BackendReport,
        FinishReport,
        MediaRecord,
        MediaWriter,
        RemoteRun,
        Row,
        RunDefaults,
        RunFinder,
        RunInfo,
        RunNames,
        Tracker,
    )
    from hackmatrix.tracking.reading import RunReader, read_run
    from hackmatrix.tracking.registry import known_backends, register, tracker_names
    from hackmatrix.tracking.replaying import owed, replay

# Module -> what it gives. A module is imported when the first of its names is asked for, so that whoever imports
# the package pays for what they use: the protocols alone, say.
_NAMES = {
    "errors": (
        "BackendOptionError",
        "BackendSetupError",
        "BackendUnreachableError",
        "ConfigMismatchError",
        "ConfigValueError",
        "DamagedCheckpointError",
        "InvalidArgumentError",
        "InvalidNameError",
        "InvalidTagError",
        "MetricValueError",
        "MissingPackageError",
        "RunConflictError",
        "RunExistsError",
        "RunFolderError",
        "RunInUseError",
        "RunNotFoundError",
        "StepOrderError",
        "TrackerClosedError",
        "TrackingError",
        "UnknownBackendError",
    ),
    "finding": ("FoundRun", "find_run"),
    "naming": ("RunName", "format_run_name", "parse_run_name", "run_id"),
    "opening": ("open_tracker",),
    "options": ("parse_options",),
    "protocol": (
        "ArtifactRecord",
        "ArtifactStore",
        "Backend",
        "BackendReport",
        "FinishReport",
        "MediaRecord",
        "MediaWriter",
        "RemoteRun",
        "Row",
        "RunDefaults",
        "RunFinder",
        "RunInfo",
        "RunNames",
        "Tracker",
    ),
    "reading": ("RunReader", "read_run"),
    "registry": ("known_backends", "register", "tracker_names"),
    "replaying": ("owed", "replay"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "ArtifactRecord",
    "ArtifactStore",
    "Backend",
    "BackendOptionError",
    "BackendReport",
    "BackendSetupError",
    "BackendUnreachableError",
    "ConfigMismatchError",
    "ConfigValueError",
    "DamagedCheckpointError",
    "FinishReport",
    "FoundRun",
    "InvalidArgumentError",
    "InvalidNameError",
    "InvalidTagError",
    "MediaRecord",
    "MediaWriter",
    "MetricValueError",
    "MissingPackageError",
    "RemoteRun",
    "Row",
    "RunConflictError",
    "RunDefaults",
    "RunExistsError",
    "RunFinder",
    "RunFolderError",
    "RunInUseError",
    "RunInfo",
    "RunName",
    "RunNames",
    "RunNotFoundError",
    "RunReader",
    "StepOrderError",
    "Tracker",
    "TrackerClosedError",
    "TrackingError",
    "UnknownBackendError",
    "find_run",
    "format_run_name",
    "known_backends",
    "open_tracker",
    "owed",
    "parse_options",
    "parse_run_name",
    "read_run",
    "register",
    "replay",
    "run_id",
    "tracker_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - needed once a name

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
