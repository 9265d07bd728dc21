"""A tracker that keeps nothing and refuses what a real one refuses."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hackmatrix.tracking.argument_checks import check_choice
from hackmatrix.tracking.artifact_checks import check_artifact
from hackmatrix.tracking.errors import TrackerClosedError
from hackmatrix.tracking.exiting import status_of
from hackmatrix.tracking.media import check_image, counted_record, histogram_record, text_record
from hackmatrix.tracking.naming import check_tag
from hackmatrix.tracking.ordering import StepOrder, whole_number
from hackmatrix.tracking.protocol import ConfigValue, FinishReport, Number, RunInfo, Scalar, Status
from hackmatrix.tracking.series import Series
from hackmatrix.tracking.values import copy_metrics, to_number


class NullTracker:
    """For measuring what tracking costs, and for every process but the one that writes."""

    def __init__(self, run: RunInfo) -> None:
        self._run = run
        self._steps = StepOrder(run.last_step)
        self._report: FinishReport | None = None

    @property
    def run(self) -> RunInfo:
        """Who the run would be; it has no folder."""
        return self._run

    def _check_open(self) -> None:
        if self._report is not None:
            raise TrackerClosedError(f"run {self._run.name!r} was finished; open a new one")

    def log(self, metrics: Mapping[str, Scalar], *, step: int) -> None:
        """Check a row."""
        self._check_open()
        values, _ = copy_metrics(metrics)
        self._steps.admit_row(whole_number(step), values)

    def log_series(
        self,
        columns: Mapping[str, Scalar] | Scalar,
        *,
        steps: Sequence[int],
        present: Mapping[str, Sequence[bool]] | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        """Check rows."""
        self._check_open()
        series = Series(columns, steps, present, tags)
        self._steps.check_tags(series.tags)
        if series.steps:
            self._steps.admit_series(series.steps, series.tags_at(0), series.tags_at(-1))

    def log_aside(self, metrics: dict[str, Number]) -> bool:
        """Nothing is kept, and nothing has to wait."""
        del self, metrics
        return True

    def log_summary(self, values: Mapping[str, Scalar]) -> None:
        """Check figures."""
        self._check_open()
        self._steps.check_tags(values)
        for tag, value in values.items():
            to_number(value, tag)

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
        """Check names and that the files are there."""
        del type, keep, upload
        self._check_open()
        check_artifact(name, aliases, metadata)
        if not Path(path).exists():
            raise FileNotFoundError(
                f"artifact {name!r}: there is no file or folder {str(path)!r}; write it first"
            )
        step = whole_number(step)
        if with_journal:
            self._steps.seal(step)

    @contextmanager
    def checkpoint(
        self,
        *,
        step: int,
        keep: int | None = 3,
        aliases: Sequence[str] = (),
        metadata: Mapping[str, ConfigValue] | None = None,
        upload: bool = True,
    ) -> Iterator[Path]:
        """A folder that is removed again."""
        import tempfile  # noqa: PLC0415 - keeps the package's import light

        self._check_open()
        check_artifact("checkpoint", aliases, metadata)
        step = whole_number(step)
        with tempfile.TemporaryDirectory(prefix="hackmatrix-") as folder:
            yield Path(folder)
            self.log_artifact(
                folder, name="checkpoint", step=step, aliases=aliases, metadata=metadata, keep=keep,
                with_journal=True, upload=upload,
            )  # fmt: skip

    def _check_medium(self, tag: str, step: int) -> None:
        self._check_open()
        check_tag(tag)
        self._steps.check_step(whole_number(step))

    def log_histogram(
        self, tag: str, values: Scalar, *, step: int, bins: int = 64, edges: Scalar | None = None
    ) -> None:
        """Check a histogram, and its place."""
        if edges is None:
            histogram_record(tag, values, whole_number(step), bins)
        else:
            counted_record(tag, values, edges, whole_number(step))
        self._check_medium(tag, step)

    def log_text(self, tag: str, text: str, *, step: int) -> None:
        """Check a text, and its place."""
        text_record(tag, text, whole_number(step))
        self._check_medium(tag, step)

    def log_image(self, tag: str, image: Scalar, *, step: int) -> None:
        """Check an image, and its place."""
        check_image(tag, image)
        self._check_medium(tag, step)

    def flush(self, timeout: float = 30.0) -> bool:
        """Nothing waits."""
        del timeout
        self._check_open()
        return True

    def finish(self, status: Status = "finished", *, timeout: float = 60.0) -> FinishReport:
        """Nothing is owed."""
        del timeout
        check_choice("status", status, Status)
        if self._report is None:
            last = self._steps.newest
            self._report = FinishReport(status=status, last_step=None if last < 0 else last)
        return self._report

    def native(self, backend: str) -> Any:
        """There is nobody behind it."""
        raise ValueError(f"no backend {backend!r} follows this run; those that do: none")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(status_of(error))
