"""Charts as a picture, as a page that opens from disk, and in a terminal."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hackmatrix.tracking.cli.curves import Chart
from hackmatrix.tracking.cli.output import visible

# Okabe and Ito's colours, in an order that keeps neighbours apart for every kind of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#666666")
_MARKS = "ox+*#%@$"
_TERMINAL_COLOURS = ("blue+", "orange+", "green+", "magenta+", "yellow+", "cyan+", "red+", "gray+")
_EDGE = "·"  # of a band, in a terminal


def _colours(charts: Sequence[Chart], palette: Sequence[str]) -> dict[str, str]:
    """A curve's label -> its colour, the same in every chart."""
    labels = dict.fromkeys(curve.label for chart in charts for curve in chart.curves)
    return {label: palette[index % len(palette)] for index, label in enumerate(labels)}


def draw_picture(charts: Sequence[Chart], path: Path, *, log_y: bool) -> None:
    """PNG or SVG, by the file's suffix."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    across = 1 if len(charts) == 1 else 2
    down = math.ceil(len(charts) / across)
    colours = _colours(charts, COLOURS)
    style: Any = {
        "svg.fonttype": "none",
        "font.size": 10,
        "agg.path.chunksize": 500,  # a noisy curve is drawn in a third of the time
    }
    with mpl.rc_context(style):
        figure = Figure(
            figsize=(8 * across if across == 1 else 6.5 * across, 4.5 * down), layout="constrained"
        )
        for index, chart in enumerate(charts):
            _draw_axes(figure.add_subplot(down, across, index + 1), chart, colours, log_y=log_y)
        figure.savefig(path, dpi=130)


def _draw_axes(axes: Any, chart: Chart, colours: Mapping[str, str], *, log_y: bool) -> None:
    for curve in chart.curves:
        colour = colours[curve.label]
        label = curve.label.lstrip("_") or curve.label  # matplotlib hides what begins with _
        mark = "o" if len(curve.x) == 1 else None
        axes.plot(curve.x, curve.y, color=colour, linewidth=1.4, label=label, marker=mark)
        if curve.low is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    axes.set_title(chart.tag, fontsize=11, parse_math=False)  # what a person named may have a $ in it
    axes.set_xlabel(chart.x_label)
    axes.set_yscale("log" if log_y else "linear")
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    legend = axes.legend(fontsize=8, framealpha=0.85, edgecolor="none")  # readable where curves cover all
    for text in legend.get_texts():
        text.set_parse_math(False)


def draw_page(charts: Sequence[Chart], path: Path, *, title: str, log_y: bool) -> None:
    """One HTML file without any other."""
    colours = _colours(charts, COLOURS)
    data = {
        "title": title,
        "log": log_y,
        "charts": [
            {
                "tag": chart.tag,
                "x": chart.x_label,
                "curves": [
                    {
                        "label": curve.label,
                        "colour": colours[curve.label],
                        "x": _plain(curve.x),
                        "y": _plain(curve.y),
                        "low": None if curve.low is None else _plain(curve.low),
                        "high": None if curve.high is None else _plain(curve.high),
                    }
                    for curve in chart.curves
                ],
            }
            for chart in charts
        ],
    }
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c")  # a tag called </script> ends nothing
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    path.write_text(page.replace("/*DATA*/", safe), encoding="utf-8")


def _plain(values: Any) -> list[float | None]:
    return [float(f"{value:.9g}") if math.isfinite(value) else None for value in values.tolist()]


def draw_in_terminal(charts: Sequence[Chart], width: int, *, colour: bool, log_y: bool) -> str:
    """Fine dots and a legend; coarser marks where several curves have no colours to be told apart by."""
    import plotext

    colours = _colours(charts, _TERMINAL_COLOURS)
    drawn = []
    for chart in charts:
        plotext.clear_figure()
        plotext.theme("clear")
        plotext.plot_size(width, 20)
        plotext.title(visible(chart.tag))
        plotext.xlabel(chart.x_label)
        for curve in chart.curves:
            for edge in (curve.low, curve.high):
                if edge is not None:
                    x, y = _points(curve.x, edge, log_y=log_y)
                    plotext.scatter(x, y, marker=_EDGE, color=colours[curve.label].removesuffix("+"))
        for index, curve in enumerate(chart.curves):
            x, y = _points(curve.x, curve.y, log_y=log_y)
            if x:
                plotext.plot(
                    x,
                    y,
                    marker="braille" if colour or len(chart.curves) == 1 else _MARKS[index % len(_MARKS)],
                    color=colours[curve.label],
                    label=visible(curve.label),
                )
        if log_y:
            plotext.ylabel("log10")
        text = plotext.build()
        drawn.append(text if colour else plotext.uncolorize(text))
    return "\n".join(drawn)


def _points(xs: Any, ys: Any, *, log_y: bool) -> tuple[list[float], list[float]]:
    """Those that have a place on the axes."""
    told = [
        (x, math.log10(y) if log_y else y)
        for x, y in zip(xs.tolist(), ys.tolist(), strict=True)
        if math.isfinite(y) and (y > 0 or not log_y)
    ]
    return [x for x, _ in told], [y for _, y in told]
