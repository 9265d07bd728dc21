"""Anything with one number in it becomes an ``int`` or a ``float``, and no bit is lost.

No array package is imported: arrays are told by what they can do.
"""

import operator
import reprlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from hackmatrix.tracking.errors import MetricValueError
from hackmatrix.tracking.protocol import Number, Scalar

_NUMBERS = frozenset((int, float))
_LARGEST = int(sys.float_info.max)  # readers that know only floats fail on integers beyond it
_NUMBER_KINDS = frozenset("biufV")  # NumPy's letters of dtypes; V: bfloat16 and its kin
_TIME_KINDS = frozenset("mM")  # their item() may be an integer of some unit
_CONTAINERS = (list, tuple, dict, set, frozenset, Mapping)
_TEXTS = (str, bytes, bytearray)
_ways: dict[type, Callable[[Any, str], Scalar]] = {}  # a run logs a handful of types
_checked: set[Any] = set()  # what JAX calls avals, shape and dtype in one, of arrays found to be one number
_MOST_CHECKED = 256


def copy_metrics(metrics: Mapping[str, Scalar]) -> tuple[dict[str, Scalar], bool]:
    """A row's values as they are now, and whether all of them are ``int`` and ``float``, which need no more.

    What the caller does to his values later changes nothing. Returns without waiting for a device: values still
    being computed stay what they are, and ``to_number`` fetches them later.

    Raises:
        MetricValueError: ``metrics`` is no mapping, or as ``check_at_call``.
    """
    try:
        copy = dict(metrics)
    except (TypeError, ValueError):
        raise MetricValueError(
            f"metrics is of type {type(metrics).__name__}, expected a mapping of tags to numbers, "
            f"e.g. {{'train/loss': loss}}"
        ) from None
    for value in copy.values():  # a third faster than a set's issuperset of their types
        if type(value) is not float:
            break
    else:
        return copy, True
    of: type = float
    way: Callable[[Any, str], Scalar] | None = None
    for tag, value in copy.items():
        kind = type(value)
        if kind is not float:
            if kind is not of:
                of, way = kind, _ways.get(kind)
            # Not always by check_at_call, whose call costs as much as the check.
            kept = check_at_call(value, tag) if way is None else way(value, tag)
            if kept is not value:
                copy[tag] = kept
    return copy, _NUMBERS.issuperset(map(type, copy.values()))


def check_at_call(value: Scalar, tag: str) -> Scalar:
    """What is kept of a value until it is written: a number, or an array that nobody can change any more.

    Never waits for a device of JAX or torch. What else may change (NumPy arrays) is converted at once.

    Args:
        value: as given to ``log``.
        tag: its name, for the message.

    Raises:
        MetricValueError: it is visibly not one number, is traced, or was already deleted.
    """
    kind = type(value)
    if kind is float:
        return value
    way = _ways.get(kind) or _ways.setdefault(kind, _way_to_keep(kind))
    return way(value, tag)


def to_number(value: Scalar, tag: str) -> Number:
    """The number in a value. May wait for a device.

    Bits of float16, bfloat16, float32 and float64 and the value of 64-bit integers are kept; a float stays a
    float, a bool becomes 0 or 1. Wider floats are rounded to float64.

    Args:
        value: a number, an array with exactly one element, or what has ``item()``, ``__index__`` or
            ``__float__``.
        tag: its name, for the message.

    Raises:
        MetricValueError: there is not exactly one real number in it, or an integer beyond every float64.
    """
    if type(value) is float:
        return value
    if isinstance(value, float):
        return float(value)
    if callable(getattr(value, "item", None)):
        return _only_item(value, tag)
    return _by_conversion(value, tag)


def _only_item(array: Any, tag: str) -> Number:
    _check_array(array, tag)
    try:
        if hasattr(array, "is_deleted") and "numpy" in sys.modules:
            # JAX has imported NumPy and lends it its memory: four times faster than JAX's own item().
            array = sys.modules["numpy"].asarray(array)
        value = array.item()
    except Exception as error:
        raise MetricValueError(f"metric {tag!r} could not be read: {_sentence(error)}") from error
    if isinstance(value, float):
        return float(value)  # NumPy's float64 is a float, but not to every encoder
    return _by_conversion(value, tag)


def keep_array(value: Any, shape: tuple[int, ...], what: str) -> Any:
    """An array as it is now, by the rules of ``check_at_call``; ``array_to_numbers`` fetches its values.

    Args:
        value: an array or a sequence (of sequences) of numbers.
        shape: the shape it must have.
        what: its name, for the message.

    Raises:
        MetricValueError: another shape, complex or no numbers; traced, or already deleted.
    """
    kind = type(value)
    if _is_traced(kind):
        _refuse_traced(value, what)
    if not hasattr(value, "shape"):
        value = _nested_list(value, what)
        found: tuple[int, ...] = (len(value),)
        if len(shape) == 2:  # a packed array
            widths = {len(line) if isinstance(line, list) else -1 for line in value} or {shape[1]}
            found = (len(value), *widths) if -1 not in widths else (len(value),)
    else:
        found = tuple(value.shape)
        if hasattr(kind, "is_deleted"):
            if value.is_deleted():
                _keep_device_array(value, what)
        elif hasattr(kind, "detach"):
            value = value.detach().clone()
        else:
            value = value.copy()
    if found != shape:
        raise MetricValueError(f"{what} has shape {found}, expected {shape}: one value for each step")
    return value


def _nested_list(value: Any, what: str) -> list[Any]:
    try:
        items = list(value)
    except TypeError:
        raise MetricValueError(f"{what} is of type {type(value).__name__}, expected an array") from None
    return [
        list(item) if isinstance(item, list | tuple) else check_at_call(item, f"{what}[{index}]")
        for index, item in enumerate(items)
    ]


