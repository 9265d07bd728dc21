"""Objects with NaN and infinities in them as strict JSON, and back.

Rows have a note of their own, for columns (see ``lines``); this one is for what is nested. A non-finite number is
``null``, and the object says where, by keys and indices:

``{"summary": {"eval/return": null}, "_nonfinite": [["summary", "eval/return", "nan"]]}``
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from hackmatrix.tracking.lines import NONFINITE, SPELLING, spell


def encode_strict(found: Mapping[str, Any]) -> bytes:
    """The object as UTF-8; ``decode_strict`` gives it back with every number."""
    return (json.dumps(noted(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def decode_strict(text: bytes) -> Any:
    """What ``encode_strict`` was given; raises ``ValueError`` if it is no JSON, or a note leads nowhere."""
    return restored(json.loads(text))


def noted(found: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with nulls for NaNs and infinities, and a note that names them if there are any."""
    notes = [[*path, spell(value)] for path, value in _nonfinite(found, ())]
    return {**_finite(found), NONFINITE: notes} if notes else dict(found)


def restored(found: Any) -> Any:
    """What ``noted`` was given; the argument is changed. Raises ``ValueError`` if a note leads nowhere."""
    notes = found.pop(NONFINITE, ()) if isinstance(found, dict) else ()
    try:
        for *path, last, spelled in notes:
            place = found
            for key in path:
                place = place[key]
            value = SPELLING[spelled]
            if place[last] is None:  # else it was restored before
                place[last] = value
    except (ValueError, LookupError, TypeError) as problem:
        raise ValueError(f"{NONFINITE} is {notes!r}, which does not fit its object: {problem!r}") from problem
    return found


def _nonfinite(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _nonfinite(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _nonfinite(item, (*path, index))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
