"""Many rows said in one call: columns, or one packed array, to rows."""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from hackmatrix.tracking.errors import MetricValueError, StepOrderError
from hackmatrix.tracking.lines import RUNTIME, STEP, TIMESTAMP, as_line
from hackmatrix.tracking.ordering import whole_number
from hackmatrix.tracking.protocol import Number
from hackmatrix.tracking.values import array_to_numbers, keep_array

Guard: TypeAlias = Callable[[str, Callable[[], None]], None]


class Series:
    """T rows whose values may still be being computed.

    Args:
        columns: tag -> array of shape (T,), or one packed array of shape (T, K) with its K ``tags``.
        steps: T strictly ascending steps.
        present: tag -> (T,) booleans; a false leaves the tag out of that row.

    Raises:
        MetricValueError: a shape does not fit the steps and tags.
        StepOrderError: the steps do not ascend.
    """

    def __init__(
        self,
        columns: Mapping[str, Any] | Any,
        steps: Sequence[int],
        present: Mapping[str, Sequence[bool]] | None,
        tags: Sequence[str] | None,
    ) -> None:
        self.steps = [step if type(step) is int and step >= 0 else whole_number(step) for step in steps]
        if any(map(operator.le, self.steps[1:], self.steps)):
            raise StepOrderError(f"steps {_short(self.steps)} do not ascend strictly; give each step one row")
        self.packed = tags is not None
        if not self.packed and not isinstance(columns, Mapping):
            raise MetricValueError(
                f"columns are of type {type(columns).__name__}, expected a mapping of tags to arrays; give "
                "the K tags of a packed array: tags=[...]"
            )
        self.tags: list[str] = list(tags) if tags is not None else list(columns)
        count = len(self.steps)
        if self.packed:
            if len(set(self.tags)) != len(self.tags):
                raise MetricValueError(
                    "tags of a packed array are repeated; each column needs a tag of its own"
                )
            self._values: list[Any] = [keep_array(columns, (count, len(self.tags)), "the packed array")]
        else:
            self._values = [
                keep_array(column, (count,), f"column {tag!r}") for tag, column in columns.items()
            ]
        self._present = {tag: [bool(there) for there in mask] for tag, mask in (present or {}).items()}
        for tag, mask in self._present.items():
            if tag not in self.tags or len(mask) != count:
                raise MetricValueError(
                    f"present[{tag!r}] has {len(mask)} values for {count} steps"
                    if tag in self.tags
                    else f"present names {tag!r}, which is no column; columns are {_short(self.tags)}"
                )

    def tags_at(self, index: int) -> list[str]:
        """The tags that the row of that index has."""
        return [tag for tag in self.tags if tag not in self._present or self._present[tag][index]]

    def is_ready(self) -> bool:
        """Whether no value is still being computed."""
        return all(is_ready(value) for value in self._values)

    def lines(self, timestamp: float, runtime: float, guard: Guard) -> list[dict[str, Any]]:
        """The rows as lines, every one at the time of the call; waits for values still being computed.

        Args:
            timestamp: unix seconds.
            runtime: active seconds of the run.
            guard: calls its second argument; a column that cannot be read is told under the name in the first,
                and is absent.
        """
        tags, table = self._table(guard)
        whole = dict.fromkeys(
            (*tags, STEP, TIMESTAMP, RUNTIME)
        )  # a copy costs less than a mapping that grows
        rows: list[dict[str, Any]] = []
        for step, values in zip(self.steps, table, strict=True):
            row: dict[str, Any] = whole.copy()
            row.update(zip(tags, values, strict=True))
            rows.append(as_line(row, step, timestamp, runtime))
        for tag, mask in self._present.items():
            for row, there in zip(rows, mask, strict=True):
                if not there:
                    row.pop(tag, None)
        return rows

    def _table(self, guard: Guard) -> tuple[Sequence[str], Sequence[Sequence[Number]]]:
        """Tags that could be read, and their numbers for each row, whether present or not."""
        if self.packed:
            table: list[list[Number]] = []
            guard(
                "a packed array", lambda: table.extend(array_to_numbers(self._values[0], "the packed array"))
            )
            return (self.tags, table) if table else ((), [()] * len(self.steps))
        columns: dict[str, list[Number]] = {}
        for tag, value in zip(self.tags, self._values, strict=True):
            guard(f"column {tag!r}", partial(_set_column, columns, tag, value))
        if not columns:
            return (), [()] * len(self.steps)
        return list(columns), list(zip(*columns.values(), strict=True))


def _set_column(columns: dict[str, list[Number]], tag: str, value: Any) -> None:
    columns[tag] = array_to_numbers(value, tag)


def is_ready(value: Any) -> bool:
    """Whether taking the value does not wait; arrays of hosts are always ready."""
    ask = getattr(value, "is_ready", None)
    try:
        return ask is None or bool(ask())
    except RuntimeError:
        return True  # deleted meanwhile: nothing to wait for, and told when it is converted


def _short(items: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, items[:6]))
    return f"[{shown}{', ...' if len(items) > 6 else ''}]"
