"""How the command line speaks to people: tables, figures, and texts that a terminal can be trusted with."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 10_000  # nothing is cut off where no terminal has an edge
GAP = 2  # blanks between two columns
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


def colourful() -> bool:
    """Whether standard output shows colours: a terminal, neither a dumb one nor one of who sets NO_COLOR."""
    screen = console()
    return screen.is_terminal and not screen.no_color and not screen.is_dumb_terminal


def say(*parts: RenderableType) -> None:
    """Print, in a pipe without the blanks that fill a table's last column."""
    screen = console()
    if screen.is_terminal:
        screen.print(*parts, sep="\n")
        return
    with screen.capture() as told:
        screen.print(*parts, sep="\n")
    sys.stdout.write("\n".join(line.rstrip() for line in told.get().split("\n")))


def visible(text: str) -> str:
    r"""The text with what a terminal would obey, e.g. an escape or a newline, as Python writes it: ``\x1b``."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    right: Sequence[str] = (),
    spare: Sequence[str] = (),
    width: int = _PIPE_WIDTH,
) -> Table:
    """A table without lines.

    Args:
        titles: of the columns; all empty: no line for them.
        rows: cells; texts are escaped where a terminal would obey them.
        right: columns of numbers.
        spare: columns that are left out, the first one first, until a line fits in ``width``.
        width: characters in a line.
    """
    left_out = set[str]()
    for title in spare:
        if width_of(titles, rows, left_out) > width:
            left_out.add(title)
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False, show_header=any(titles))
    for title in titles:
        if title not in left_out:
            grid.add_column(_shown(title), justify="right" if title in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(
            *(_shown(cell) for title, cell in zip(titles, row, strict=True) if title not in left_out)
        )
    return grid


def width_of(
    titles: Sequence[str], rows: Sequence[Sequence[str | Text]], left_out: Iterable[str] = ()
) -> int:
    """Characters in a line of such a table."""
    columns = zip(titles, *rows, strict=True)
    kept = [column for column in columns if column[0] not in left_out]
    return sum(max(_shown(cell).cell_len for cell in column) + GAP for column in kept) - GAP


def _shown(cell: str | Text) -> Text:
    return Text(visible(cell)) if isinstance(cell, str) else cell


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
