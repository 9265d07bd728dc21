"""How the command line speaks: tables for people, one array for programs, one sentence for what is wrong."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 10_000  # nothing is cut off where no terminal has an edge
STATUS_COLOURS = {
    "running": "cyan",
    "finished": "green",
    "failed": "red",
    "lost": "red",
    "interrupted": "yellow",
    "preempted": "yellow",
}


def console() -> Console:
    """Standard output, made anew so that it is the one of now."""
    plain = Console(highlight=False, soft_wrap=False)
    return plain if plain.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def print_json(objects: Iterable[Any]) -> None:
    """One array of strict JSON; NaN and infinities become null."""
    text = json.dumps([_strict(each) for each in objects], indent=1, ensure_ascii=False, allow_nan=False)
    sys.stdout.write(text + "\n")


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return [_strict(item) for item in value] if isinstance(value, list | tuple) else value


def table(titles: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: Sequence[str] = ()) -> Table:
    """A table without lines; columns named in ``right`` are numbers."""
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for title in titles:
        grid.add_column(title, justify="right" if title in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))  # no markup in data
    return grid


def status_text(status: str) -> Text:
    """The status in its colour."""
    return Text(status, style=STATUS_COLOURS.get(status, ""))


def number(value: float | None) -> str:
    """A figure in about six characters; whole numbers whole."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if value.is_integer() and abs(value) < 1e6:
        return f"{value:.1f}"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def span(seconds: float) -> str:
    """A length of time in one unit or two."""
    whole = max(0, int(seconds))
    for size, unit, smaller, small in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}{unit}" + (f" {rest}{small}" if rest and whole < 10 * size else "")
    return f"{whole}s"


def megabytes(size: float) -> str:
    """A size as people read it."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
