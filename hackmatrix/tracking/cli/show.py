"""``show``: one run on one screen, once or as it grows."""

import fnmatch
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.text import Text

from hackmatrix.tracking.cli.attempts import FIGURES, SPARE, TITLES, attempt_lines
from hackmatrix.tracking.cli.finding import open_run
from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.cli.output import (
    GAP,
    console,
    megabytes,
    number,
    say,
    span,
    status_text,
    table,
    visible,
    width_of,
)
from hackmatrix.tracking.cli.sparkline import sparkline
from hackmatrix.tracking.columns import Column, ColumnReader
from hackmatrix.tracking.lines import RUNTIME, STEP
from hackmatrix.tracking.reading import RunReader, read_run
from hackmatrix.tracking.roots import DEFAULT_ROOT
from hackmatrix.tracking.run_folder import RunFolder

_LOOK_S = 1.0  # between two looks at the sizes of the files
_ASK_S = 5.0  # between two looks at the lock, which tells whether the run still lives
_LABELS = ("project", "group", "notes", "url")
_METRIC = ("TAG", "LAST", "MIN", "MAX")
_SHORT, _LONG = 16, 32  # characters of a course: those that MIN and MAX make way for, and most
_TITLES = 6  # lines of titles and blanks around metrics and attempts
_NEWEST = 3  # attempts that are shown while a run is followed
_FEWEST = 5  # metrics that are shown then, however low the terminal


