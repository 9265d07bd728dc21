"""A run is started: which one, its lock, its journal, its followers, and nothing left behind if one fails."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from hackmatrix.tracking.artifacts import Artifacts
from hackmatrix.tracking.bundles import Bundle, newest_whole, restore
from hackmatrix.tracking.errors import (
    DamagedCheckpointError,
    RunConflictError,
    RunExistsError,
    RunFolderError,
    RunInUseError,
    RunNotFoundError,
    TrackingError,
)
from hackmatrix.tracking.exiting import ExitHook
from hackmatrix.tracking.finding import FoundRun
from hackmatrix.tracking.follower import Follower
from hackmatrix.tracking.identity import begin_attempt, check_config, new_identity, run_info, shown_config
from hackmatrix.tracking.journal import Fsync, Journal, last_line, read_chunks, scan
from hackmatrix.tracking.lines import decode_row
from hackmatrix.tracking.lock import RunLock
from hackmatrix.tracking.naming import RunName, format_run_name, next_number
from hackmatrix.tracking.protocol import Backend, Resume, RunInfo, RunNames, Tracker
from hackmatrix.tracking.records import RecordReader, checkpoint_line, read_records
from hackmatrix.tracking.replayed import compare_replayed
from hackmatrix.tracking.replaying import replay_command
from hackmatrix.tracking.run_folder import RunFolder, sync_folder
from hackmatrix.tracking.standing import StandingFile
from hackmatrix.tracking.tracker import JournalTracker, finish_earlier_handles
from hackmatrix.tracking.writer import OnFull, Writer

_log = logging.getLogger("hackmatrix.tracking")


@dataclass(frozen=True)
class JournalOptions:
    """Options of the journal, ``jsonl.*`` whatever the backends.

    Attributes:
        fsync: when rows are made safe against a power cut; a killed process loses none of them either way.
        queue_rows: rows that may wait for the writer.
        on_full: what a full queue does: hold the caller as long as the writer makes progress, or drop.
    """

    fsync: Fsync = "never"
    queue_rows: int = 65536
    on_full: OnFull = "wait"


@dataclass(frozen=True)
class DailyNames:
    """Automatic names of today.

    Raises:
        InvalidNameError: prefix or suffix make no name.
    """

    prefix: str
    suffix: str | None

    def __post_init__(self) -> None:
        self.name(1)  # refused before anything is made

    def name(self, number: int) -> str:
        """The name with this number."""
        return format_run_name(RunName(self.prefix, date.today(), number, self.suffix))  # noqa: DTZ011 - local day

    def next_after(self, names: Sequence[str]) -> str:
        """The name after all of today's among these."""
        return self.name(next_number(names, self.prefix, date.today()))  # noqa: DTZ011 - local day


