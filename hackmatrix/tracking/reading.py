"""A run on disk, read without disturbing it: identity, rows, columns."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackmatrix.tracking.columns import Column, read_columns
from hackmatrix.tracking.errors import RunFolderError, RunNotFoundError
from hackmatrix.tracking.folding import StepReader
from hackmatrix.tracking.frames import arrow_table, needs, numpy_arrays, pandas_frame, polars_frame
from hackmatrix.tracking.journal import lines_of, read_chunks
from hackmatrix.tracking.lines import decode_row
from hackmatrix.tracking.mirrored import journal_of
from hackmatrix.tracking.protocol import Config, Number, Row
from hackmatrix.tracking.records import read_records, whole_record
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root
from hackmatrix.tracking.run_folder import RunFolder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True)
class RunReader:
    """A run's files; everything is read when it is asked for, also while the run is being written.

    Attributes:
        folder: the run's folder.
        identity: what ``run.json`` said when the reader was made.
    """

    folder: Path
    identity: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.identity["name"])

    @property
    def config(self) -> Config:
        """What decides the run's numbers, flat."""
        config: Config = self.identity["config"]
        return config

    @property
    def attempts(self) -> Sequence[Mapping[str, Any]]:
        """The processes that worked on it, oldest first."""
        attempts: Sequence[Mapping[str, Any]] = self.identity["attempts"]
        return attempts

    @property
    def summary(self) -> Mapping[str, Number]:
        """Figures of the run as a whole."""
        summary: Mapping[str, Number] = self.identity["summary"]
        return summary

    @property
    def status(self) -> str:
        """``running``, ``finished``, ``failed``, ``interrupted``, ``preempted`` or ``lost``."""
        return RunFolder(self.folder).status(dict(self.identity))

    @property
    def journal(self) -> Path:
        """The file of its rows, one a line; of a run in a mirror a copy, up to its newest checkpoint."""
        return journal_of(RunFolder(self.folder), "metrics")

    def lines(self) -> Iterator[Row]:
        """The rows as they were logged; several may name one step. A torn last line is never shown.

        Raises:
            RunFolderError: a line is no row.
        """
        path = self.journal
        with _damage_told(RunFolder(self.folder).metrics):
            yield from map(decode_row, lines_of(read_chunks(path)))

    def rows(self) -> Iterator[Row]:
        """The rows, one for each step.

        Raises:
            RunFolderError: a line is no row.
        """
        path = self.journal
        if not path.exists():
            return
        reader = StepReader(path, None)
        with _damage_told(RunFolder(self.folder).metrics):
            for rows in reader.read(path.stat().st_size):
                yield from rows
        last = reader.last()
        if last is not None:
            yield last

    def columns(self, tags: Sequence[str] | None = None) -> dict[str, list[Number | None]]:
        """Tag -> one value per step, none where a row lacks the tag; ``_step`` is among them.

        Args:
            tags: which; none means all, in the order in which they first came.
        """
        own: dict[str, list[Number | None]] = {"_step": [], "_timestamp": [], "_runtime": []}
        found: dict[str, list[Number | None]] = {tag: [] for tag in tags or ()}
        for count, row in enumerate(self.rows()):
            own["_step"].append(row.step)
            own["_timestamp"].append(row.timestamp)
            own["_runtime"].append(row.runtime)
            if tags is None:
                found |= {tag: [None] * count for tag in row.metrics if tag not in found}
            for tag, values in found.items():
                values.append(row.metrics.get(tag))
        return own | found

    def read_columns(self, tags: Sequence[str] | None = None) -> dict[str, Column]:
        """Values and presence of each tag, as all of the following have them; needs NumPy.

        Raises:
            MissingPackageError: NumPy is not installed.
            RunFolderError: the journal is damaged.
        """
        return needs("frames", offer=lambda: read_columns(self.journal, tags))

    def to_numpy(self, tags: Sequence[str] | None = None) -> "dict[str, np.ndarray[Any, Any]]":
        """Tag -> int64 or float64, (step,); a masked array where rows lack the tag, since NaN is a value.

        Args:
            tags: which; none means all. ``_step``, ``_timestamp`` and ``_runtime`` are always there.

        Raises:
            MissingPackageError, RunFolderError: as ``read_columns``; this holds for all that follow.
        """
        return needs("frames", offer=lambda: numpy_arrays(self.read_columns(tags)))

    def to_pandas(self, tags: Sequence[str] | None = None) -> "pd.DataFrame":
        """A pandas DataFrame; ``NA`` where a row lacks a tag."""
        return needs("pandas", offer=lambda: pandas_frame(self.read_columns(tags)))

    def to_polars(self, tags: Sequence[str] | None = None) -> "pl.DataFrame":
        """A polars DataFrame; null where a row lacks a tag."""
        return needs("polars", offer=lambda: polars_frame(self.read_columns(tags)))

    def to_arrow(self, tags: Sequence[str] | None = None) -> "pa.Table":
        """An Arrow table; null where a row lacks a tag."""
        return needs("arrow", offer=lambda: arrow_table(self.read_columns(tags)))

    def records(self) -> list[dict[str, Any]]:
        """Artifacts and media, as they were recorded.

        Raises:
            RunFolderError: a line is no record.
        """
        folder = RunFolder(self.folder)
        with _damage_told(folder.records):
            return [whole_record(record) for record in read_records(journal_of(folder, "records"))]


@contextmanager
def _damage_told(file: Path) -> Iterator[None]:
    """Say of a line that cannot be read where it stands, and what finds out more."""
    try:
        yield
    except ValueError as problem:
        raise RunFolderError(
            f"{file} is damaged ({problem}); see hackmatrix-runs verify {file.parent}"
        ) from problem


def read_run(path_or_name: str | Path, root: str | Path = DEFAULT_ROOT) -> RunReader:
    """Read a run by its folder, or by its name below ``root``.

    Raises:
        RunNotFoundError: neither is a run.
        RunFolderError: its ``run.json`` is damaged.
    """
    for folder in (Path(path_or_name), run_root(root) / path_or_name):
        identity = RunFolder(folder).read_identity()
        if identity is not None:
            return RunReader(folder, identity)
    raise RunNotFoundError(
        f"{str(path_or_name)!r} is no run's folder, and no run of that name is in {str(run_root(root))!r}; "
        "give the folder that has its run.json, or the root that it lies in"
    )
