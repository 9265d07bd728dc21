"""Deliver what a backend lacks of a run that lies on this disk, as often as one likes: each step once."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from hackmatrix.tracking.bundles import rows_in_pieces
from hackmatrix.tracking.errors import RunFolderError, RunNotFoundError, UnknownBackendError
from hackmatrix.tracking.exiting import ExitHook
from hackmatrix.tracking.follower import Ending, Follower
from hackmatrix.tracking.identity import run_info, shown_config
from hackmatrix.tracking.journal import Extent, read_chunks, scan
from hackmatrix.tracking.lock import RunLock
from hackmatrix.tracking.mirrored import is_mirror, journal_of
from hackmatrix.tracking.naming import check_name, run_id
from hackmatrix.tracking.options import refuse_unused_options
from hackmatrix.tracking.protocol import FinishReport, Status
from hackmatrix.tracking.reading import read_run
from hackmatrix.tracking.records import RecordReader
from hackmatrix.tracking.registry import WORDS, backend_maker, tracker_names
from hackmatrix.tracking.roots import DEFAULT_ROOT
from hackmatrix.tracking.run_folder import RunFolder
from hackmatrix.tracking.verifying import is_prefix, lost_rows

_LOOK_S = 0.1
_STATUSES = ("finished", "failed", "interrupted", "preempted")


class _Closed(NamedTuple):
    """A journal that nobody writes any more."""

    path: Path
    size: int


def replay(
    path_or_name: str | Path,
    backends: str | Sequence[str],
    *,
    root: str | Path = DEFAULT_ROOT,
    as_name: str | None = None,
    entity: str | None = None,
    project: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    timeout: float = 3600.0,
    progress: Callable[[Mapping[str, int | None], int | None], None] | None = None,
) -> FinishReport:
    """Deliver rows, media, artifacts, config, summary and status; what is held already is not sent again.

    Args:
        path_or_name: the run's folder, or its name below ``root``.
        backends: names, as for ``open_tracker``.
        as_name: the name it gets there, after a conflict with another run of its own name.
        project: where it goes, if not where the run says.
        entity: the team there, if not the run's.
        timeout: seconds for all of it.
        progress: called a few times a second with the step that each backend was given, and the last step.

    Returns:
        What each backend holds now; also kept in ``run.json``, but for a run in a mirror, where nothing is written.

    Raises:
        RunNotFoundError: there is no such run on this disk.
        RunInUseError: it is being written now.
        RunFolderError: it is damaged.
        BackendSetupError, RunConflictError: a backend needs the user, or has another run of this name.
    """
    names = [name for name in tracker_names(backends) if name not in WORDS]
    if not names:
        raise UnknownBackendError(f"{backends!r} carries rows nowhere; name a backend, e.g. wandb")
    refuse_unused_options(options or {}, names)
    makers = {name: backend_maker(name, (options or {}).get(name, {})) for name in names}
    for make in makers.values():
        make()  # options and packages are refused before anything is opened
    folder = RunFolder(read_run(path_or_name, root).folder)

    with _held(folder):
        identity = folder.read_identity()
        if identity is None:
            raise RunNotFoundError(f"{str(path_or_name)!r} is no run any more")
        written = identity["attempts"][-1].get("status")
        status = cast("Status", written if written in _STATUSES else "failed")
        metrics, records = journal_of(folder, "metrics"), journal_of(folder, "records")
        extent = scan(read_chunks(metrics))
        _refuse_damaged(folder, metrics, extent)
        run = run_info(identity, folder, resume="allow", resumed=True, last_step=extent.last_step)
        if as_name is not None:
            run = replace(run, name=check_name("run name", as_name), id=run_id(as_name))
        run = replace(run, entity=entity or run.entity, project=project or run.project)
        rows = _Closed(metrics, extent.size)
        others = _Closed(records, scan(read_chunks(records), ordered=False).size)
        deadline = time.monotonic() + timeout
        hook = ExitHook()
        followers = [
            Follower(
                name, make, run, shown_config(identity), rows, RecordReader(folder, others, name),
                command=replay_command(folder.path, name, (options or {}).get(name, {})),
                opened=hook.renew,
            )
            for name, make in makers.items()
        ]  # fmt: skip
        for follower in followers:
            follower.start()
            follower.end(Ending(status, identity["summary"], deadline, timeout))
        while progress is not None and time.monotonic() < deadline:
            ended = all([follower.wait(_LOOK_S) for follower in followers])  # noqa: C419 - each is waited for
            progress({follower.name: follower.handed_over for follower in followers}, extent.last_step)
            if ended:
                break
        reports = {follower.name: follower.join(deadline) for follower in followers}
        for follower in followers:
            if follower.setup_error is not None:
                raise follower.setup_error
        report = FinishReport(status=status, last_step=extent.last_step, rows=extent.lines, backends=reports)
        _note(folder, identity, report, under_its_name=as_name is None)
        return report


@contextmanager
def _held(folder: RunFolder) -> Iterator[None]:
    """Nobody writes the run meanwhile; a mirror has no lock."""
    lock = None if is_mirror(folder) else RunLock(folder.lock)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _refuse_damaged(folder: RunFolder, metrics: Path, extent: Extent) -> None:
    """A kill leaves one unfinished line at the end; whole lines that are no rows would be lost in silence."""
    if any(b"\n" in chunk for chunk in read_chunks(metrics, extent.size)):
        raise RunFolderError(
            f"{metrics} is damaged at byte {extent.size}, after {extent.lines} rows: what follows could not "
            f"be delivered; see hackmatrix-runs verify {folder.path}"
        )
    if lost_rows(folder) or not is_prefix(rows_in_pieces(folder.checkpoints), metrics):
        raise RunFolderError(
            f"{metrics} lacks rows that the run had, and what is left would pass for all of it; mend it, or accept "
            f"the loss, with hackmatrix-runs verify {folder.path} --repair"
        )


def _note(folder: RunFolder, identity: dict[str, Any], report: FinishReport, *, under_its_name: bool) -> None:
    """Say in the run's description what backends hold now; an earlier report keeps how the run itself ended."""
    if is_mirror(folder):
        return  # its run may still write there
    earlier = identity.get("report", {})
    held = {**earlier.get("backends", {}), **asdict(report)["backends"]}
    identity["report"] = {**asdict(report), **earlier, "backends": held}
    urls = [each.url for each in report.backends.values() if each.url]
    if urls and under_its_name:
        identity["url"] = identity.get("url") or urls[0]
    folder.write_identity(identity)


def replay_command(folder: Path, backend: str, options: Mapping[str, Any]) -> str:
    """The one line that delivers what a backend lacks of a run, to be pasted into a shell."""
    from shlex import join  # noqa: PLC0415 - keeps the package's import light

    flags = [f"{backend}.{option}={value}" for option, value in options.items()]
    told = [part for flag in flags for part in ("--tracker-option", flag)]
    python = sys.executable or "python"
    return join([python, "-m", "hackmatrix.tracking", "replay", str(folder), "--tracker", backend, *told])


def owed(identity: Mapping[str, Any]) -> list[str]:
    """Backends that a finished run still owes rows or artifacts, by its last report."""
    backends = identity.get("report", {}).get("backends", {})
    return [name for name, report in backends.items() if report["pending"] or report["problem"]]
