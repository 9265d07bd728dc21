"""A curve as a picture: one panel for each unit, axes logarithmic where what is drawn spans far and holds no zero."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from scaling_tracking import Figures

mpl.use("Agg")

from matplotlib import pyplot as plt


def draw(curve: Any, found: Sequence[Figures], path: Path) -> None:
    """Draw the curve of `scaling.py` into a file."""
    headings = {column.key: column.heading for column in curve.columns}
    xs = [each["x"] for each in found]
    figure, panels = plt.subplots(
        1, len(curve.drawn), figsize=(4.2 * len(curve.drawn), 3.2), layout="constrained", squeeze=False
    )
    for panel, keys in zip(panels[0], curve.drawn, strict=True):
        for key in keys:
            ys = [each[key] for each in found]
            panel.plot(xs, ys, marker="o", markersize=4, label=headings[key])
        drawn = [each[key] for each in found for key in keys]
        wide = max(drawn) > 4 * min(drawn) > 0
        panel.set_xscale("log" if min(xs) > 0 else "linear")
        panel.set_yscale("log" if min(xs) > 0 and wide else "linear")
        if panel.get_yscale() == "linear":
            panel.set_ylim(0, 1.1 * max(drawn))
        panel.set_xticks(xs, [f"{x:,.0f}" for x in xs], minor=False)
        panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        panel.set_xlabel(curve.what)
        panel.grid(visible=True, which="major", alpha=0.3)
        if len(keys) > 1:
            panel.legend(fontsize=8)
        else:
            panel.set_ylabel(headings[keys[0]])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
