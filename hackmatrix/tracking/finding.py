"""Find a run before anything is opened: on this disk, in a mirror, at the backends."""

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from hackmatrix.tracking.bundles import newest_whole, read_bundle, step_folder, steps_on_disk, verify_bundle
from hackmatrix.tracking.config import config_digest, flatten_config
from hackmatrix.tracking.errors import (
    BackendSetupError,
    BackendUnreachableError,
    DamagedCheckpointError,
    InvalidArgumentError,
    RunConflictError,
    RunFolderError,
)
from hackmatrix.tracking.naming import check_name, run_id
from hackmatrix.tracking.protocol import ArtifactStore, Backend, Config, RemoteRun, RunFinder
from hackmatrix.tracking.registry import WORDS, backend_maker, tracker_names
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root
from hackmatrix.tracking.run_folder import RunFolder

CHECKPOINT = "checkpoint"
_ASK_S = 8.0  # longer than any backend's own patience; a client that hangs must not hold a restart
_Remote: TypeAlias = tuple[str, Callable[[], Backend], RemoteRun]  # place, how to reach it, what it has
_log = logging.getLogger("hackmatrix.tracking")


@dataclass
class FoundRun:
    """A run that exists somewhere, and the checkpoint it can go on from.

    Attributes:
        status: ``finished``, ``failed``, ``interrupted``, ``preempted``, ``running`` or ``lost``.
        attempts: processes that have worked on it, as far as any place knows.
        steps: of all checkpoints that any place has, ascending.
        step: of the newest checkpoint of all places; none means that it starts again before its first row.
        places: where it was found: ``disk``, ``mirror``, or a backend's name.
        identity: what ``run.json`` says, if it is on this disk.
    """

    name: str
    uid: str
    project: str
    entity: str | None
    config: Config
    config_digest: str
    status: str
    attempts: int
    steps: tuple[int, ...]
    step: int | None
    places: tuple[str, ...]
    root: Path
    identity: Mapping[str, Any] | None = None
    cut: int | None = None
    # On this disk; one that was renamed or copied has not the run's name.
    _folder: Path | None = field(default=None, repr=False)
    _remote: list[_Remote] = field(default_factory=list, repr=False)

    @property
    def id(self) -> str:
        """First 8 hex digits of the MD5 of the name."""
        return run_id(self.name)

    @property
    def folder(self) -> Path:
        """Where the run lies, or will lie, on this disk."""
        return self._folder or self.root / self.name

    def cut_after(self, step: int) -> "FoundRun":
        """The same run, to go on after ``step`` of a state that the caller kept himself."""
        from dataclasses import replace  # noqa: PLC0415 - the name is taken by str.replace in readers' minds

        return replace(self, cut=step, step=step)

    def fetch_checkpoint(self, upto: int | None = None) -> Path | None:
        """The folder of the checkpoint to go on from, on this disk and with every byte verified.

        Falls back to the next older whole one, of any place, and sets ``step`` to it.

        Args:
            upto: the newest step that will do; none: any.

        Returns:
            ``<root>/<name>/checkpoints/step-N``; none if no place has a whole checkpoint.
        """
        folder = RunFolder(self.folder)
        refused: set[tuple[str, int]] = set()
        while True:
            local, problems = newest_whole(folder.checkpoints, upto)
            for problem in problems:
                _log.warning("%s", problem)
            best = max(
                (
                    (step, place, make, remote)
                    for place, make, remote in self._remote
                    for step in remote.steps
                    if (place, step) not in refused and (upto is None or step <= upto)
                ),
                key=lambda found: found[0],
                default=None,
            )
            if best is None or (local is not None and local.step >= best[0]):
                self.step = None if local is None else local.step
                return None if local is None else folder.checkpoints / step_folder(local.step)
            step, place, make, remote = best
            try:
                self._fetch(folder, make(), remote, step)
            except (DamagedCheckpointError, OSError) as problem:
                _log.warning(
                    "checkpoint %d of %s was not fetched from %s: %s", step, self.name, place, problem
                )
            refused.add((place, step))

    def _fetch(self, folder: RunFolder, store: Backend, remote: RemoteRun, step: int) -> None:
        assert isinstance(store, ArtifactStore)
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        temporary = folder.checkpoints / f"tmp-fetch-{step}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            store.get_artifact(remote, CHECKPOINT, step, temporary)
            try:
                bundle = read_bundle(temporary, step)
            except FileNotFoundError as problem:
                raise DamagedCheckpointError("it has no manifest") from problem
            verify_bundle(temporary, bundle)
            folder.pieces.mkdir(exist_ok=True)
            for piece in (*bundle.metrics, *bundle.records):
                (temporary / piece).replace(folder.checkpoints / piece)
            place = folder.checkpoints / step_folder(step)
            shutil.rmtree(place, ignore_errors=True)
            (temporary / step_folder(step)).replace(place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def find_run(
    name_or_id: str | None,
    *,
    root: str | Path = DEFAULT_ROOT,
    mirror: str | None = None,
    backends: str | Sequence[str] = "",
    project: str | None = None,
    entity: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    config: Any = None,
) -> FoundRun | None:
    """Look for a run; no run is started anywhere.

    Args:
        name_or_id: a run's name, or its id; none with ``config`` looks for the newest of that config.
        root: the folder of runs on this disk; default ``HACKMATRIX_DIR``, else ``runs``.
        mirror: a folder or bucket that checkpoints were copied to.
        backends: as for ``open_tracker``; those that can be asked are.
        config: what decides the run's numbers.

    Returns:
        The run, with the newest checkpoint of all places; none if every place was asked and has none.

    Raises:
        InvalidArgumentError: neither a name nor a config was given.
        BackendUnreachableError: it was not found, and a place could not be asked.
        BackendSetupError: a backend needs the user, e.g. a login.
    """
    if name_or_id is not None:
        check_name("run name", name_or_id)
    digest = config_digest(flatten_config(config)) if config is not None else None
    if name_or_id is None and digest is None:
        raise InvalidArgumentError("name_or_id is None, and so is config; give a name, an id, or a config")
    base = run_root(root)
    folder = next(_on_disk(base, name_or_id, digest), None)
    sought = folder.path.name if folder is not None else name_or_id
    makers = _makers(mirror, backends, options or {})
    remote, silent = _ask_all(makers, sought, digest, project, entity)
    if folder is None and not remote:
        if silent:
            raise BackendUnreachableError(
                f"{sought or 'a run of this config'!r} is not in {str(base)!r}, and {', '.join(silent)} could "
                "not be asked; try again, or open one by name, which begins it here"
            )
        return None
    for place in silent:
        _log.warning("%s was not asked about %s", place, sought)
    return _found(base, folder, remote)


def _makers(
    mirror: str | None, backends: str | Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, Callable[[], Backend]]:
    names = [name for name in (tracker_names(backends) if backends else ()) if name not in WORDS]
    makers = {name: backend_maker(name, options.get(name, {})) for name in names}
    return makers if mirror is None else {"mirror": backend_maker("mirror", {"path": mirror}), **makers}


def _ask_all(
    makers: Mapping[str, Callable[[], Backend]],
    sought: str | None,
    digest: str | None,
    project: str | None,
    entity: str | None,
) -> tuple[list[_Remote], list[str]]:
    """What the places have, and which of them did not answer."""
    remote: list[_Remote] = []
    silent: list[str] = []
    for place, make in makers.items():
        backend = make()
        if not isinstance(backend, RunFinder):
            continue
        if sought is None and remote:
            sought = remote[0][2].name  # the mirror goes before the backends
        try:
            found = _ask(backend, sought, digest, _project(backend, project), _entity(backend, entity))
        except BackendUnreachableError as problem:
            silent.append(f"{place} ({problem})")
            continue
        if found is not None:
            remote.append((place, make, found))
    return remote, silent


def _project(backend: object, project: str | None) -> str:
    return project or _default(backend, "project") or "hackmatrix"


def _entity(backend: object, entity: str | None) -> str | None:
    return entity or _default(backend, "entity")


def _default(backend: object, label: str) -> Any:
    from hackmatrix.tracking.protocol import RunDefaults  # noqa: PLC0415 - used here only

    return backend.run_defaults().get(label) if isinstance(backend, RunDefaults) else None


def _ask(
    backend: RunFinder, name: str | None, digest: str | None, project: str, entity: str | None
) -> RemoteRun | None:
    answer: list[RemoteRun | None] = []
    failure: list[Exception] = []

    def ask() -> None:
        try:
            answer.append(backend.find(name, digest, project, entity))
        except Exception as problem:  # noqa: BLE001 - raised again below, in the caller's thread
            failure.append(problem)

    thread = threading.Thread(target=ask, name="hackmatrix-find", daemon=True)
    thread.start()
    thread.join(_ASK_S)
    if answer:
        return answer[0]
    if failure:
        if isinstance(failure[0], BackendSetupError | RunConflictError | BackendUnreachableError):
            raise failure[0]
        raise BackendUnreachableError(f"{type(failure[0]).__name__}: {failure[0]}") from failure[0]
    raise BackendUnreachableError(f"no answer in {_ASK_S:.0f} s")


def _on_disk(root: Path, name_or_id: str | None, digest: str | None) -> Iterator[RunFolder]:
    """Folders that fit, the best first."""
    if name_or_id is not None and (root / name_or_id / "run.json").exists():
        yield RunFolder(root / name_or_id)
        return
    fitting = []
    for path in root.glob("*/run.json") if root.is_dir() else ():
        folder = RunFolder(path.parent)
        try:
            identity = folder.read_identity()
        except RunFolderError as problem:
            _log.warning("%s", problem)
            continue
        if identity is None or identity["name"] != path.parent.name:
            continue  # a folder that was renamed or copied is found by its own name only
        if (
            (identity["id"] == name_or_id)
            if name_or_id is not None
            else (identity["config_digest"] == digest)
        ):
            fitting.append((identity["attempts"][-1]["started"], folder))
    for _, folder in sorted(fitting, key=lambda pair: pair[0], reverse=True):
        yield folder


def _found(root: Path, folder: RunFolder | None, remote: list[_Remote]) -> FoundRun:
    identity = folder.read_identity() if folder is not None else None
    if identity is not None and folder is not None:
        remote = [entry for entry in remote if entry[2].uid == identity["uid"]]
    steps = [step for _, _, run in remote for step in run.steps]
    if folder is not None:
        steps += steps_on_disk(folder.checkpoints)
    places = (*(["disk"] if folder is not None else []), *(name for name, _, _ in remote))
    attempts = max([run.attempts for _, _, run in remote] + ([len(identity["attempts"])] if identity else []))
    if identity is not None and folder is not None:
        return FoundRun(
            name=identity["name"],
            uid=identity["uid"],
            project=identity["project"],
            entity=identity["entity"],
            config=identity["config"],
            config_digest=identity["config_digest"],
            status=folder.status(identity),
            attempts=attempts,
            steps=tuple(sorted(set(steps))),
            step=max(steps, default=None),
            places=places,
            root=root,
            identity=identity,
            _folder=folder.path,
            _remote=remote,
        )
    newest = max((run for _, _, run in remote), key=lambda run: max(run.steps, default=-1))
    same = [entry for entry in remote if entry[2].uid == newest.uid]
    return FoundRun(
        name=newest.name,
        uid=newest.uid,
        project=newest.project,
        entity=newest.entity,
        config=newest.config,
        config_digest=str(newest.config.get("config_digest", "")),
        status=newest.status,
        attempts=attempts,
        steps=tuple(sorted({step for _, _, run in same for step in run.steps})),
        step=max((step for _, _, run in same for step in run.steps), default=None),
        places=tuple(name for name, _, _ in same),
        root=root,
        _remote=same,
    )
