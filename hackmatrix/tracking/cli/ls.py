"""``ls``: the runs in a folder, sorted and filtered."""

from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len, set_cell_size

from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.cli.listing import Listed, lacked, list_runs
from hackmatrix.tracking.cli.output import STATUS_COLOURS, colourful, console, number, span, visible
from hackmatrix.tracking.cli.where import FilterError, Lookup, parse_filter
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root

_NUMBERS = ("STEP", "RETURN", "STEPS/S", "AGE")
_LEAST = 12  # characters that stay of a name or of tags on a narrow terminal


@click.command(short_help="List runs, sorted and filtered.")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--where", "filters", multiple=True, metavar="EXPR", help="Only runs of which this is true.")
@click.option("--sort", metavar="FIELD", help="Ascending; -FIELD descends; who lacks it comes last.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only the first N of a list that --sort has sorted; without --sort the newest N.",
)
@click.option("--root", type=click.Path(path_type=Path), default=DEFAULT_ROOT, metavar="DIR", help="As DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print one array, with config and summary.")
def ls(
    directory: Path | None,
    filters: tuple[str, ...],
    sort: str | None,
    limit: int | None,
    root: Path,
    as_json: bool,  # noqa: FBT001 - click passes options by name
) -> None:
    """List the runs in DIR (default: HACKMATRIX_DIR, else runs), the newest at the bottom.

    \b
    Fields for --where and --sort:
      name id status step return steps_per_second age created tags project
      group job_type notes attempts host config.KEY summary.KEY last.KEY attempt.KEY
    A KEY may be shortened to its last part: summary.loss for summary.train/loss.

    \b
    Examples:
      hackmatrix-runs ls --where "status == 'running'"
      hackmatrix-runs ls --sort -return -n 3
      hackmatrix-runs ls --where "config.env == 'hackmatrix' and summary.mean_episode_return > 3"
      hackmatrix-runs ls --where "'ablation' in tags or name like '*-ablation'" --sort -return
      hackmatrix-runs ls --where "age < 86400 and not (status in ['failed', 'lost'])" --json
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    root = run_root(root if directory is None else directory)
    if not root.is_dir():
        raise click.UsageError(f"there is no folder {str(root)!r}; give the one that holds the runs")
    problems: list[str] = []
    try:
        wanted = [parse_filter(text) for text in filters]
        every, asked = list(list_runs(root, problems)), dict[str, None]()
        runs = [run for run in every if all(matches(_noting(run, asked)) for matches in wanted)]
        runs = _sorted(runs, sort or "created")
    except FilterError as problem:
        raise click.UsageError(str(problem)) from problem
    if limit is not None:
        runs = runs[:limit] if sort else runs[-limit:]
    if as_json:
        print_json(
            {**run.fields(), "config": run.identity["config"], "summary": run.summary()} for run in runs
        )
    elif runs:
        _print(runs)
    else:
        why = lacked(every, asked)
        click.echo(
            f"no run in {root}" + (" matches" if every else "") + (f": {why}" if why else ""), err=True
        )
    for told in problems:
        click.echo(f"warning: {told}", err=True)


def _noting(run: Listed, asked: dict[str, None]) -> Lookup:
    """The run's lookup, which also notes what was looked up."""

    def lookup(field: str) -> Any:
        asked[field] = None
        return run.lookup(field)

    return lookup


def _sorted(runs: list[Listed], sort: str) -> list[Listed]:
    """In the order of a field; those without it, or where it is NaN, come last whichever way."""
    values = [(run.lookup(sort.removeprefix("-")), run) for run in runs]
    lacking = [run for value, run in values if value is None or value != value]  # noqa: PLR0124 - NaN
    found = [(value, run) for value, run in values if value is not None and value == value]  # noqa: PLR0124 - likewise
    found.sort(key=lambda pair: _rank(pair[0]), reverse=sort.startswith("-"))
    return [*(run for _, run in found), *lacking]


def _rank(value: Any) -> tuple[int, Any]:
    """Values of unlike types in an order: numbers, then texts."""
    return (0, value) if isinstance(value, bool | int | float) else (1, str(value))


def _print(runs: list[Listed]) -> None:
    """Columns of text; made by hand, since a thousand lines of a library's table take most of a second."""
    titles = ("NAME", "STATUS", "STEP", "RETURN", "STEPS/S", "AGE", "TAGS")
    rows = [titles]
    for run in runs:
        fields = run.fields()
        figures = (number(run.step), number(fields["return"]), number(fields["steps_per_second"]))
        tags = visible(",".join(fields["tags"]))
        rows.append((visible(run.name), run.status, *figures, span(fields["age"]), tags))
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    screen, colour = console(), colourful()
    if screen.is_terminal:
        _narrow(widths, screen.width)
    for index, row in enumerate(rows):
        cells = [
            cell.rjust(width) if title in _NUMBERS else _fitted(cell, width)
            for title, cell, width in zip(titles, row, widths, strict=True)
        ]
        if index:
            cells[1] = click.style(cells[1], fg=STATUS_COLOURS.get(row[1]))
        line = "  ".join(cells).rstrip()
        click.echo(line if index else click.style(line, bold=True), color=colour)


def _narrow(widths: list[int], width: int) -> None:
    """Take from the tags, then from the names, what a line is too long."""
    for column in (-1, 0):
        over = sum(widths) + 2 * (len(widths) - 1) - width
        widths[column] -= max(0, min(over, widths[column] - _LEAST))


def _fitted(text: str, width: int) -> str:
    """The text in a column's width, if need be without its middle: a run's name ends in what tells it apart."""
    if cell_len(text) > width:
        head = width // 2
        text = set_cell_size(text, head) + "…" + text[len(text) - (width - head - 1) :]
    return set_cell_size(text, width)
