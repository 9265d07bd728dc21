"""``ls``: the runs in a folder, sorted and filtered."""

import math
from pathlib import Path
from typing import Any

import click

from hackmatrix.tracking.cli.listing import Listed, lacked, list_runs
from hackmatrix.tracking.cli.output import STATUS_COLOURS, number, print_json, span
from hackmatrix.tracking.cli.where import FilterError, Lookup, parse_filter
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root

_NUMBERS = ("STEP", "RETURN", "STEPS/S", "AGE")


@click.command(short_help="List runs, sorted and filtered.")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--where", "filters", multiple=True, metavar="EXPR", help="Only runs of which this is true.")
@click.option(
    "--sort", default="created", metavar="FIELD", show_default=True, help="Ascending; -FIELD descends."
)
@click.option("-n", "--limit", type=click.IntRange(min=1), metavar="N", help="Only the last N of the list.")
@click.option("--json", "as_json", is_flag=True, help="Print one array, with config and summary.")
def ls(directory: Path | None, filters: tuple[str, ...], sort: str, limit: int | None, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """List the runs in DIR (default: HACKMATRIX_DIR, else runs), the newest at the bottom.

    \b
    Fields for --where and --sort:
      name id status step return steps_per_second age created tags project
      group job_type notes attempts host config.KEY summary.KEY last.KEY attempt.KEY
    A KEY may be shortened to its last part: summary.loss for summary.train/loss.

    \b
    Examples:
      hackmatrix-runs ls --where "status == 'running'"
      hackmatrix-runs ls --where "config.env == 'hackmatrix' and summary.mean_episode_return > 3"
      hackmatrix-runs ls --where "'ablation' in tags or name like '*-ablation'" --sort -return
      hackmatrix-runs ls --where "age < 86400 and not (status in ['failed', 'lost'])" --json
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    root = run_root(directory if directory is not None else DEFAULT_ROOT)
    if not root.is_dir():
        raise click.UsageError(f"there is no folder {str(root)!r}; give the one that holds the runs")
    problems: list[str] = []
    try:
        wanted = [parse_filter(text) for text in filters]
        every, asked = list(list_runs(root, problems)), dict[str, None]()
        runs = [run for run in every if all(matches(_noting(run, asked)) for matches in wanted)]
        key = sort.removeprefix("-")
        runs.sort(key=lambda run: _rank(run.lookup(key)), reverse=sort.startswith("-"))
    except FilterError as problem:
        raise click.UsageError(str(problem)) from problem
    runs = runs[-limit:] if limit is not None else runs
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


def _rank(value: Any) -> tuple[int, Any]:
    """Values of unlike types in an order: nothing first, then numbers, then texts."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, value
    return 2, str(value)


def _print(runs: list[Listed]) -> None:
    """Columns of text; made by hand, since a thousand lines of a library's table take most of a second."""
    titles = ("NAME", "STATUS", "STEP", "RETURN", "STEPS/S", "AGE", "TAGS")
    rows = [titles]
    for run in runs:
        fields = run.fields()
        figures = (number(run.step), number(fields["return"]), number(fields["steps_per_second"]))
        rows.append((fields["name"], run.status, *figures, span(fields["age"]), ",".join(fields["tags"])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        cells = [
            cell.rjust(width) if title in _NUMBERS else cell.ljust(width)
            for title, cell, width in zip(titles, row, widths, strict=True)
        ]
        if index:
            cells[1] = click.style(cells[1], fg=STATUS_COLOURS.get(row[1]))
        line = "  ".join(cells).rstrip()
        click.echo(line if index else click.style(line, bold=True))
