"""One value of a config as a number, a text or a list that is the same in every process."""

import enum
import os
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any

from hackmatrix.tracking.errors import ConfigValueError
from hackmatrix.tracking.protocol import ConfigValue

_LARGEST_ARRAY = 1000  # elements; a config is read by people
_MOST_BITS = 1024  # of an integer; readers of JSON refuse those of 4300 digits
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")


def readable(value: Any, key: str) -> ConfigValue:
    """What is stored of a value that is no group.

    None, bools, numbers and texts stay what they are; an enum's member becomes its name, a path a text with
    ``/``, a dtype its name, a function, a method or a class ``module.name``, a partial that and its
    arguments; a sequence, a set or a small array becomes a list; anything else its ``str``.

    Args:
        value: as found in a config.
        key: where, for the message.

    Raises:
        ConfigValueError: its text would be another in the next process, or it cannot be stored.
    """
    if isinstance(value, enum.Enum):
        return readable(value.name if value.name is not None else value.value, key)
    if is_list(value):
        return [readable(item, key) for item in value]
    if isinstance(value, AbstractSet):
        return sorted((readable(item, key) for item in value), key=_rank)
    if hasattr(value, "shape") and hasattr(value, "tolist") and not isinstance(value, type):
        return _array(value, key)
    if value is None or isinstance(value, bool | int | float):
        return _plain(value, key)
    return valid_text(str(value) if isinstance(value, str) else _text(value, key), key)


def is_list(value: Any) -> bool:
    """Whether it is stored as a list of its items."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview | range)


def valid_text(text: str, key: str) -> str:
    """The text itself; ``ConfigValueError`` if no file could hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigValueError(
            f"config at {key!r} is no valid Unicode, since it holds half of a surrogate pair: {text[:80]!r}"
        ) from None
    return text


def _plain(value: float | None, key: str) -> ConfigValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value)  # no float64 of NumPy
    if value.bit_length() > _MOST_BITS:
        raise ConfigValueError(
            f"config at {key!r} is an integer of {value.bit_length()} bits; at most {_MOST_BITS} are kept"
        )
    return int(value)


def _rank(item: ConfigValue) -> tuple[str, Any]:
    return type(item).__name__, repr(item) if isinstance(item, list) else item


def _array(value: Any, key: str) -> ConfigValue:
    if getattr(value, "size", 0) > _LARGEST_ARRAY:
        raise ConfigValueError(
            f"config at {key!r} is an array of shape {tuple(value.shape)}; over {_LARGEST_ARRAY} numbers are "
            f"data: give the path of a file"
        )
    try:
        plain = value.tolist()
    except Exception as error:  # e.g. traced, or deleted
        raise ConfigValueError(f"config at {key!r} could not be read: {error}") from error
    return readable(plain, key)


def _text(value: Any, key: str) -> str:
    if isinstance(value, os.PathLike):
        return value.as_posix() if isinstance(value, PurePath) else os.fsdecode(value)
    if isinstance(value, type) and hasattr(value, "dtype"):
        return value.__name__  # numpy.float32 and jax.numpy.float32 are one dtype
    if hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
        named = [f"{name}={_argument(item, key)}" for name, item in value.keywords.items()]
        inside = [_argument(item, key) for item in (value.func, *value.args)]
        return f"partial({', '.join([*inside, *named])})"
    name = getattr(value, "__qualname__", None)
    if callable(value) and isinstance(name, str):
        module = getattr(value, "__module__", None)
        return name if module in (None, "builtins") else f"{module}.{name}"
    text = str(value)
    if _ADDRESS.search(text):
        raise ConfigValueError(
            f"config at {key!r} is of type {type(value).__name__}, whose text {text[:80]!r} is another in "
            f"every process; give a number, a text, or a group of them, e.g. vars(value)"
        )
    return text


def _argument(value: Any, key: str) -> str:
    plain = readable(value, key)
    return plain if callable(value) and isinstance(plain, str) else repr(plain)
