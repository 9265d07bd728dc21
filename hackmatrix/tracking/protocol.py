"""What is promised, to whom: ``Tracker`` to training loops, ``Backend`` to those who carry rows somewhere."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

Number: TypeAlias = int | float
# Structural on purpose: a 0-d array that is still being computed qualifies, and nobody imports JAX for it.
Scalar: TypeAlias = Any
ConfigValue: TypeAlias = bool | int | float | str | list[Any] | None
Config: TypeAlias = Mapping[str, ConfigValue]
Status: TypeAlias = Literal["finished", "failed", "interrupted", "preempted"]
Resume: TypeAlias = Literal["never", "allow", "must"]
# json: every number equal, but the sign of zero and the difference between 1 and 1.0 may be lost.
Precision: TypeAlias = Literal["float64", "float32", "json", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInfo:
    """Who a run is and where it stands; the same for every backend.

    Attributes:
        id: first 8 hex digits of the MD5 of the name.
        uid: random, drawn once; settles whether two runs of one name are the same run.
        folder: the run's folder on this disk; none for the null tracker.
        url: where a person can look at it; of the first backend that has such a place.
        resumed: whether an earlier attempt's rows or config were found.
        attempt: processes that worked on this run before this one.
        last_step: the newest step held when this attempt began, after any cut; none if no row is held.
    """

    id: str
    name: str
    uid: str
    project: str
    entity: str | None = None
    group: str | None = None
    job_type: str | None = None
    tags: tuple[str, ...] = ()
    notes: str | None = None
    folder: Path | None = None
    url: str | None = None
    resume: Resume = "allow"
    resumed: bool = False
    attempt: int = 0
    last_step: int | None = None

    @property
    def next_step(self) -> int:
        """Where a loop begins or goes on: behind ``last_step``; 0 if no row is held."""
        return 0 if self.last_step is None else self.last_step + 1


class Row(NamedTuple):
    """One step's metrics.

    ``whole`` is false only for the newest step when ``flush`` hands it over early: the rest of its tags
    follows in a later row of the same step, or there is none when a larger step or ``close`` follows.
    """

    step: int
    timestamp: float  # unix seconds
    runtime: float  # active seconds over all attempts
    metrics: dict[str, Number]
    whole: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtifactRecord:
    """A named set of files of a run, as ``log_artifact`` described it.

    Attributes:
        name: the run's own name for it, e.g. ``checkpoint``; a place whose names belong to the project
            puts the run's name in front.
        digest: hex SHA-256 over names and contents of the files.
    """

    name: str
    type: str
    step: int
    digest: str
    aliases: tuple[str, ...] = ()
    metadata: Mapping[str, ConfigValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaRecord:
    """A histogram, text or image of one step.

    Attributes:
        data: for ``histogram``: ``counts`` (n,), ``edges`` (n+1,), ``min``, ``max``, ``sum``, ``sum_squares``;
            for ``text``: ``text``; for ``image``: ``file``, a PNG below the run's folder, ``width``, ``height``.
    """

    kind: Literal["histogram", "text", "image"]
    tag: str
    step: int
    timestamp: float
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteRun:
    """A run as a backend knows it, without having been opened.

    Attributes:
        config: the flat config that the run was opened with.
        attempts: processes that have worked on it, as far as the place knows.
        steps: steps of the checkpoints that can be fetched, ascending.
    """

    name: str
    uid: str
    project: str
    entity: str | None
    config: Config
    status: str
    attempts: int
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendReport:
    """What became of a run's steps at one backend.

    Attributes:
        handed_over: the last step given to it.
        confirmed: the last step that the place itself says it holds.
        pending: steps of the journal that it is not known to hold.
        kept: first and last step that it holds from an earlier attempt and that were not sent again.
        problem: the last failure, in a sentence.
        command: what delivers the rest.
        url: where a person can look at it there.
    """

    handed_over: int | None = None
    confirmed: int | None = None
    pending: int = 0
    kept: tuple[int, int] | None = None
    problem: str | None = None
    command: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FinishReport:
    """How a run ended, and what each backend holds of it."""

    status: Status
    last_step: int | None
    rows: int = 0
    dropped_rows: int = 0
    absent_values: int = 0
    backends: Mapping[str, BackendReport] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing is owed to anybody and nothing was dropped."""
        owed = any(report.pending or report.problem for report in self.backends.values())
        return not (owed or self.dropped_rows)


