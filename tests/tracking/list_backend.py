"""The smallest backend there is: a file of one line per row, which it can cut. Carries the tracker's own tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from hackmatrix.tracking import RunInfo, register
from hackmatrix.tracking.protocol import Config, Number, Precision, Row, Status
from hackmatrix.tracking.testing import Case


@register("listing")
class ListBackend:
    """Rows as JSON lines in the run's folder, with Python's own encoder."""

    precision: Precision = "float64"
    url: str | None = None

    def open(self, run: RunInfo, config: Config) -> int | None:
        assert run.folder is not None
        self.path = Path(run.folder) / "listing.txt"
        self.path.touch()
        text = self.path.read_text()
        self.path.write_text(text[: text.rfind("\n") + 1])
        return self._last()

    def _last(self) -> int | None:
        rows = [json.loads(line) for line in self.path.read_text().splitlines()]
        return rows[-1][0] if rows else None

    def discard_after(self, step: int | None) -> bool:
        lines = self.path.read_text().splitlines(keepends=True)
        self.path.write_text("".join(x for x in lines if step is not None and json.loads(x)[0] <= step))
        return True

    def write(self, rows: Sequence[Row]) -> None:
        with self.path.open("a") as file:
            for row in rows:
                file.write(json.dumps([row.step, row.timestamp, row.runtime, row.metrics]) + "\n")

    def flush(self, timeout: float) -> None:
        pass

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        return self._last()


def read_listing(run: RunInfo) -> list[Row]:
    assert run.folder is not None
    return [Row(*json.loads(line)) for line in (Path(run.folder) / "listing.txt").read_text().splitlines()]


LIST_CASE = Case(name="listing", read=read_listing, setup="import tests.tracking.list_backend")