@dataclass(frozen=True)
class Opening:
    """One call of ``open_tracker``, its arguments checked."""

    root: Path
    temporary: bool
    labels: Mapping[str, Any]
    config: Mapping[str, Any] | None
    attempt: Mapping[str, Any]
    makers: Mapping[str, Callable[[], Backend]]
    options: Mapping[str, Mapping[str, Any]]
    journal: JournalOptions
    required: tuple[str, ...]
    may_change: tuple[str, ...]
    volatile: tuple[str, ...]
    open_timeout: float

    # Which run.

    def open(self, name: str | None, naming: DailyNames, resume: Resume | FoundRun) -> Tracker:
        """The run that was found, the one of this name, or a new one."""
        try:
            if isinstance(resume, FoundRun):
                return self.go_on_with(resume)
            return self.open_new(naming) if name is None else self.open_named(name, resume)
        except BaseException as problem:
            if self.temporary:
                shutil.rmtree(self.root, ignore_errors=True)
            if isinstance(problem, OSError) and not isinstance(problem, TrackingError):
                raise RunFolderError(f"the run cannot be kept in {str(self.root)!r} ({problem})") from problem
            raise

    def open_new(self, naming: DailyNames) -> Tracker:
        """The next free number of the day; whoever makes the folder first has it."""
        refused: list[str] = []
        while True:
            name = naming.next_after([*(path.name for path in self.root.iterdir()), *refused])
            try:
                (self.root / name).mkdir()
            except FileExistsError:
                continue
            try:
                if self._taken(name):
                    raise RunConflictError(f"{name} exists at a backend")
                return self._open(RunFolder(self.root / name), "never", fresh=True)
            except RunConflictError as conflict:
                _log.warning("%s; the next number is taken", conflict)
                refused.append(name)
                shutil.rmtree(self.root / name, ignore_errors=True)

    def open_named(self, name: str, resume: Resume) -> Tracker:
        """The run of this name, made if it may be."""
        folder = RunFolder(self.root / name)
        exists = folder.read_identity() is not None
        if exists and resume == "never":
            raise RunExistsError(
                f"run {name!r} exists in {str(self.root)!r}; choose another name, or resume it"
            )
        if not exists and resume == "must":
            raise RunNotFoundError(
                f"there is no run {name!r} in {str(self.root)!r}; begin it without resume='must'"
            )
        made = not folder.path.exists()
        folder.path.mkdir(exist_ok=True)
        return self._open(folder, resume, fresh=made)

    def go_on_with(self, found: FoundRun) -> Tracker:
        """A run that was found, from its checkpoint."""
        if found.root.resolve() != self.root.resolve():
            raise RunNotFoundError(
                f"run {found.name!r} was looked for with root {str(found.root)!r}, and is opened with "
                f"{str(self.root)!r}; give both the same"
            )
        folder = RunFolder(found.folder)
        made = not folder.path.exists()
        folder.path.mkdir(exist_ok=True)
        return self._open(folder, "must", fresh=made, found=found)

    def _taken(self, name: str) -> bool:
        project, entity = self.labels["project"], self.labels["entity"]
        for make in self.makers.values():
            backend = make()
            if isinstance(backend, RunNames):
                try:
                    if backend.taken(name, project, entity):
                        return True
                except Exception:  # noqa: BLE001 - what cannot be asked counts as free
                    _log.debug("could not ask whether %s is taken", name, exc_info=True)
        return False

    # How.

    def _open(
        self, folder: RunFolder, resume: Resume, *, fresh: bool, found: FoundRun | None = None
    ) -> Tracker:
        finish_earlier_handles(folder.path.name)
        with ExitStack() as undo:
            lock = RunLock(folder.lock)
            undo.callback(lock.release)
            fresh = fresh and not folder.identity.exists()  # somebody may have been faster
            if fresh:
                undo.callback(shutil.rmtree, folder.path, ignore_errors=True)
            else:
                folder.clear_temporary()
            bundle = _bundle_of(folder, found)
            identity, resumed = self._identity(folder, resume, found, bundle)
            # Rows without a run.json belong to no run: a new one does not take them for its own.
            aside = [] if fresh else restore(folder, bundle, _upto(found, bundle) if resumed else -1)
            for path in aside:
                _log.info("what lies beyond the step that the run goes on from was put aside: %s", path)
            extent = scan(read_chunks(folder.metrics))
            metrics = Journal(folder.metrics, extent, self.journal.fsync)
            undo.callback(metrics.close)
            records = Journal(
                folder.records, scan(read_chunks(folder.records), ordered=False), self.journal.fsync
            )
            undo.callback(records.close)
            line = last_line(folder.metrics, extent.size)
            last_step = extent.last_step
            if bundle is not None:
                last_step = bundle.step  # also where the newest rows name a smaller step
            if found is not None and found.cut is not None:
                last_step = found.cut
            undo.callback(_put_back, folder, folder.read_identity())
            begin_attempt(identity, self.attempt, last_step)
            folder.write_identity(identity)
            if fresh and self.journal.fsync != "never":
                sync_folder(self.root)
            run = run_info(identity, folder, resume=resume, resumed=resumed, last_step=last_step)
            tracker = self._assemble(
                undo, run, folder, lock, identity, metrics, records, bundle,
                runtime=decode_row(line).runtime if line else 0.0,
                discarded=[path for path in aside if path.name.endswith(folder.metrics.name)],
            )  # fmt: skip
            undo.pop_all()
        return tracker

    def _identity(
        self, folder: RunFolder, resume: Resume, found: FoundRun | None, bundle: Bundle | None
    ) -> tuple[dict[str, Any], bool]:
        """What ``run.json`` says or will say, and whether the run was there before; asked under the lock."""
        identity = folder.read_identity()
        if identity is not None and identity["name"] != folder.path.name:
            raise RunFolderError(
                f"{folder.path} has the run {identity['name']!r}, which goes on in a folder of its own name only; "
                f"rename it to {identity['name']!r}, or go on with that run"
            )
        if identity is not None and resume == "never":
            raise RunExistsError(f"run {folder.path.name!r} was begun meanwhile; choose another name")
        if identity is not None and found is not None and _went_on(identity, found):
            raise RunInUseError(f"run {found.name!r} went on meanwhile; look for it again with find_run")
        if identity is None and bundle is not None:
            identity = RunFolder(folder.checkpoints / f"step-{bundle.step}").read_identity()
        if identity is None and found is not None:
            config = self.config if self.config is not None else found.config
            identity = new_identity(
                name=found.name, config=config, **{**self.labels, "project": found.project}
            )
            identity["uid"], identity["entity"] = found.uid, found.entity
            return identity, True
        if identity is None:
            return new_identity(name=folder.path.name, config=self.config or {}, **self.labels), False
        if self.config is not None:
            check_config(identity, self.config, self.may_change)
        for label in ("group", "job_type", "tags", "notes"):
            if self.labels[label]:
                identity[label] = self.labels[label]
        return identity, True

    def _assemble(
        self,
        undo: ExitStack,
        run: RunInfo,
        folder: RunFolder,
        lock: RunLock,
        identity: dict[str, Any],
        metrics: Journal,
        records: Journal,
        bundle: Bundle | None,
        *,
        runtime: float,
        discarded: Sequence[Path],
    ) -> JournalTracker:
        exit_hook = ExitHook()
        config = shown_config(identity)
        followers = [
            Follower(
                name, make, run, config, metrics, RecordReader(folder, records, name),
                command=replay_command(folder.path, name, self.options.get(name, {})),
                required=name in self.required,
                opened=exit_hook.renew,
                standing=StandingFile(folder.standing(name)),
            )
            for name, make in self.makers.items()
        ]  # fmt: skip

        def publish() -> None:
            for follower in followers:
                follower.notify()

        _record_base(folder, records, bundle)
        writer = Writer(
            metrics,
            records,
            queue_rows=self.journal.queue_rows,
            on_full=self.journal.on_full,
            fsync=self.journal.fsync,
            still_ours=lock.still_ours,
            published=publish,
        )
        undo.callback(writer.close, time.monotonic() + 1.0)
        self._start(undo, followers)
        return JournalTracker(
            run=run,
            folder=folder,
            lock=lock,
            identity=identity,
            writer=writer,
            followers=followers,
            artifacts=Artifacts(folder, metrics, records, bundle),
            runtime=runtime,
            replayed=partial(compare_replayed, discarded, folder.metrics, self.volatile),
            exit_hook=exit_hook,
            temporary=self.temporary,
        )

    def _start(self, undo: ExitStack, followers: Sequence[Follower]) -> None:
        for follower in followers:
            follower.start()
            undo.callback(follower.abandon)
        deadline = time.monotonic() + self.open_timeout
        for follower in followers:
            follower.await_first_try(deadline - time.monotonic())
            if follower.required and (follower.problem is not None or not follower.first_try.is_set()):
                raise TrackingError(
                    f"{follower.name} is required and fails: {follower.problem or 'no answer'}"
                )


