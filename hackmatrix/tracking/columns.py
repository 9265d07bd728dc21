"""A journal as NumPy columns, decoded in bulk: a million rows in about a second."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from hackmatrix.tracking.errors import RunFolderError
from hackmatrix.tracking.journal import read_chunks, scan
from hackmatrix.tracking.lines import NONFINITE, RUNTIME, STEP, TIMESTAMP, parse_nonfinite
from hackmatrix.tracking.naming import check_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.int64] | NDArray[np.float64]
    Bools: TypeAlias = NDArray[np.bool_]

_BLOCK = 1 << 20  # bytes decoded at once: the objects of one block are all that lives beside the columns
_OWN = {STEP: "step", TIMESTAMP: "timestamp", RUNTIME: "runtime"}  # tag -> field of a decoded row


_Decode: TypeAlias = Callable[[bytes | memoryview], dict[str, list[Any]]]


class Column(NamedTuple):
    """One tag over the rows of a run.

    Attributes:
        values: (row,) int64 where every value is an integer that fits, else float64.
        present: (row,) whether the row has the tag; none: every row has it. NaN is a value, not an absence.
    """

    values: "Numbers"
    present: "Bools | None"


def read_columns(
    path: Path, tags: Sequence[str] | None, *, fold: bool = True, clock: bool = True
) -> dict[str, Column]:
    """Tag -> column, led by ``_step``, ``_timestamp`` and ``_runtime``, up to the last whole line.

    Args:
        path: the journal.
        tags: which; none means all, in the order in which they first came. Naming a few is faster.
        fold: one row for each step; else one for each line.
        clock: whether ``_timestamp`` and ``_runtime`` are there; without them it is faster.

    Raises:
        RunFolderError: a line is no row.
    """
    reader = ColumnReader(path, tags, clock=clock)
    reader.advance()
    return reader.columns(fold=fold)


class ColumnReader:
    """Columns of a journal that may still grow.

    Args:
        path: the journal.
        tags, clock: as for ``read_columns``.

    Raises:
        InvalidTagError: one of ``tags`` can be no tag.

    Attributes:
        offset: bytes read so far.
        rows: lines among them.
    """

    def __init__(self, path: Path, tags: Sequence[str] | None = None, *, clock: bool = True) -> None:
        if tags is not None:
            tags = [check_tag(tag) for tag in dict.fromkeys(tags) if tag not in _OWN]
        self._path, self._tags = path, tags
        self._own = tuple(_OWN) if clock else (STEP,)
        self._decode = _all_tags(self._own) if tags is None else _named_tags(self._own, tags)
        self._begin()

    def _begin(self) -> None:
        self.offset = self.rows = 0
        self._parts: dict[str, _Parts] = {tag: _Parts() for tag in (*self._own, *(self._tags or ()))}

    def advance(self) -> bool:
        """Read what is new; false if nothing is. A journal that was cut meanwhile is read anew.

        Raises:
            RunFolderError: a line is no row.
        """
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < self.offset:
            self._begin()
        before = self.offset
        for lines in _blocks(self._path, self.offset, size):
            try:
                found = self._decode(lines)
                for tag, values in found.items():
                    self._parts.setdefault(tag, _Parts()).add(self.rows, values)
            except ValueError as problem:  # msgspec's errors are ValueErrors
                raise _damaged(self._path) from problem
            self.rows += len(found[STEP])
            self.offset += len(lines)
        return self.offset > before

    def columns(self, *, fold: bool = True) -> dict[str, Column]:
        """What was read so far; see ``read_columns``."""
        columns = {tag: part.joined(self.rows) for tag, part in self._parts.items()}
        return _folded(columns) if fold else columns


def _blocks(path: Path, start: int, end: int) -> Iterator[memoryview]:
    """The whole lines between two bytes."""
    rest = b""
    for chunk in read_chunks(path, start, end, _BLOCK):
        data = rest + chunk
        cut = data.rfind(b"\n") + 1
        rest = data[cut:]
        if cut:
            yield memoryview(data)[:cut]


def _damaged(path: Path) -> RunFolderError:
    sound = scan(read_chunks(path))
    return RunFolderError(
        f"{path} is damaged at byte {sound.size}, after {sound.lines} rows; "
        f"see hackmatrix-runs verify {path.parent}"
    )


def _all_tags(own: Sequence[str]) -> _Decode:
    """A decoder that learns tags as they come: only a block with a new one is looked through key by key."""
    import msgspec.json

    known: tuple[str, ...] = ()
    decode_known = _named_tags(own, known, strict=True)

    def decode(lines: bytes | memoryview) -> dict[str, list[Any]]:
        nonlocal known, decode_known
        try:
            return decode_known(lines)
        except msgspec.ValidationError:
            rows = msgspec.json.Decoder(dict[str, Any]).decode_lines(lines)
            tags = dict.fromkeys(tag for keys in dict.fromkeys(map(tuple, rows)) for tag in keys)
            new = [tag for tag in tags if tag not in (*_OWN, NONFINITE, *known)]
            if not new:
                raise
            known = (*known, *new)
            decode_known = _named_tags(own, known, strict=True)
            return decode_known(lines)

    return decode


def _named_tags(own: Sequence[str], tags: Sequence[str], *, strict: bool = False) -> _Decode:
    """A decoder that makes no object for what was not asked for; ``strict`` refuses it."""
    from operator import attrgetter  # noqa: PLC0415 - keeps the package's import light

    import msgspec

    known = {_OWN[tag]: tag for tag in (_OWN if strict else own)}
    names = {f"tag_{index}": tag for index, tag in enumerate(tags)}
    kind = msgspec.defstruct(
        "NamedTags",
        [
            *((name, int if tag == STEP else float) for name, tag in known.items()),
            ("nonfinite", str | None, None),
            *((name, int | float | None, None) for name in names),
        ],
        rename={**known, "nonfinite": NONFINITE, **names},
        gc=False,
        forbid_unknown_fields=strict,
    )  # fmt: skip
    decoder = msgspec.json.Decoder(kind)
    fields = {tag: _OWN[tag] for tag in own} | {tag: name for name, tag in names.items()}

    def decode(lines: bytes | memoryview) -> dict[str, list[Any]]:
        rows: list[Any] = decoder.decode_lines(lines)
        for row in rows:
            if row.nonfinite is not None:
                for tag, value in parse_nonfinite(row.nonfinite).items():
                    if tag in fields:
                        setattr(row, fields[tag], value)
        return {tag: list(map(attrgetter(name), rows)) for tag, name in fields.items()}

    return decode


@dataclass
class _Parts:
    """A column as its blocks come in."""

    blocks: "list[tuple[int, Numbers, Bools | None]]" = field(default_factory=list)

    def add(self, start: int, values: list[Any]) -> None:
        import numpy as np

        missing = values.count(None)
        if missing == len(values):
            return
        present = None
        if missing:
            present = np.array([value is not None for value in values])
            like = next(value for value in values if value is not None)
            values = [0 * like if value is None else value for value in values]
        numbers = np.array(values)  # integers and floats together become floats
        if numbers.dtype.kind not in "if":  # integers beyond 64 bits
            numbers = np.array(values, np.float64)
        self.blocks.append((start, numbers, present))

    def joined(self, rows: int) -> Column:
        """One array; rows of blocks without the tag lack it."""
        import numpy as np

        whole = all(values.dtype.kind == "i" for _, values, _ in self.blocks)
        values: Any = np.zeros(rows, np.int64 if whole and self.blocks else np.float64)
        present = np.zeros(rows, np.bool_)
        for start, block, here in self.blocks:
            values[start : start + len(block)] = block
            present[start : start + len(block)] = True if here is None else here
        return Column(values, None if present.all() else present)


def _folded(columns: dict[str, Column]) -> dict[str, Column]:
    """The rows of a step as one: tags do not repeat in it, and the clock is that of its last row."""
    import numpy as np

    steps = columns[STEP].values
    first = np.concatenate([[True], steps[1:] != steps[:-1]]) if len(steps) else np.zeros(0, np.bool_)
    if first.all():
        return columns
    last = np.concatenate([first[1:], [True]])
    group = np.cumsum(first) - 1
    folded = {}
    for tag, (values, present) in columns.items():
        if tag in _OWN:
            folded[tag] = Column(values[last], None)
            continue
        here = np.ones(len(values), np.bool_) if present is None else present
        into = np.zeros(group[-1] + 1, values.dtype)
        held = np.zeros(group[-1] + 1, np.bool_)
        into[group[here]], held[group[here]] = values[here], True
        folded[tag] = Column(into, None if held.all() else held)
    return folded
