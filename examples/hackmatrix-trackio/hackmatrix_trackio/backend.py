"""Rows in a Trackio project on this disk."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import trackio
from trackio.sqlite_storage import SQLiteStorage
from trackio.utils import RESERVED_KEYS

from hackmatrix.tracking import BackendSetupError, Row, RunConflictError, RunInfo
from hackmatrix.tracking.protocol import Config, Number, Precision, Status


class TrackioBackend:
    """One run of a Trackio project; the run's uid is its id there.

    Args:
        project: in Trackio; default: the run's own.
        dashboard: serve the project's dashboard from this process while the run lasts.
    """

    precision: Precision = "float64"

    def __init__(self, *, project: str | None = None, dashboard: bool = False) -> None:
        self.url: str | None = None
        self._project = project
        self._with_dashboard = dashboard
        self._server: Any = None
        self._run: RunInfo | None = None
        self._config: dict[str, Any] | None = None  # until it was written
        self._newest = ""  # Trackio sorts rows by time, so time must not fall

    def open(self, run: RunInfo, config: Config) -> int | None:
        """Find what the project holds of the run."""
        self._run, self._project = run, self._project or run.project
        try:
            SQLiteStorage.validate_project_name(self._project)
        except ValueError as problem:
            raise BackendSetupError(f"{problem} Give another: trackio.project=NAME") from problem
        held = SQLiteStorage.get_latest_run_record_by_name(self._project, run.name)
        if held is not None and held["id"] != run.uid:
            raise RunConflictError(f"Trackio's project {self._project!r} has another run {run.name!r}")
        SQLiteStorage.init_db(self._project)
        created = datetime.now(UTC).isoformat()
        self._config = {**config, "_Username": None, "_Created": created, "_Group": run.group}
        self._newest = str(self._ask("SELECT MAX(timestamp) FROM metrics WHERE run_id = ?", run.uid) or "")
        if self._with_dashboard:
            self._server, self.url, *_ = trackio.show(self._project, open_browser=False, block_thread=False)
        return self._last()

    def discard_after(self, step: int | None) -> bool:
        """Drop later rows; Trackio has no call for that, its database has."""
        assert self._run is not None
        last = -1 if step is None else step
        self._ask("DELETE FROM metrics WHERE run_id = ? AND step > ?", self._run.uid, last)
        return True

    def write(self, rows: Sequence[Row]) -> None:
        """All of them in one transaction."""
        assert self._run is not None
        assert self._project is not None
        SQLiteStorage.bulk_log(
            self._project,
            self._run.name,
            [{_key(tag): value for tag, value in row.metrics.items()} for row in rows],
            steps=[row.step for row in rows],
            timestamps=[self._time(row) for row in rows],
            config=self._config,
            run_id=self._run.uid,
        )
        self._config = None

    def flush(self, timeout: float) -> None:
        """Nothing to do: ``write`` returned after the commit."""

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        """Trackio has no place for a status or a summary."""
        if self._server is not None:
            self._server.close()
        return self._last() if self._run is not None else None

    def taken(self, name: str, project: str, entity: str | None) -> bool:
        """Whether the project has a run of this name."""
        return SQLiteStorage.get_latest_run_record_by_name(self._project or project, name) is not None

    def _last(self) -> int | None:
        assert self._run is not None
        last: int | None = self._ask("SELECT MAX(step) FROM metrics WHERE run_id = ?", self._run.uid)
        return last

    def _time(self, row: Row) -> str:
        when = datetime.fromtimestamp(row.timestamp, UTC).isoformat(timespec="microseconds")
        self._newest = max(self._newest, when)
        return self._newest

    def _ask(self, statement: str, *values: object) -> Any:
        assert self._project is not None
        path = SQLiteStorage.get_project_db_path(self._project)
        with closing(sqlite3.connect(path, timeout=30.0)) as base, base:
            found = base.execute(statement, values).fetchone()
        return None if found is None else found[0]


def _key(tag: str) -> str:
    """The tag, or what Trackio's own client makes of one that it keeps for itself."""
    return f"__{tag}" if tag in RESERVED_KEYS or tag.startswith("__") else tag