@click.command(short_help="Show config, figures, attempts and artifacts of a run.")
@click.argument("name", metavar="RUN")
@click.option("--follow", "-f", is_flag=True, help="Go on showing it until it ends; Ctrl-C leaves.")
@click.option("--metric", "globs", multiple=True, metavar="GLOB", help="Only these tags; may be repeated.")
@click.option("--root", type=click.Path(path_type=Path), default=DEFAULT_ROOT, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print one array with one object.")
def show(name: str, follow: bool, globs: tuple[str, ...], root: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Show one run: config, newest figures with their course, attempts and the gaps between them, artifacts.

    \b
    Examples:
      hackmatrix-runs show RUN
      hackmatrix-runs show RUN --follow --metric "train/*"
      hackmatrix-runs show RUN --follow | tee log.txt      one line for each new row
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    if follow and as_json:
        raise click.UsageError("--follow and --json do not go together: an array has an end")
    run = open_run(name, root)
    reader = ColumnReader(run.journal)
    reader.advance()
    if as_json:
        print_json([_object(run, chosen(reader.columns(), globs))])
        return
    if follow:
        _follow(run, reader, globs)
        return
    columns = reader.columns()
    wanted = chosen(columns, globs)
    say(_screen(run, wanted, run.status, console().size))
    if globs and all(tag.startswith("_") for tag in wanted):
        known = ", ".join(visible(tag) for tag in sorted(columns) if not tag.startswith("_"))
        click.echo(f"no tag is like {', '.join(globs)}; there are: {known or 'none'}", err=True)


def chosen(columns: Mapping[str, Column], globs: Sequence[str]) -> dict[str, Column]:
    """The columns whose tags a glob fits, all without a glob, and the steps and times."""
    return {
        tag: column
        for tag, column in columns.items()
        if tag.startswith("_")
        or not globs
        or any(
            fnmatch.fnmatchcase(tag, glob) or fnmatch.fnmatchcase(tag.split("/")[-1], glob) for glob in globs
        )
    }


def _follow(run: RunReader, reader: ColumnReader, globs: Sequence[str]) -> None:
    """Sleep, look at two sizes, and draw only what is new: an idle run costs next to nothing."""
    screen = console()
    folder = RunFolder(run.folder)
    status, asked_at, described, shown = run.status, time.monotonic(), _stamp(folder), -1
    with Live(console=screen, auto_refresh=False, transient=False, vertical_overflow="crop") as live:
        changed = True
        while True:
            if changed and screen.is_terminal:
                parts = _screen(run, chosen(reader.columns(), globs), status, screen.size, brief=True)
                live.update(parts, refresh=True)
            elif changed:
                shown = _print_rows(chosen(reader.columns(), globs), shown)
            if status != "running":
                return
            try:
                time.sleep(_LOOK_S)
            except KeyboardInterrupt:
                return
            changed = reader.advance()
            stamp = _stamp(folder)
            if stamp != described or time.monotonic() - asked_at >= _ASK_S:
                run = read_run(run.folder)
                changed = changed or run.status != status or stamp != described
                status, asked_at, described = run.status, time.monotonic(), stamp


def _stamp(folder: RunFolder) -> int:
    return folder.identity.stat().st_mtime_ns


def _print_rows(columns: Mapping[str, Column], shown: int) -> int:
    """A line for each row after step ``shown``; in a pipe."""
    steps = columns[STEP].values
    for index in range(int((steps <= shown).sum()), len(steps)):
        figures = [
            f"{visible(tag)} {number(column.values[index].item())}"
            for tag, column in columns.items()
            if not tag.startswith("_") and (column.present is None or column.present[index])
        ]
        click.echo(f"step {steps[index]}  " + "  ".join(figures))
    return int(steps[-1]) if len(steps) else shown


def _object(run: RunReader, columns: Mapping[str, Column]) -> dict[str, Any]:
    return {
        **dict(run.identity),
        "status": run.status,
        "folder": str(run.folder),
        "last": {tag: _last(column) for tag, column in columns.items() if not tag.startswith("_")},
        "step": int(columns[STEP].values[-1]) if len(columns[STEP].values) else None,
        "records": [record for record in run.records() if record["kind"] == "artifact"],
    }


def _values(column: Column) -> Any:
    return column.values if column.present is None else column.values[column.present]


def _last(column: Column) -> Any:
    values = _values(column)
    return values[-1].item() if len(values) else None


def _screen(
    run: RunReader,
    columns: Mapping[str, Column],
    status: str,
    size: ConsoleDimensions,
    *,
    brief: bool = False,
) -> Group:
    """The parts; ``brief`` keeps to those that change, as many as find room on a terminal."""
    head = _head(run, columns, status)
    attempts = attempt_lines(run, columns)[-_NEWEST if brief else 0 :]
    taken = sum(1 + line.cell_len // size.width for line in head) + len(attempts) + _TITLES
    metrics = _metrics(columns, size.width, max(_FEWEST, size.height - taken) if brief else None)
    parts: list[RenderableType] = [*head]
    for title, content in (
        ("config", None if brief else _config(run.config)),
        ("metrics", metrics),
        ("attempts", table(TITLES, attempts, right=FIGURES, spare=SPARE, width=size.width)),
        ("artifacts", None if brief else _artifacts(run, size.width)),
    ):
        if content is not None:
            parts += [Text(f"\n{title}", style="bold underline"), content]
    return Group(*parts)


def _head(run: RunReader, columns: Mapping[str, Column], status: str) -> tuple[Text, Text]:
    steps = columns[STEP].values
    identity = run.identity
    where = f"step {steps[-1]:,}" if len(steps) else "no row yet"
    active = f", {span(float(columns[RUNTIME].values[-1]))} active" if len(steps) else ""
    name = Text.assemble(
        (run.name, "bold"), "  ", status_text(status), f"  {where}{active}, {len(steps):,} rows"
    )
    labels = [f"{label} {identity[label]}" for label in _LABELS if identity.get(label)]
    if identity["tags"]:
        labels.append("tags " + ",".join(identity["tags"]))
    return name, Text(visible("  ".join([str(run.folder), *labels])), style="dim")


def _config(config: Mapping[str, Any]) -> RenderableType | None:
    return table(("KEY", "VALUE"), [(key, str(value)) for key, value in config.items()]) if config else None


def _metrics(columns: Mapping[str, Column], width: int, room: int | None) -> RenderableType | None:
    """A line for each tag, its course as long as there is room; of more tags than ``room`` only how many."""
    told = {tag: _values(column) for tag, column in columns.items() if not tag.startswith("_")}
    tags = [tag for tag, values in told.items() if len(values)]
    shown = tags if room is None or len(tags) <= room else tags[: room - 1]
    if not shown:
        return None
    rows = []
    for tag in shown:
        values = told[tag]
        figures = [values[-1], values.min(), values.max()]
        rows.append((visible(tag), *(number(figure.item()) for figure in figures)))
    if width_of(_METRIC, rows) + GAP + _SHORT > width:
        rows = [row[:2] for row in rows]
    titles = _METRIC[: len(rows[0])]
    length = max(0, min(_LONG, width - width_of(titles, rows) - GAP))
    lines = table(
        (*titles, ""),
        [(*row, sparkline(told[tag], length)) for tag, row in zip(shown, rows, strict=True)],
        right=titles[1:],
    )
    if len(shown) == len(tags):
        return lines
    return Group(lines, Text(f"{len(tags) - len(shown)} more: hackmatrix-runs show RUN", style="dim"))


def _artifacts(run: RunReader, width: int) -> RenderableType | None:
    rows = []
    for line in run.records():
        if line["kind"] != "artifact":
            continue
        place = run.folder / line["place"]
        files = [path for path in place.rglob("*") if path.is_file()] if place.is_dir() else []
        size = megabytes(sum(path.stat().st_size for path in files)) if files else "removed"
        rows.append(
            (line["name"], line["type"], number(line[STEP]), size, ",".join(line["aliases"]), line["place"])
        )
    titles = ("NAME", "TYPE", "STEP", "SIZE", "ALIASES", "PLACE")
    return table(titles, rows, right=titles[2:4], spare=("PLACE",), width=width) if rows else None
