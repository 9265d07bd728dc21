"""``plot``: runs over each other, as a picture, as a page, or in the terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click

from hackmatrix.tracking.cli.curves import Axis, Chart, CurveError, make_charts
from hackmatrix.tracking.cli.drawing import draw_in_terminal, draw_page, draw_picture
from hackmatrix.tracking.cli.finding import open_runs
from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.cli.output import colourful, console, visible
from hackmatrix.tracking.roots import DEFAULT_ROOT

_SUFFIXES = (".png", ".svg", ".html")


@click.command(short_help="Lay the curves of runs over each other.")
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--metric", "globs", multiple=True, metavar="GLOB", help="Tags, or their last parts; may be repeated."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help=".png, .svg or .html")
@click.option(
    "--x", "axis", type=click.Choice(["step", "env_steps", "time"]), default="step", show_default=True
)
@click.option(
    "--smooth",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Draw the mean of N neighbouring rows.",
)
@click.option("--each", is_flag=True, help="Draw every run for itself, also where only seeds differ.")
@click.option(
    "--iqm", is_flag=True, help="Of such runs the interquartile mean, in its 95% interval over runs, instead."
)
@click.option("--log-y", is_flag=True, help="A logarithmic y axis (the page can switch).")
@click.option("--root", type=click.Path(path_type=Path), default=DEFAULT_ROOT, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the points instead.")
def plot(
    names: tuple[str, ...],
    globs: tuple[str, ...],
    output: Path | None,
    axis: str,
    smooth: int,
    each: bool,  # noqa: FBT001 - click passes options by name
    iqm: bool,  # noqa: FBT001 - likewise
    log_y: bool,  # noqa: FBT001 - likewise
    root: Path,
    as_json: bool,  # noqa: FBT001 - likewise
) -> None:
    """Lay the curves of runs over each other: in the terminal, or into FILE. A RUN may also be a group of them.

    Runs whose configs differ in nothing but the seed become one curve: their mean, in a band of one standard
    deviation. Without --metric it is the episode return, else whatever comes closest.

    \b
    Examples:
      hackmatrix-runs plot RUN
      hackmatrix-runs plot RUN RUN RUN --metric loss --metric "*return" --smooth 20 -o curves.png
      hackmatrix-runs plot RUN RUN --x env_steps -o curves.html
      hackmatrix-runs plot GROUP --iqm
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    if output is not None and output.suffix.lower() not in _SUFFIXES:
        raise click.UsageError(f"{str(output)!r} ends in none of {', '.join(_SUFFIXES)}")
    if output is not None and not output.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {str(output.parent)!r}; make it first")
    named = [run for name in names for run in open_runs(name, root)]
    runs = list({run.folder.resolve(): run for run in named}.values())
    try:
        charts = make_charts(runs, globs, cast("Axis", axis), smooth, each=each, iqm=iqm)
    except CurveError as problem:
        raise click.UsageError(str(problem)) from problem
    _tell_what_is_missing(charts, log_y=log_y)
    if as_json:
        print_json(_objects(charts))
    if output is None:
        if not as_json:
            screen = console()
            width = min(screen.width, 110) if screen.is_terminal else 100
            click.echo(draw_in_terminal(charts, width, colour=colourful(), log_y=log_y))
        return
    if output.suffix.lower() == ".html":
        title = runs[0].name if len(runs) == 1 else f"{len(runs)} runs"
        draw_page(charts, output, title=title, log_y=log_y)
    else:
        draw_picture(charts, output, log_y=log_y)
    if not as_json:
        click.echo(output)


def _objects(charts: list[Chart]) -> Iterator[dict[str, Any]]:
    for chart in charts:
        for curve in chart.curves:
            arrays = {name: values for name, values in curve._asdict().items() if name != "label"}
            told = {name: values.tolist() for name, values in arrays.items() if values is not None}
            yield {"tag": chart.tag, "label": curve.label, **told}


def _tell_what_is_missing(charts: list[Chart], *, log_y: bool) -> None:
    """A curve of which nothing can be drawn is no empty chart without a word."""
    import numpy as np

    for chart in charts:
        for curve in chart.curves:
            if not (np.isfinite(curve.y) & ((curve.y > 0) | (not log_y))).any():
                why = "no value is finite" + (" or above 0" if log_y else "")
                told = f"warning: nothing to draw of {chart.tag} for {curve.label}: {why}"
                click.echo(visible(told), err=True)
