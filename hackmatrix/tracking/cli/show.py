"""``show``: one run on one screen, once or as it grows."""

import fnmatch
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from hackmatrix.tracking.cli.finding import open_run
from hackmatrix.tracking.cli.output import (
    console,
    megabytes,
    number,
    print_json,
    span,
    status_text,
    table,
)
from hackmatrix.tracking.cli.sparkline import sparkline
from hackmatrix.tracking.columns import Column, ColumnReader
from hackmatrix.tracking.lines import RUNTIME, STEP
from hackmatrix.tracking.reading import RunReader, read_run
from hackmatrix.tracking.roots import DEFAULT_ROOT
from hackmatrix.tracking.run_folder import RunFolder

_LOOK_S = 1.0  # between two looks at the sizes of the files
_ASK_S = 5.0  # between two looks at the lock, which tells whether the run still lives


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
    run = open_run(name, root)
    reader = ColumnReader(RunFolder(run.folder).metrics)
    reader.advance()
    if as_json:
        print_json([_object(run, chosen(reader.columns(), globs))])
        return
    if follow:
        _follow(run, reader, globs)
        return
    screen, columns = console(), reader.columns()
    wanted = chosen(columns, globs)
    screen.print(_screen(run, wanted, run.status))
    if globs and all(tag.startswith("_") for tag in wanted):
        known = ", ".join(sorted(tag for tag in columns if not tag.startswith("_")))
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
                live.update(_screen(run, chosen(reader.columns(), globs), status, brief=True), refresh=True)
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
            f"{tag} {number(column.values[index].item())}"
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


def _screen(run: RunReader, columns: Mapping[str, Column], status: str, *, brief: bool = False) -> Group:
    """The parts; ``brief`` keeps to those that change, so that they find room on a terminal."""
    steps = columns[STEP].values
    identity = run.identity
    where = f"step {steps[-1]:,}" if len(steps) else "no row yet"
    active = f", {span(float(columns[RUNTIME].values[-1]))} active" if len(steps) else ""
    head = Text.assemble(
        (run.name, "bold"), "  ", status_text(status), f"  {where}{active}, {len(steps):,} rows"
    )
    labels = [
        f"{label} {identity[key]}"
        for label, key in (("project", "project"), ("group", "group"), ("notes", "notes"), ("url", "url"))
        if identity.get(key)
    ]
    if identity.get("tags"):
        labels.append("tags " + ",".join(identity["tags"]))
    parts: list[Any] = [head, Text("  ".join([str(run.folder), *labels]), style="dim")]
    for title, content in (
        ("config", None if brief else _config(run.config)),
        ("metrics", _metrics(columns)),
        ("attempts", _attempts(run)),
        ("artifacts", None if brief else _artifacts(run)),
    ):
        if content is not None:
            parts += [Text(f"\n{title}", style="bold underline"), content]
    return Group(*parts)


def _config(config: Mapping[str, Any]) -> Any:
    return table(("KEY", "VALUE"), [(key, str(value)) for key, value in config.items()]) if config else None


def _metrics(columns: Mapping[str, Column]) -> Any:
    rows = []
    for tag, column in columns.items():
        values = _values(column)
        if tag.startswith("_") or not len(values):
            continue
        figures = [values[-1], values.min(), values.max()]
        rows.append((tag, *(number(figure.item()) for figure in figures), sparkline(values)))
    return table(("TAG", "LAST", "MIN", "MAX", ""), rows, right=("LAST", "MIN", "MAX")) if rows else None


def _attempts(run: RunReader) -> Any:
    rows = []
    ended: float | None = None
    for index, attempt in enumerate(run.attempts):
        started, newest = attempt["started"], index == len(run.attempts) - 1
        status = run.status if newest else attempt.get("status") or "lost"
        gap = "" if index == 0 else "?" if ended is None else span(started - ended)
        ended = attempt.get("ended")
        end = ended if ended is not None else time.time() if status == "running" else None
        rows.append(
            (
                str(attempt["number"]),
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)),
                gap,
                "?" if end is None else span(end - started),
                status_text(status),
                number(attempt.get("from_step")),
                str(attempt.get("host", "")),
                str(attempt.get("commit") or ""),
            )
        )
    titles = ("#", "STARTED", "GAP", "RAN FOR", "STATUS", "AFTER STEP", "HOST", "COMMIT")
    return table(titles, rows, right=("GAP", "RAN FOR", "AFTER STEP"))


def _artifacts(run: RunReader) -> Any:
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
    return (
        table(("NAME", "TYPE", "STEP", "SIZE", "ALIASES", "PLACE"), rows, right=("STEP", "SIZE"))
        if rows
        else None
    )
