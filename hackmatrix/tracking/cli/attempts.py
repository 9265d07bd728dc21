"""The attempts of a run, a line for each: when it began, how long it ran, how long after the one before."""

import itertools
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

from rich.text import Text

from hackmatrix.tracking.cli.output import number, span, status_text
from hackmatrix.tracking.columns import Column
from hackmatrix.tracking.lines import STEP, TIMESTAMP
from hackmatrix.tracking.reading import RunReader

TITLES = ("#", "STARTED", "GAP", "RAN FOR", "STATUS", "AFTER STEP", "HOST", "COMMIT")
FIGURES = ("GAP", "RAN FOR", "AFTER STEP")
SPARE = ("COMMIT", "HOST", "AFTER STEP", "GAP")  # the first to go on a narrow terminal stands first
Line: TypeAlias = tuple[str | Text, ...]


def attempt_lines(run: RunReader, columns: Mapping[str, Column]) -> list[Line]:
    """What stands below ``TITLES``; a killed attempt, which told no end, ran at least until its last row.

    Args:
        run: whose attempts.
        columns: of its journal, with steps and times.
    """
    lines: list[Line] = []
    end: float | None = None
    killed = False
    for attempt, following in itertools.zip_longest(run.attempts, run.attempts[1:]):
        started = attempt["started"]
        status = run.status if following is None else attempt.get("status") or "lost"
        gap = _length(started, end, "<= " if killed else "") if lines else ""
        end = attempt.get("ended")
        if end is None and status == "running":
            end = time.time()
        killed = end is None
        if killed:
            end = _last_row(columns, attempt, following)
        lines.append(
            (
                str(attempt["number"]),
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)),
                gap,
                _length(end, started, ">= " if killed else ""),
                status_text(status),
                number(attempt.get("from_step")),
                str(attempt.get("host", "")),
                str(attempt.get("commit") or ""),
            )
        )
    return lines


def _length(end: float | None, start: float | None, bound: str) -> str:
    return "?" if end is None or start is None else f"{bound}{span(end - start)}"


def _last_row(
    columns: Mapping[str, Column], attempt: Mapping[str, Any], following: Mapping[str, Any] | None
) -> float | None:
    """Unix seconds of the last row that is left of an attempt; none if the next one took back all of them."""
    steps, times = columns[STEP].values, columns[TIMESTAMP].values
    count = len(steps)
    if following is not None:
        went_on = following.get("from_step")
        count = 0 if went_on is None else int(steps.searchsorted(went_on, side="right"))
    newest = float(times[count - 1]) if count else None
    return newest if newest is not None and newest >= attempt["started"] else None