def _went_on(identity: Mapping[str, Any], found: FoundRun) -> bool:
    """Whether another process has worked on the run on this disk since it was found."""
    seen = found.identity
    return seen is None or seen["uid"] != identity["uid"] or len(seen["attempts"]) < len(identity["attempts"])


def _put_back(folder: RunFolder, identity: dict[str, Any] | None) -> None:
    """A failed open leaves no attempt behind, and no run where there was none."""
    if identity is None:
        folder.identity.unlink(missing_ok=True)
    else:
        folder.write_identity(identity)


def _bundle_of(folder: RunFolder, found: FoundRun | None) -> Bundle | None:
    if found is None or found.step is None or found.cut is not None:
        return None
    bundle, problems = newest_whole(folder.checkpoints, upto=found.step)
    if bundle is None or bundle.step != found.step:
        raise DamagedCheckpointError(
            f"checkpoint {found.step} of {found.name!r} is not on this disk whole "
            f"({'; '.join(problems) or 'call found.fetch_checkpoint() first'})"
        )
    return bundle


def _upto(found: FoundRun | None, bundle: Bundle | None) -> int | None:
    """The last step that is kept: none keeps all, -1 keeps no row."""
    if found is None:
        return None
    if found.cut is not None:
        return found.cut
    return bundle.step if bundle is not None else -1


def _record_base(folder: RunFolder, records: Journal, bundle: Bundle | None) -> None:
    """The checkpoint gone on from may have lost its record, which is written after it."""
    if bundle is None:
        return
    line = checkpoint_line(folder, bundle.step)
    if all(each.get("place") != line["place"] for each in read_records(folder.records, 0, records.size)):
        from hackmatrix.tracking.lines import encode_objects  # noqa: PLC0415 - used here only

        records.append(encode_objects([line]))
