"""``open_tracker``: everything that can be wrong with the call is refused before anything is made."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hackmatrix.tracking.argument_checks import check_choice, check_labels, check_process_index
from hackmatrix.tracking.config import flatten_config
from hackmatrix.tracking.errors import (
    InvalidArgumentError,
    InvalidNameError,
    RunNotFoundError,
)
from hackmatrix.tracking.finding import FoundRun
from hackmatrix.tracking.naming import check_name, run_id
from hackmatrix.tracking.null import NullTracker
from hackmatrix.tracking.options import coerce_options, refuse_unused_options
from hackmatrix.tracking.protocol import Backend, Resume, RunDefaults, RunInfo, Tracker
from hackmatrix.tracking.registry import WORDS, backend_maker, tracker_names
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root, writable_root
from hackmatrix.tracking.starting import DailyNames, JournalOptions, Opening

_log = logging.getLogger("hackmatrix.tracking")


def open_tracker(
    backends: str | Sequence[str] = "jsonl",
    *,
    project: str | None = None,
    entity: str | None = None,
    name: str | None = None,
    prefix: str | None = None,
    suffix: str | None = None,
    config: Any = None,
    attempt: Any = None,
    group: str | None = None,
    job_type: str | None = None,
    tags: Sequence[str] | None = None,
    notes: str | None = None,
    root: str | Path | None = DEFAULT_ROOT,
    resume: Resume | FoundRun = "allow",
    may_change: Sequence[str] = (),
    volatile: Sequence[str] = (),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    required: Sequence[str] = (),
    process_index: int | None = None,
    open_timeout: float = 15.0,
) -> Tracker:
    """Open a run: a journal on this disk, and a follower for each backend.

    A run without a name is always a new one, ``<prefix>-<mon><dd>-<yy>-<n>[-<suffix>]``. One with a name goes
    on where it stands; after a kill, give what ``find_run`` found, and it goes on from its checkpoint.

    Args:
        backends: names, comma-separated or a sequence: ``jsonl`` is the journal alone, ``null`` nothing.
        project: default: what a backend's environment says, else ``hackmatrix``.
        entity: the team at a backend; default: what its environment says, else its own default.
        name: of the run; decides its id.
        prefix: of an automatic name; default the project.
        suffix: of an automatic name.
        config: what decides the run's numbers: a dataclass, a mapping, a namespace; one for ever.
        attempt: facts about this process that may differ between attempts: devices, versions, commit.
        group: runs that belong together; like the next three a label, for backends that show it.
        job_type: what kind of work it is, e.g. ``train``.
        tags: words to find it by.
        notes: a text.
        root: the folder of runs; default ``HACKMATRIX_DIR``, else ``runs``; none: a temporary folder that is
            removed after complete delivery.
        resume: ``allow``, ``must`` exist, ``never`` exist; or what ``find_run`` found.
        may_change: config keys that may differ when a run goes on.
        volatile: tags that tell the time, and so differ when a resumed run computes steps again.
        options: backend -> option -> value; ``jsonl`` has those of ``JournalOptions``.
        required: backends whose failure is raised, at open and by the next call.
        process_index: of many processes only process 0 writes; default: what ``jax.distributed`` says.
        open_timeout: seconds to wait for each backend's first try.

    Raises:
        InvalidArgumentError, InvalidNameError, ConfigValueError: an argument is wrong; nothing was made.
        UnknownBackendError, MissingPackageError, BackendOptionError: so is a backend, or an option of one.
        RunFolderError: ``root`` cannot be written.
        RunInUseError: a live process writes the run, or went on with it since it was found.
        RunExistsError, RunNotFoundError: against ``resume``.
        ConfigMismatchError: the run has another config.
        BackendSetupError: a backend needs the user, e.g. a login; no run is left behind.
        RunConflictError: a backend has another run of this name.
    """
    names = tracker_names(backends)
    options = options or {}
    makers = _makers(names, options, required)
    journal_options = JournalOptions(**coerce_options("jsonl", JournalOptions, options.get("jsonl", {})))
    found = resume if isinstance(resume, FoundRun) else None
    if found is None:
        check_choice("resume", resume, Resume)
    labels = _labels(
        [make() for make in makers.values()],
        project=project, entity=entity, group=group, job_type=job_type, tags=tags, notes=notes,
    )  # fmt: skip
    check_name("project", labels["project"])
    if name is not None and found is None:
        check_name("run name", name)
        if prefix is not None or suffix is not None:
            raise InvalidNameError("a run with a name takes no prefix or suffix; give one or the other")
    if name is None and resume == "must":
        raise RunNotFoundError("resume is 'must', and no run is named; give name=..., or what find_run found")
    if name is not None and found is not None and name != found.name:
        raise InvalidNameError(
            f"name is {name!r}, and resume is the run {found.name!r}; leave the name out, or look for that one"
        )
    naming = DailyNames(labels["project"] if prefix is None else prefix, suffix)
    flat, facts = flatten_config(config or {}), flatten_config(attempt or {})
    if "null" in names or _process_index(process_index) != 0:
        return NullTracker(_null_info(found, name, naming, labels))
    if root is None:
        if not makers:
            raise InvalidArgumentError(
                "root is None, which keeps nothing but what backends take; name a backend, or give a folder"
            )
        import tempfile  # noqa: PLC0415 - keeps the package's import light

        root = tempfile.mkdtemp(prefix="hackmatrix-")
        temporary = True
    else:
        temporary = False
    opening = Opening(
        root=writable_root(run_root(root)),
        temporary=temporary,
        labels=labels,
        config=flat if config is not None else None,
        attempt=facts,
        makers=makers,
        options=options,
        journal=journal_options,
        required=tuple(required),
        may_change=tuple(may_change),
        volatile=tuple(volatile),
        open_timeout=open_timeout,
    )
    return opening.open(name, naming, resume)


def _makers(
    names: Sequence[str], options: Mapping[str, Mapping[str, Any]], required: Sequence[str]
) -> dict[str, Callable[[], Backend]]:
    carriers = [name for name in names if name not in WORDS]
    refuse_unused_options(options, ("jsonl", *carriers))
    for name in required:
        if name not in carriers:
            raise InvalidArgumentError(
                f"required names {name!r}, and opened are {', '.join(names)}; open it, too, or require it not"
            )
    return {name: backend_maker(name, options.get(name, {})) for name in carriers}


def _labels(probes: Sequence[Backend], **given: Any) -> dict[str, Any]:
    """Argument, else a backend's environment, else the default."""
    environment: dict[str, Any] = {}
    for probe in probes:
        if isinstance(probe, RunDefaults):
            environment = {**probe.run_defaults(), **environment}
    chosen = {key: value if value is not None else environment.get(key) for key, value in given.items()}
    check_labels(chosen)
    project = chosen["project"] if chosen["project"] is not None else "hackmatrix"
    return {**chosen, "project": project, "tags": tuple(chosen["tags"] or ())}


def _process_index(given: int | None) -> int:
    if given is not None:
        return check_process_index(given)
    jax = sys.modules.get("jax")
    distributed = getattr(jax, "distributed", None)
    if jax is None or distributed is None or not getattr(distributed, "is_initialized", lambda: False)():
        return 0
    return int(jax.process_index())


def _null_info(
    found: FoundRun | None, name: str | None, naming: DailyNames, labels: Mapping[str, Any]
) -> RunInfo:
    chosen = found.name if found is not None else name or naming.name(1)
    return RunInfo(
        id=run_id(chosen),
        name=chosen,
        uid=found.uid if found is not None else "",
        last_step=found.step if found is not None else None,  # all processes go on from the same checkpoint
        **labels,
    )
