"""Rows as the history of a Weights & Biases run.

A row's step is W&B's own ``step=``: the client drops steps that the server holds already, and a resumed client
knows the last one, so sending again what may be missing leaves each step once. What is shared by all runs of a
process, how it fails and recovers, is in ``_wandb_client``.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

import wandb

from hackmatrix.tracking.backends import _wandb_artifacts as artifacts
from hackmatrix.tracking.backends import _wandb_client as client
from hackmatrix.tracking.backends import _wandb_environment as environment
from hackmatrix.tracking.backends import _wandb_errors as meanings
from hackmatrix.tracking.backends import _wandb_media as media
from hackmatrix.tracking.backends import _wandb_runs as runs
from hackmatrix.tracking.backends._wandb_offline import set_aside
from hackmatrix.tracking.backends._wandb_start import start
from hackmatrix.tracking.errors import BackendUnreachableError, RunConflictError
from hackmatrix.tracking.protocol import (
    ArtifactRecord,
    Config,
    MediaRecord,
    Number,
    Precision,
    RemoteRun,
    Row,
    RunInfo,
    Status,
)

_EXIT_CODES: dict[Status, int] = {"finished": 0, "failed": 1, "interrupted": 130, "preempted": 143}
_CHECK_S = 5.0  # for the server's own word on what it holds
_THROWN_AWAY_S = 1.0  # how long a run that failed is waited for; it ends in the background


class WandbBackend:
    """Carries rows to Weights & Biases.

    Args:
        mode: default ``WANDB_MODE``, else ``online``; ``offline`` keeps rows in the run's folder for ``wandb sync``.
        step_metric: the tag that plots have on their x-axis; default W&B's step.
        init_timeout: seconds for starting the run at the server.
        finish_timeout: seconds after which the client gives up on what it has not sent; the rest is sent anew.
        artifact_timeout: seconds that one upload may take before it counts as failed for now.
        rewind: cut the server's history where a resumed run goes on, if the account may do that.
        keep_remote_all: never delete versions of artifacts.
    """

    precision: Precision = "json"
    # Which attempt of a run (uid) this process has opened: a larger one at the server is another machine's.
    _attempts: ClassVar[dict[str, int]] = {}

    def __init__(
        self,
        *,
        mode: Literal["online", "offline", "disabled"] | None = None,
        step_metric: str | None = None,
        init_timeout: float = 5.0,
        finish_timeout: float = 20.0,
        artifact_timeout: float = 120.0,
        rewind: bool = False,
        keep_remote_all: bool = False,
    ) -> None:
        self.url: str | None = None
        self._mode = mode
        self._step_metric = step_metric
        self._limits = {"init_timeout": init_timeout, "finish_timeout": finish_timeout}
        self._rewind = rewind
        self._uploads = artifacts.Uploads(timeout=artifact_timeout, delete=not keep_remote_all)
        self._info: RunInfo | None = None
        self._config: Config = {}
        self._run: wandb.Run | None = None
        self._last: int | None = None
        self._whole = -1  # the last step that is closed for the client

    # -- rows ---------------------------------------------------------------------------------------------------

    def open(self, run: RunInfo, config: Config) -> int | None:
        """Start or resume the run. Offline, nothing is known of earlier attempts."""
        client.check()
        environment.check()
        self._info, self._config = run, config
        self._mode = self._mode_now()
        return client.with_living_client(self._open)

    def _mode_now(self) -> environment.Mode:
        return self._mode or environment.mode()

    def _open(self) -> int | None:
        assert self._info is not None
        with client.lock:
            if self._mode == "online":
                client.reach()
                self._check_identity(self._info)
            elif self._mode == "offline" and self._info.folder is not None:
                set_aside(self._info.folder, self._info.id)
            self._run = self._start(resume="allow")
        self.url = self._run.url
        return self._begin()

    def _begin(self) -> int | None:
        assert self._run is not None
        assert self._info is not None
        if self._step_metric is not None:
            self._run.define_metric(self._step_metric)
            self._run.define_metric("*", step_metric=self._step_metric)
        self._attempts[self._info.uid] = self._info.attempt
        held = self._run.starting_step - 1 if self._mode == "online" else -1
        self._last = None if held < 0 else held
        self._whole = held
        return self._last

    def _check_identity(self, run: RunInfo) -> None:
        """Whether the run at the server is this one, before the client overwrites its config."""
        asked = client.api()
        found = runs.one(asked, run.entity or client.default_entity(asked), run.project, run.id)
        if found is None:
            return
        there = found.config.get("run_uid")
        if there != run.uid:
            raise RunConflictError(
                f"W&B holds another run as {run.name!r} in project {run.project!r}: "
                f"its run_uid is {there!r}, this one's {run.uid!r}"
            )
        newest = found.config.get("attempt")
        if run.uid in self._attempts and isinstance(newest, int) and newest > run.attempt:
            raise RunConflictError(
                f"another machine went on with run {run.name!r}: attempt {newest} there, {run.attempt} here"
            )

    def _start(self, **how: Any) -> wandb.Run:
        assert self._info is not None
        return start(self._info, self._config, self._mode_now(), settings=self._limits, **how)

    def discard_after(self, step: int | None) -> bool:
        """Rewind the server's history, if that is wanted and granted; else the server keeps what it holds."""
        if (
            not self._rewind
            or self._mode != "online"
            or step is None
            or self._run is None
            or self._info is None
        ):
            return False
        with client.lock:
            run, self._run = self._run, None
            client.leave(self._info.id, lambda: run.finish(exit_code=1), self._limits["finish_timeout"])
            try:
                self._run = self._start(resume_from=f"{self._info.id}?_step={step}")
            except BackendUnreachableError as error:
                client.tell_once(
                    "rewind", "wandb: no rewind to step %d, the first attempt's rows stay: %s", step, error
                )
                self._run = self._start(resume="allow")
                self._begin()
                return False
        self.url = self._run.url
        self._begin()
        self._last, self._whole = step, step
        return True

    def write(self, rows: Sequence[Row]) -> None:
        """Give rows to the client, each as one ``log`` call that carries the row's own time."""
        assert self._run is not None
        with meanings.translated():
            for row in rows:
                self._run.log({**row.metrics, "_timestamp": row.timestamp}, step=row.step, commit=row.whole)
                self._last = row.step
                if row.whole:
                    self._whole = row.step

    def flush(self, timeout: float) -> None:
        """Wait until the client's process has taken everything; ``close`` finds out what the server has."""
        assert self._run is not None
        if self._mode == "disabled":
            return
        try:
            client.bounded(self._run.status, timeout, "W&B's client")
        except TimeoutError:
            raise
        except Exception as error:
            raise meanings.meaning(error) from error

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        """End the run and ask the server for the last step it holds; offline, the last one written."""
        deadline = time.monotonic() + timeout
        run, self._run = self._run, None
        if run is None or self._info is None:
            return None
        if status is None:
            with suppress(Exception):  # it is thrown away because it failed
                client.leave(self._info.id, lambda: run.finish(exit_code=1), min(timeout, _THROWN_AWAY_S))
            return None
        code = _EXIT_CODES[status]
        with meanings.translated():
            run.summary.update(dict(summary))
            if status == "preempted" and self._mode == "online":
                run.mark_preempting()
            client.leave(
                self._info.id, lambda: run.finish(exit_code=code), timeout - min(_CHECK_S, timeout / 4)
            )
        if self._mode != "online":
            return self._last
        check = min(deadline, time.monotonic() + _CHECK_S)
        return client.last_step(run.entity, run.project, run.id, at_least=self._last, deadline=check)

    # -- files and media ----------------------------------------------------------------------------------------

    def put_artifact(self, record: ArtifactRecord, files: Mapping[str, Path], keep: int | None) -> None:
        """Upload a new version, or name the one that has these bytes already; then delete what is beyond ``keep``."""
        assert self._run is not None
        assert self._info is not None
        if self._mode == "online":
            self._uploads.put(self._run, self._info.name, record, files, keep)
        elif self._mode == "offline":
            self._uploads.queue(self._run, self._info.name, record, files)

    def get_artifact(self, run: RemoteRun, name: str, version: int | str, into: Path) -> None:
        """Download the version of a step, or of an alias."""
        client.with_living_client(lambda: artifacts.get(run, name, version, into))

    def write_media(self, record: MediaRecord, path: Path | None) -> bool:
        """Show a histogram, a text, or, where Pillow is installed, an image, in the row of its step."""
        shown = None if record.step <= self._whole else media.shown(record, path)
        if shown is None or self._run is None:
            return False
        self._run.log({record.tag: shown}, step=record.step, commit=False)
        self._last = record.step
        return True

    @property
    def native(self) -> Any:
        """The ``wandb.Run``."""
        return self._run

    # -- without a run ------------------------------------------------------------------------------------------

    def find(
        self, name: str | None, config_digest: str | None, project: str, entity: str | None
    ) -> RemoteRun | None:
        """The run of this name or id, or the newest of this config."""
        if self._mode_now() != "online":
            return None
        return client.with_living_client(lambda: runs.find(name, config_digest, project, entity))

    def taken(self, name: str, project: str, entity: str | None) -> bool:
        """Whether the name's id is in use. One that was deleted looks free until ``open``."""
        try:
            return self.find(name, None, project, entity) is not None
        except Exception as error:  # noqa: BLE001 - what cannot be asked counts as free
            client.tell_once("taken", "wandb was not asked whether run %r exists: %s", name, error)
            return False

    def run_defaults(self) -> Mapping[str, Any]:
        """What the client's own variables say; never id, name or resume, which are the run's."""
        return environment.labels()
