"""Names of backends become classes, and nothing is imported before its name is asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from hackmatrix.tracking.errors import (
    BackendSetupError,
    InvalidNameError,
    MissingPackageError,
    UnknownBackendError,
)
from hackmatrix.tracking.options import make_with_options, nearest
from hackmatrix.tracking.protocol import Backend

ENTRY_POINTS = "hackmatrix.trackers"
WORDS = ("jsonl", "null")  # what open_tracker knows itself: the journal alone, and nothing at all

_METHODS = ("open", "discard_after", "write", "flush", "close")
_Class = TypeVar("_Class", bound=type[Any])


class Entry(NamedTuple):
    """Where a backend is found.

    Attributes:
        target: ``module:Class``.
        extra: the extra of hackmatrix that brings the packages.
        packages: what must be installed before the module can be imported.
    """

    target: str
    extra: str = ""
    packages: tuple[str, ...] = ()


_entries: dict[str, Entry] = {
    "mirror": Entry(
        "hackmatrix.tracking.backends.mirror:MirrorBackend", extra="mirror", packages=("fsspec",)
    ),
    "tensorboard": Entry(
        "hackmatrix.tracking.backends.tensorboard:TensorBoardBackend",
        extra="tensorboard",
        packages=("tensorboardX", "crc32c"),
    ),
    "wandb": Entry("hackmatrix.tracking.backends.wandb:WandbBackend", extra="wandb", packages=("wandb",)),
}
assert list(_entries) == sorted(_entries), "keep the table in alphabetical order"

_registered: dict[str, type[Any]] = {}


def register(name: str) -> Callable[[_Class], _Class]:
    """Make a class known under a name, for this process; for every process, use an entry point.

        @register("mine")
        class MyBackend: ...

    Raises:
        InvalidNameError: the name is taken by another class, or no name: small letters, digits, ``-``, ``_``.
    """
    if (
        not isinstance(name, str)
        or not name.replace("-", "").replace("_", "").isalnum()
        or name != name.lower()
    ):
        raise InvalidNameError(f"tracker name {name!r} is none; use small letters, digits, '-' and '_'")

    def keep(backend: _Class) -> _Class:
        taken = _entries.get(name) or _registered.get(name)
        # The cell of a notebook that is run again defines its class again.
        if name in WORDS or (taken is not None and _place(taken) != _place(backend)):
            holder = "hackmatrix itself" if taken is None or name in _entries else _place(taken)
            raise InvalidNameError(f"tracker name {name!r} is taken by {holder}; choose another")
        _registered[name] = backend
        return backend

    return keep


def tracker_names(trackers: str | Sequence[str]) -> tuple[str, ...]:
    """The names in ``"wandb,tensorboard"`` or a sequence of names; none of them is looked up.

    Raises:
        UnknownBackendError: a name is empty, no text, or given twice, or ``null`` stands beside another.
    """
    parts = trackers.split(",") if isinstance(trackers, str) else trackers
    if not isinstance(parts, Sequence) or not all(isinstance(part, str) for part in parts):
        raise UnknownBackendError(f"trackers are {trackers!r}, expected names such as 'wandb,tensorboard'")
    names = tuple(part.strip() for part in parts)
    if not names or "" in names:
        raise UnknownBackendError(f"{trackers!r} names no tracker; known: {', '.join(known_backends())}")
    if len(set(names)) != len(names):
        raise UnknownBackendError(f"{trackers!r} names a tracker twice; name each once")
    if "null" in names and len(names) > 1:
        raise UnknownBackendError(
            f"{trackers!r}: 'null' keeps nothing, so nothing stands beside it; leave it out"
        )
    return names


def known_backends() -> tuple[str, ...]:
    """Every name that ``open_tracker`` understands, sorted; reads the entry points."""
    return tuple(sorted({*WORDS, *_entries, *_registered, *_entry_points()}))


def load_backend(name: str) -> type[Any]:
    """The class of this name, imported now.

    Raises:
        UnknownBackendError: no such name; lists the known ones.
        MissingPackageError: its package is not installed; says which ``pip install`` brings it.
        BackendSetupError: two installed packages offer this name, or the class is no backend.
    """
    if name in _registered:
        return _checked(name, _registered[name])
    entry = _entries.get(name) or _entry_points().get(name)
    if entry is None:
        if name in WORDS:
            raise UnknownBackendError(f"{name!r} is a word of open_tracker, not a backend that can be loaded")
        known = known_backends()
        raise UnknownBackendError(
            f"no tracker named {name!r}.{nearest(name, known)} Known: {', '.join(known)}."
        )
    for package in entry.packages:
        if not _is_installed(package):
            raise MissingPackageError(
                f"tracker {name!r} needs the package {package!r}: pip install 'hackmatrix[{entry.extra}]'",
                name=package,
            )
    if "," in entry.target:
        raise BackendSetupError(f"two packages offer a tracker {name!r}: {entry.target}; uninstall one")
    from importlib import import_module  # noqa: PLC0415 - beside its only use

    module, _, attribute = entry.target.partition(":")
    backend = _checked(name, getattr(import_module(module), attribute))
    _registered[name] = backend
    return backend


def make_backend(name: str, options: Mapping[str, Any] | None = None) -> Backend:
    """A new object of the class of this name, its options checked and converted.

    Raises:
        UnknownBackendError, MissingPackageError, BackendSetupError: as ``load_backend``.
        BackendOptionError: as ``coerce_options``.
    """
    backend: Backend = make_with_options(load_backend(name), name, options or {})
    return backend


def backend_maker(name: str, options: Mapping[str, Any] | None = None) -> Callable[[], Backend]:
    """What gives a new, unopened backend object of this name, as often as one is needed."""
    return lambda: make_backend(name, options)


def _entry_points() -> dict[str, Entry]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, needed for unknown names only

    targets: dict[str, set[str]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        targets.setdefault(point.name, set()).add(point.value.partition("[")[0].strip())
    return {name: Entry(", ".join(sorted(values))) for name, values in targets.items()}


def _is_installed(package: str) -> bool:
    import sys  # noqa: PLC0415 - beside its only use
    from importlib.util import find_spec  # noqa: PLC0415 - beside its only use

    if package in sys.modules:
        return (
            sys.modules[package] is not None and getattr(sys.modules[package], "__file__", None) is not None
        )
    spec = find_spec(package)
    # A folder of that name is none: wandb leaves one where it runs, and Python would import it as empty.
    return spec is not None and spec.origin is not None


def _checked(name: str, backend: Any) -> type[Any]:
    if not isinstance(backend, type):
        raise BackendSetupError(
            f"tracker {name!r} is {backend!r}, expected a class with the methods of hackmatrix.tracking.Backend"
        )
    missing = [method for method in _METHODS if not callable(getattr(backend, method, None))]
    if missing:
        raise BackendSetupError(
            f"tracker {name!r} is the class {_place(backend)}, which is no backend: "
            f"it lacks {', '.join(missing)}; hackmatrix.tracking.Backend says what they do"
        )
    return backend


def _place(backend: Any) -> str:
    return f"{backend.__module__}.{backend.__qualname__}" if isinstance(backend, type) else str(backend)


@contextmanager
def replaced(name: str, backend: type[Any]) -> Iterator[None]:
    """Another class under a known name for a while, e.g. one that fails on purpose."""
    before = _registered.get(name)
    _registered[name] = backend
    try:
        yield
    finally:
        if before is None:
            del _registered[name]
        else:
            _registered[name] = before
