"""A config of any shape becomes one flat mapping that can be stored, and compared years later."""

import dataclasses
import enum
import re
import sys
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from hackmatrix.tracking.errors import ConfigValueError
from hackmatrix.tracking.protocol import Config, ConfigValue
from hackmatrix.tracking.readable import is_list, readable, valid_text

_DEEPEST = 50  # levels; deeper is a loop
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET = re.compile(
    r"\b(pass ?words?|passwd|passphrase|secrets?|credentials?|api ?key|access key|private key)\b"
)
_TOKEN = re.compile(r"\btoken( [0-9]+)?$")  # neither token_dim nor max_tokens

_told: set[str] = set()


class _Absent(enum.Enum):
    ABSENT = "absent"

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent.ABSENT


def flatten_config(config: Any) -> dict[str, ConfigValue]:
    """One entry for each leaf, its path joined by dots: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``.

    Groups are dataclasses, mappings (Hydra's too), named tuples and namespaces, also inside lists, where the
    index is the key. What is no group becomes what ``readable`` makes of it. An empty group leaves nothing
    behind. A flat config stays as it is.

    Secrets are left out and told once: anything but None and bools below a key with a word like password,
    secret or api_key in it; anything but numbers below a key that ends with token.

    Args:
        config: a group; none is the empty one.

    Raises:
        ConfigValueError: ``config`` is no group, or a key or value in it cannot be stored; names its key.
    """
    if config is None:
        return {}
    if not _is_group(config):
        raise ConfigValueError(
            f"config is of type {type(config).__name__}, expected a dict, a dataclass or another named group"
        )
    flat: dict[str, ConfigValue] = {}
    for key, value in _leaves(config, ()):
        if key in flat:
            raise ConfigValueError(f"config has two values at {key!r}; rename one of the keys")
        flat[key] = value
    for key in [key for key, value in flat.items() if _is_secret(key, value)]:
        _tell_secret(key)
        del flat[key]
    return flat


def config_digest(flat: Config) -> str:
    """The SHA-256 of a flat config in hex: equal for equal configs, whatever the order of their keys.

    ``1``, ``1.0`` and ``True`` are three values; NaN equals NaN.
    """
    from hashlib import sha256  # noqa: PLC0415 - needed when a run is opened, not with the package

    return sha256(_canonical(dict(flat)).encode()).hexdigest()


def config_difference(old: Config, new: Config) -> list[tuple[str, Any, Any]]:
    """Key, old and new value wherever two flat configs differ, sorted by key; ``ABSENT`` is not there at all.

    Empty exactly if their digests are equal.
    """
    keys = sorted(old.keys() | new.keys())
    pairs = [(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys]
    return [
        (key, before, after)
        for key, before, after in pairs
        if before is ABSENT or after is ABSENT or _canonical(before) != _canonical(after)
    ]


def _canonical(value: Any) -> str:
    import json  # noqa: PLC0415 - needed when a run is opened, not with the package

    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ConfigValue]]:
    if len(path) > _DEEPEST:
        raise ConfigValueError(
            f"config at {_shown(path[:5])} is nested over {_DEEPEST} levels deep; is it a loop?"
        )
    if not _holds_group(value, path):
        yield ".".join(path), readable(value, ".".join(path))
        return
    for key, item in _entries(value, path):
        yield from _leaves(item, (*path, key))


def _holds_group(value: Any, path: tuple[str, ...]) -> bool:
    if len(path) > _DEEPEST:
        return True  # whose leaves are refused
    return _is_group(value) or (
        is_list(value) and any(_holds_group(item, (*path, str(index))) for index, item in enumerate(value))
    )


def _is_group(value: Any) -> bool:
    argparse = sys.modules.get("argparse")  # who has no argparse has no namespace of it
    return not isinstance(value, type) and (
        dataclasses.is_dataclass(value)
        or isinstance(value, Mapping | SimpleNamespace)
        or (isinstance(value, tuple) and hasattr(value, "_fields"))
        or (hasattr(value, "keys") and hasattr(value, "__getitem__"))
        or (argparse is not None and isinstance(value, argparse.Namespace))
    )


def _entries(value: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    """Names and values of a group, or of a list that holds one."""
    try:
        return [(_key(name, path), item) for name, item in _pairs(value)]
    except ConfigValueError:
        raise
    except Exception as error:  # e.g. a mandatory value of Hydra that nobody gave
        raise ConfigValueError(f"config at {_shown(path)} could not be read: {error}") from error


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if is_list(value):
        return [(str(index), item) for index, item in enumerate(value)]
    if hasattr(value, "keys"):
        return [(key, value[key]) for key in value.keys()]  # noqa: SIM118 - not all of them iterate over keys
    return list(vars(value).items())


def _key(name: Any, path: tuple[str, ...]) -> str:
    text = name.name if isinstance(name, enum.Enum) else str(name) if type(name) is int else name
    if not isinstance(text, str) or not text:
        raise ConfigValueError(f"config has the key {name!r} at {_shown(path)}; expected a text")
    return valid_text(str(text), ".".join((*path, text)))


def _is_secret(key: str, value: ConfigValue) -> bool:
    if value is None or isinstance(value, bool):
        return False
    parts = [" ".join(_WORD.findall(part)).lower() for part in key.split(".")]
    if any(_SECRET.search(part) for part in parts):
        return True
    return not isinstance(value, int | float) and any(_TOKEN.search(part) for part in parts)


def _tell_secret(key: str) -> None:
    import logging  # noqa: PLC0415 - needed when a run is opened, not with the package

    if key not in _told:
        _told.add(key)
        logging.getLogger("hackmatrix.tracking").warning(
            "config key %r looks like a secret: it is not stored, sent or compared", key
        )


def _shown(path: tuple[str, ...]) -> str:
    return repr(".".join(path)) if path else "the top"
