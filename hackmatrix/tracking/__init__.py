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

from hackmatrix.tracking.errors import (
    BackendOptionError,
    BackendSetupError,
    BackendUnreachableError,
    ConfigMismatchError,
    ConfigValueError,
    DamagedCheckpointError,
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
    Tracker,
)
from hackmatrix.tracking.reading import RunReader, read_run
from hackmatrix.tracking.registry import known_backends, register, tracker_names
from hackmatrix.tracking.replaying import owed, replay

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