class Tracker(Protocol):
    """Carries the rows of one run into its journal, from where backends follow.

    Life: opened, then ``log`` and its kin any number of times, never with a smaller step, then ``finish``.
    A second ``finish`` is harmless; any other call after it raises ``TrackerClosedError``. As a context
    manager it finishes as ``finished``, or as ``failed`` or ``interrupted`` when an exception passes through.
    """

    @property
    def run(self) -> RunInfo:
        """Who the run is; at any time, also after ``finish``."""

    def log(self, metrics: Mapping[str, Scalar], *, step: int) -> None:
        """Add a row. Returns without waiting for device, disk or network.

        Several calls may name the newest step as long as their tags differ.

        Args:
            metrics: tag -> anything with one number in it; tags read ``group/name``, e.g. ``loss/policy``.
            step: the run's x-axis, an integer >= 0, e.g. finished updates; never lowered.

        Raises:
            StepOrderError: ``step`` is smaller than one before, sealed by a checkpoint, or repeats a tag.
            MetricValueError: a value is visibly not one number, is traced, or was already deleted.
            InvalidTagError: a tag is no valid text or begins with ``_``.
        """

    def log_series(
        self,
        columns: Mapping[str, Scalar] | Scalar,
        *,
        steps: Sequence[int],
        present: Mapping[str, Sequence[bool]] | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        """Add T rows in one call.

        Args:
            columns: tag -> array of shape (T,), or, with ``tags``, one packed array of shape (T, K).
            steps: T strictly ascending steps.
            present: tag -> (T,) booleans; where false the tag is absent from that row, since NaN is a value.
            tags: the K tags of a packed array.

        Raises:
            StepOrderError, MetricValueError, InvalidTagError: as for ``log``.
        """

    def log_summary(self, values: Mapping[str, Scalar]) -> None:
        """Set figures of the run as a whole; the last value of each tag wins."""

    def log_artifact(
        self,
        path: str | Path,
        *,
        name: str,
        step: int,
        type: str = "file",  # noqa: A002 - the field's word
        aliases: Sequence[str] = (),
        metadata: Mapping[str, ConfigValue] | None = None,
        keep: int | None = None,
        with_journal: bool = False,
        upload: bool = True,
    ) -> None:
        """Keep a file or folder with the run, and hand it to the backends that take artifacts.

        Blocks while local files are written; never on the network. With ``with_journal`` it becomes a
        checkpoint: the rows up to ``step`` are bundled with it, ``step`` is sealed, and ``path`` (a folder
        inside the run's folder) is moved.

        Args:
            keep: how many of this name to keep, newest first; one that holds the alias ``best`` stays too.
            upload: false keeps it on this disk.

        Raises:
            TrackerClosedError: the run has been finished.
            InvalidNameError: ``name`` or an alias is none.
            ConfigValueError: ``metadata`` cannot be stored.
            FileNotFoundError: ``path`` is not there.
        """

    def checkpoint(
        self,
        *,
        step: int,
        keep: int | None = 3,
        aliases: Sequence[str] = (),
        metadata: Mapping[str, ConfigValue] | None = None,
        upload: bool = True,
    ) -> AbstractContextManager[Path]:
        """Save what the run goes on from: a ``with`` block that writes files into the empty folder it gets.

            with tracker.checkpoint(step=step) as folder:
                (folder / "state.json").write_text(json.dumps(state))

        At its end the folder becomes the checkpoint of ``step``, as by ``log_artifact`` with the name
        ``checkpoint``, the type ``model`` and ``with_journal``. After an exception there is none. The null tracker
        removes the folder in any case.

        Raises:
            TrackerClosedError, InvalidNameError, ConfigValueError: before the block, as ``log_artifact``.
            StepOrderError: a later step is sealed already; at the end of the block.
            OSError: the disk refused; there is no checkpoint of this step then.
        """

    def log_histogram(
        self, tag: str, values: Scalar, *, step: int, bins: int = 64, edges: Scalar | None = None
    ) -> None:
        """Add the distribution of an array's values (any shape, finite ones counted) at a step.

        Args:
            edges: (n+1,) rising; ``values`` are then counts (n,) that somebody made already, e.g. on a device.
                Mean and deviation are those of counts in the middle of their bins.

        Raises:
            MetricValueError: these are no numbers, or shapes, edges or counts do not fit together.
            StepOrderError, InvalidTagError: as for ``log``.
        """

    def log_text(self, tag: str, text: str, *, step: int) -> None:
        """Add a text at a step."""

    def log_image(self, tag: str, image: Scalar, *, step: int) -> None:
        """Add an image at a step: uint8 (H, W), (H, W, 3) or (H, W, 4), or floats in [0, 1] of these shapes."""

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until every row said so far is in the journal and with each backend.

        Returns:
            False if ``timeout`` seconds were not enough or a backend is failing.
        """

    def finish(self, status: Status = "finished", *, timeout: float = 60.0) -> FinishReport:
        """Deliver what can be delivered in ``timeout`` seconds, close everything, say what is missing.

        Raises:
            InvalidArgumentError: ``status`` is none; the run stays open.
        """

    def native(self, backend: str) -> Any:
        """The live object behind a backend, e.g. a ``wandb.Run``; what goes through it is outside the guarantees."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Backend(Protocol):
    """Carries rows to one place; called from one thread, with rows checked, converted and ordered.

    Life: constructed with its options (cheap, no network) → ``open`` → ``discard_after`` → ``write`` and
    ``flush`` any number of times → ``close``. Any of them may raise: the object is then closed and thrown
    away, a new one is made, and what ``open`` says it holds decides where to go on. ``BackendSetupError``
    means that only the user can mend it, ``RunConflictError`` that another run lives there under this id;
    everything else is tried again.

    Optional abilities have protocols of their own: ``ArtifactStore``, ``MediaWriter``, ``RunFinder``,
    ``RunNames``, ``RunDefaults``, ``HasNative``.
    """

    precision: Precision  # what is kept of a number; "none": rows are not, or only inside artifacts
    url: str | None  # read after open

    def open(self, run: RunInfo, config: Config) -> int | None:
        """Connect. Returns the last step that the place holds of this run; none if it holds no row."""

    def discard_after(self, step: int | None) -> bool:
        """Drop rows with a larger step (none: all rows). True: they are gone for the place's own reader."""

    def write(self, rows: Sequence[Row]) -> None:
        """Take rows, steps ascending. May block, may raise."""

    def flush(self, timeout: float) -> None:
        """Make what was written safe, as far as the place promises; raises ``TimeoutError`` if it cannot."""

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        """Let go; ``status`` none: the object is thrown away, the run goes on.

        Returns:
            The last step that the place itself confirms to hold; none if it holds none. A place that cannot be
            asked returns what was written to it. Less than was written makes the follower go on from there.
        """


@runtime_checkable
class ArtifactStore(Protocol):
    """A backend that keeps files. Both calls run on the follower's thread or before ``open``."""

    def put_artifact(self, record: ArtifactRecord, files: Mapping[str, Path], keep: int | None) -> None:
        """Store files (name in the artifact -> path). Putting the same record again must change nothing."""

    def get_artifact(self, run: RemoteRun, name: str, version: int | str, into: Path) -> None:
        """Fetch the version of a step, or of an alias, into an empty folder. Works without ``open``."""


@runtime_checkable
class MediaWriter(Protocol):
    """A backend that shows histograms, text or images."""

    def write_media(self, record: MediaRecord, path: Path | None) -> bool:
        """Take a record (``path``: its file, for an image). False: this kind is not supported."""


@runtime_checkable
class RunFinder(Protocol):
    """A backend that can be asked about runs without starting one; unreachable raises."""

    def find(
        self, name: str | None, config_digest: str | None, project: str, entity: str | None
    ) -> RemoteRun | None:
        """The run of this name or id, or, without one, the newest whose config has this digest."""


@runtime_checkable
class RunNames(Protocol):
    """A backend that can be asked whether a name is in use, so that a new run gets another."""

    def taken(self, name: str, project: str, entity: str | None) -> bool:
        """Whether a run of this name exists; what cannot be asked counts as free."""


@runtime_checkable
class RunDefaults(Protocol):
    """A backend whose own environment variables name the run's labels."""

    def run_defaults(self) -> Mapping[str, Any]:
        """Any of project, entity, group, job_type, tags, notes; arguments of ``open_tracker`` go before them."""


@runtime_checkable
class HasNative(Protocol):
    """A backend with a live object of its own."""

    @property
    def native(self) -> Any:
        """That object, between ``open`` and ``close``."""
