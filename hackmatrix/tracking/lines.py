"""One row as one line of strict JSON, and back, with every number kept.

``{"loss": 0.5, "grad": null, "_step": 3, "_timestamp": 1767225600.5, "_runtime": 12.25, "_nonfinite": "grad=nan"}``

JSON has no NaN and no infinity, so a non-finite value is ``null`` with a note beside it; a column of numbers
then stays one in pandas, polars and DuckDB.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from hackmatrix.tracking.protocol import Number, Row

STEP, TIMESTAMP, RUNTIME, NONFINITE = "_step", "_timestamp", "_runtime", "_nonfinite"
_NUMBERS = frozenset((int, float))
SPELLING = {"nan": math.nan, "+inf": math.inf, "-inf": -math.inf}


@cache
def _codec() -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    # Imported with the first run, not with the package: it costs more than all the rest together.
    import msgspec.json

    return msgspec.json.Encoder().encode_lines, msgspec.json.Decoder(dict[str, Any]).decode


def encode_objects(objects: Sequence[dict[str, Any]]) -> bytes:
    """Objects without non-finite floats as one line each."""
    return _codec()[0](objects)


def decode_object(line: bytes) -> dict[str, Any]:
    """The object of one line; raises ``ValueError`` if it is none."""
    found: dict[str, Any] = _codec()[1](line)  # msgspec's errors are ValueErrors
    return found


def encode_rows(rows: Sequence[Row]) -> bytes:
    """Rows as lines, in order, each ended by a newline."""
    return encode_lines([as_line(dict(row.metrics), row.step, row.timestamp, row.runtime) for row in rows])


def as_line(metrics: dict[str, Any], step: int, timestamp: float, runtime: float) -> dict[str, Any]:
    """The same mapping with what every line has; ``encode_lines`` takes many.

    Three keys more at the end of a copy of the caller's mapping cost half of a new one that begins with them.
    """
    metrics[STEP] = step
    metrics[TIMESTAMP] = timestamp
    metrics[RUNTIME] = runtime
    return metrics


def encode_lines(lines: Sequence[dict[str, Any]]) -> bytes:
    """Rows that are lines already; what is not finite in them is noted."""
    return encode_objects([line if _all_finite(line.values()) else _with_note(line) for line in lines])


def _with_note(line: dict[str, Any]) -> dict[str, Any]:
    """A copy with nulls for NaNs and infinities, and a note that names them."""
    line = dict(line)
    notes = []
    for tag, value in line.items():
        if isinstance(value, float) and not math.isfinite(value):
            line[tag] = None
            notes.append(f"{_escape(tag)}={spell(value)}")
    if notes:
        line[NONFINITE] = ",".join(notes)
    return line


def _all_finite(values: Iterable[Number]) -> bool:
    try:
        # One pass in C; a sum that overflows is a false alarm which the slow path settles.
        return math.isfinite(sum(values))
    except OverflowError:
        return False


def spell(value: float) -> str:
    """A number that is not finite, as notes name it."""
    return "nan" if math.isnan(value) else "+inf" if value > 0 else "-inf"


def _escape(tag: str) -> str:
    return tag.replace("%", "%25").replace(",", "%2C").replace("=", "%3D")


def _unescape(text: str) -> str:
    return text.replace("%3D", "=").replace("%2C", ",").replace("%25", "%")


def decode_row(line: bytes) -> Row:
    """The row of one line; raises ``ValueError`` if the line is no row."""
    found = decode_object(line)
    try:
        step, timestamp, runtime = found.pop(STEP), found.pop(TIMESTAMP), found.pop(RUNTIME)
        note = found.pop(NONFINITE, None)
        if note is not None:
            found.update(parse_nonfinite(note))
    except (KeyError, AttributeError) as problem:
        raise ValueError(f"the line is no row: {problem!r}") from None
    if type(step) is not int or not _NUMBERS.issuperset(map(type, (timestamp, runtime, *found.values()))):
        raise ValueError(f"the line is no row, since something in it is no number: {line[:200]!r}")
    return Row(step, float(timestamp), float(runtime), found)


def parse_nonfinite(note: str) -> dict[str, float]:
    """Tag -> NaN or infinity, as the note beside a row's nulls says; raises ``ValueError`` if it is none."""
    values = {}
    for part in note.split(","):
        tag, _, spelled = part.partition("=")
        if spelled not in SPELLING:
            raise ValueError(f"{NONFINITE} is {note!r}, expected e.g. 'loss=nan,grad=+inf'")
        values[_unescape(tag)] = SPELLING[spelled]
    return values


def whole_lines(data: bytes) -> Iterator[bytes]:
    """The lines of ``data`` that are ended by a newline, with it."""
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        yield data[start : end + 1]
        start = end + 1
