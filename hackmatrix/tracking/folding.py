"""The rows of a journal as a backend gets them: each step once, whole."""

from collections.abc import Iterator
from pathlib import Path

from hackmatrix.tracking.journal import lines_of, read_chunks
from hackmatrix.tracking.lines import decode_row
from hackmatrix.tracking.protocol import Number, Row

_AT_ONCE = 4096  # rows that a backend is given in one call, at most


class StepReader:
    """Reads a growing journal and folds the rows of a step into one.

    A step is whole when a larger one stands in the journal, or when the run has ended.

    Args:
        path: the journal.
        after: steps up to here are passed over.
    """

    def __init__(self, path: Path, after: int | None) -> None:
        self._path, self._after = path, after
        self.offset = 0
        self._newest: Row | None = None
        self._handed: frozenset[str] = frozenset()

    def read(self, size: int) -> Iterator[list[Row]]:
        """Steps that became whole up to byte ``size``, in lists of bounded length."""
        rows: list[Row] = []
        for line in lines_of(read_chunks(self._path, self.offset, size)):
            self.offset += len(line)
            row = self._fold(decode_row(line))
            if row is not None:
                rows.append(row)
            if len(rows) == _AT_ONCE:
                yield rows
                rows = []
        if rows:
            yield rows

    def _fold(self, row: Row) -> Row | None:
        """Take a row; gives back the step before it once that is whole."""
        if self._after is not None and row.step <= self._after:
            return None
        newest = self._newest
        if newest is not None and newest.step == row.step:
            self._newest = row._replace(metrics={**newest.metrics, **row.metrics})
            return None
        self._newest = row
        handed, self._handed = self._handed, frozenset()
        return None if newest is None else _without(newest, handed)

    def part(self) -> Row | None:
        """What the newest step has that was not handed over yet; more of it may follow."""
        if self._newest is None:
            return None
        row = _without(self._newest, self._handed)
        self._handed = frozenset(self._newest.metrics)
        return row._replace(whole=False) if row is not None else None

    def last(self) -> Row | None:
        """The rest of the newest step, when the run has ended."""
        newest, self._newest = self._newest, None
        handed, self._handed = self._handed, frozenset()
        return None if newest is None else _without(newest, handed)

    @property
    def newest_step(self) -> int | None:
        """The newest step read, whole or not."""
        return None if self._newest is None else self._newest.step


def _without(row: Row, handed: frozenset[str]) -> Row | None:
    if not handed:
        return row
    left: dict[str, Number] = {tag: value for tag, value in row.metrics.items() if tag not in handed}
    return row._replace(metrics=left) if left else None


def count_steps_after(path: Path, size: int, after: int | None) -> int:
    """How many distinct steps beyond ``after`` a journal holds."""
    reader = StepReader(path, after)
    count = sum(len(rows) for rows in reader.read(size))
    return count + (reader.newest_step is not None)
