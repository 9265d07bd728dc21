"""Options, from the command line or from Python, checked by the annotations of a constructor."""

import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from hackmatrix.tracking.errors import BackendOptionError

_Made = TypeVar("_Made")

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_NONE = ("none", "null")


def parse_options(texts: Iterable[str]) -> dict[str, dict[str, str]]:
    """What the command line gives: ``["wandb.mode=offline"]`` becomes ``{"wandb": {"mode": "offline"}}``.

    Raises:
        BackendOptionError: a text has another form, or an option is given twice.
    """
    options: dict[str, dict[str, str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        tracker, _, option = (part.strip() for part in name.partition("."))
        if not (tracker and option and equals):
            raise BackendOptionError(
                f"tracker option {text!r} is none; write tracker.option=value, e.g. wandb.mode=offline"
            )
        if option in options.setdefault(tracker, {}):
            raise BackendOptionError(f"tracker option {tracker}.{option} is given twice; leave one out")
        options[tracker][option] = value
    return options


def refuse_unused_options(options: Collection[str], in_use: Sequence[str]) -> None:
    """Refuse options for what is not there: they would be lost without a word.

    Args:
        options: names of the trackers that options were given for.
        in_use: names of the trackers that take options now.

    Raises:
        BackendOptionError: one of the former is none of the latter.
    """
    for name in options:
        if name not in in_use:
            raise BackendOptionError(
                f"options for the tracker {name!r}, which is not in use.{nearest(name, in_use)} "
                f"In use: {', '.join(sorted(in_use))}. Add it to them, or leave its options out."
            )


def coerce_options(name: str, constructor: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the constructor wants them.

    A text becomes what the annotation says: int, float, bool (``true``, ``no``, ...), None (``none``), one of
    a ``Literal``, a path, a list or tuple (at commas). Values from Python are checked. Without an annotation
    everything passes.

    Args:
        name: the tracker, for the message.
        constructor: whose parameters are the options.
        options: option -> text or value.

    Raises:
        BackendOptionError: an unknown or missing option, or a value of the wrong type; names the option and
            what would do.
    """
    from inspect import Parameter, signature  # noqa: PLC0415 - slow, needed when a run is opened

    parameters = signature(constructor).parameters.values()
    named = {
        parameter.name: parameter.default is Parameter.empty
        for parameter in parameters
        if parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    }
    takes_any = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)
    unknown = [option for option in options if option not in named and not takes_any]
    if unknown:
        known = f"Known: {', '.join(sorted(named))}." if named else "It takes none."
        raise BackendOptionError(
            f"tracker {name!r} has no option {unknown[0]!r}.{nearest(str(unknown[0]), list(named))} {known}"
        )
    missing = [option for option, required in named.items() if required and option not in options]
    if missing:
        raise BackendOptionError(
            f"tracker {name!r} needs the option {missing[0]!r}; give {name}.{missing[0]}=..."
        )
    wanted = _annotations(constructor)
    return {
        option: _coerced(value, wanted.get(option, Any), f"{name}.{option}")
        for option, value in options.items()
    }


def make_with_options(constructor: Callable[..., _Made], name: str, options: Mapping[str, Any]) -> _Made:
    """What the constructor makes of these options, checked and converted.

    Raises:
        BackendOptionError: as ``coerce_options``.
    """
    return constructor(**coerce_options(name, constructor, options))


def nearest(name: str, known: Collection[str]) -> str:
    """The question whether the closest of the known names was meant; empty if none is close."""
    from difflib import get_close_matches  # noqa: PLC0415 - slow, needed for mistakes only

    close = get_close_matches(name.lower(), known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class _UnfitError(Exception):
    """This value is none of this type."""


def _annotations(constructor: Callable[..., Any]) -> dict[str, Any]:
    call: Any = constructor
    if isinstance(constructor, type):
        call = next(vars(base)["__init__"] for base in constructor.__mro__ if "__init__" in vars(base))
    try:
        return typing.get_type_hints(call)
    except (NameError, TypeError):  # names that exist for type checkers only
        return {}


def _coerced(value: Any, wanted: Any, where: str) -> Any:
    try:
        return _fitted(value, wanted)
    except _UnfitError:
        raise BackendOptionError(
            f"tracker option {where} is {value!r} ({type(value).__name__}), expected {_described(wanted)}"
        ) from None


def _fitted(value: Any, wanted: Any) -> Any:
    origin, inside = get_origin(wanted), get_args(wanted)
    if wanted in (Any, object):
        return value
    if origin in (Union, types.UnionType):
        return _first_fit(value, inside)
    if origin is Literal:
        return _chosen(value, inside)
    if wanted in (None, type(None)):
        return _none(value)
    if wanted in _FITS:
        return _FITS[wanted](value)
    return _fitted_class(value, origin or wanted, inside)


def _first_fit(value: Any, kinds: Sequence[Any]) -> Any:
    # A text fits str always, so everything else is tried before.
    for kind in sorted(kinds, key=lambda kind: (kind is str, kind is float, kind is int)):
        try:
            return _fitted(value, kind)
        except _UnfitError:
            continue
    raise _UnfitError


def _chosen(value: Any, choices: Sequence[Any]) -> Any:
    for choice in choices:
        if (type(value) is type(choice) and value == choice) or value == str(choice):
            return choice
    raise _UnfitError


def _none(value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value.lower() in _NONE):
        raise _UnfitError


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    raise _UnfitError


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _UnfitError
    try:
        return int(value)
    except ValueError:
        raise _UnfitError from None


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int | str):
        raise _UnfitError
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise _UnfitError from None


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise _UnfitError
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise _UnfitError
    return Path(value)


_FITS: dict[Any, Callable[[Any], Any]] = {bool: _bool, int: _int, float: _float, str: _str, Path: _path}


def _fitted_class(value: Any, kind: Any, inside: Sequence[Any]) -> Any:
    if kind in (list, tuple, Sequence):
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise _UnfitError
        each = inside[0] if inside else Any
        return (list if kind is list else tuple)(_fitted(item, each) for item in items)
    if isinstance(kind, type) and not isinstance(value, kind):
        raise _UnfitError
    return value


def _described(wanted: Any) -> str:
    if get_origin(wanted) in (Union, types.UnionType):
        return " or ".join(_described(kind) for kind in get_args(wanted))
    if get_origin(wanted) is Literal:
        return " or ".join(repr(choice) for choice in get_args(wanted))
    if wanted in (None, type(None)):
        return "none"
    return "true or false" if wanted is bool else getattr(wanted, "__name__", None) or str(wanted)