def array_to_numbers(value: Any, what: str) -> list[Any]:
    """The (nested) list of numbers in what ``keep_array`` kept. May wait for a device."""
    if hasattr(type(value), "detach"):
        value = value.tolist()  # torch: of any device, and bfloat16, neither of which NumPy takes
    if isinstance(value, list):
        return [
            array_to_numbers(item, what) if isinstance(item, list) else to_number(item, f"{what}[{index}]")
            for index, item in enumerate(value)
        ]
    import numpy as np  # whoever gives an array has it

    try:
        array = np.asarray(value)
    except Exception as error:
        raise MetricValueError(f"{what} could not be read: {_sentence(error)}") from error
    if array.dtype.kind in "cSUOmM":
        raise MetricValueError(f"{what} has dtype {array.dtype}, expected numbers")
    if array.dtype.kind == "b":
        array = array.astype(np.int8)
    elif array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:  # bytes of a float64
        array = array.astype(np.float64)  # bfloat16 and its kin, long doubles
    numbers: list[Any] = array.tolist()
    return numbers


def _is_traced(kind: type) -> bool:
    return any(
        base.__name__ == "Tracer" and base.__module__.partition(".")[0] == "jax" for base in kind.__mro__
    )


def _way_to_keep(kind: type) -> Callable[[Any, str], Scalar]:
    if _is_traced(kind):
        return _refuse_traced
    if hasattr(kind, "is_deleted"):
        return _keep_device_array
    if hasattr(kind, "detach") and hasattr(kind, "clone"):
        return _clone_tensor
    return to_number


def _refuse_traced(value: Any, tag: str) -> NoReturn:
    del value
    raise MetricValueError(
        f"metric {tag!r} is traced: inside jit, grad, vmap or scan there is no number yet; return it from "
        f"the transformed function and log it outside"
    )


def _keep_device_array(value: Any, tag: str) -> Any:
    """JAX: immutable, perhaps still being computed; can only vanish by donation."""
    if value.is_deleted():
        raise MetricValueError(
            f"metric {tag!r} was already deleted, since a call with donated arguments took it; log it before "
            f"that call, or return it from there"
        )
    aval = getattr(value, "aval", None)
    if aval in _checked:  # half of the time that shape and dtype take, each by itself
        return value
    _check_array(value, tag)
    if aval is not None and len(_checked) < _MOST_CHECKED:
        _checked.add(aval)
    return value


def _clone_tensor(value: Any, tag: str) -> Any:
    """Torch: may be changed in place, and reading it would wait; a clone is queued on its device."""
    _check_array(value, tag)
    return value.detach().clone()


def _check_array(value: Any, tag: str) -> None:
    shape = getattr(value, "shape", ())
    if shape != () and isinstance(shape, tuple) and any(length != 1 for length in shape):
        cure = "leave the tag out" if 0 in shape else "reduce it first, e.g. value.mean()"
        raise MetricValueError(f"metric {tag!r} has shape {tuple(shape)}, expected one number; {cure}")
    dtype = getattr(value, "dtype", None)
    kind = getattr(dtype, "kind", "")
    if kind in _NUMBER_KINDS:
        mask = getattr(value, "mask", None)  # of NumPy's masked arrays, whose item() ignores it
        if mask is not None and not callable(mask) and bool(mask):
            raise MetricValueError(f"metric {tag!r} is masked; leave the tag out of the row")
    elif kind == "c":
        _refuse_complex(tag)
    elif kind in _TIME_KINDS or str(dtype).startswith("key<"):
        raise MetricValueError(f"metric {tag!r} has dtype {dtype}, expected a number")


def _by_conversion(value: Any, tag: str) -> Number:
    """Through ``__index__`` if it is an integer, else through ``__float__``."""
    if isinstance(value, int):
        return _bounded(value, tag)
    _refuse_what_is_no_number(value, tag)
    try:
        return _bounded(operator.index(value), tag)
    except TypeError:
        pass
    if not hasattr(type(value), "__float__"):
        raise MetricValueError(
            f"metric {tag!r} is of type {type(value).__name__}, expected one number: {reprlib.repr(value)}"
        )
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise MetricValueError(
            f"metric {tag!r} is no float: {_sentence(error)}: {reprlib.repr(value)}"
        ) from error


def _bounded(value: int, tag: str) -> int:
    if -_LARGEST <= value <= _LARGEST:
        return int(value)  # no bool, no enum
    raise MetricValueError(f"metric {tag!r} is an integer of {value.bit_length()} bits, beyond every float64")


def _refuse_what_is_no_number(value: Any, tag: str) -> None:
    if value is None:
        raise MetricValueError(f"metric {tag!r} is None, expected one number; leave the tag out of the row")
    if isinstance(value, _TEXTS):
        raise MetricValueError(
            f"metric {tag!r} is the text {reprlib.repr(value)}, expected one number; convert it, "
            f"or use log_text"
        )
    if isinstance(value, complex):
        _refuse_complex(tag)
    if isinstance(value, _CONTAINERS):
        cure = (
            "give each of its values a tag of its own"
            if isinstance(value, Mapping)
            else "reduce it first, e.g. max"
        )
        raise MetricValueError(f"metric {tag!r} is a {type(value).__name__}, expected one number; {cure}")


def _refuse_complex(tag: str) -> NoReturn:
    raise MetricValueError(
        f"metric {tag!r} is complex, expected one real number; log its real and imag, or abs(value)"
    )


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
