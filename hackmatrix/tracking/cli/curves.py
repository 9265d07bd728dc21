"""Curves out of runs: which tags, along which axis, smoothed, seeds of one config as mean and band."""

import contextlib
import fnmatch
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from hackmatrix.tracking.cli.listing import read_end
from hackmatrix.tracking.cli.output import visible
from hackmatrix.tracking.columns import Column, read_columns
from hackmatrix.tracking.journal import lines_of, read_chunks
from hackmatrix.tracking.lines import RUNTIME, STEP, decode_row
from hackmatrix.tracking.reading import RunReader
from hackmatrix.tracking.run_folder import RunFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

Axis: TypeAlias = Literal["step", "env_steps", "time"]
_WILD = frozenset("*?[")
_LIKED = ("*mean_episode_return", "*return*", "*reward*", "*loss*", "*")  # what is shown where nobody asks
_HEAD = 64 << 10  # bytes at the beginning of a journal that are searched for tags
_KEYS = 3  # of a config that name a curve, if they tell it from every other
_GRID = 500  # points of a mean over runs that were not logged at the same places
_MOST_POINTS = 4000  # of a curve; more than any screen has columns
_UNITS = ((7200.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


class CurveError(ValueError):
    """Nothing to draw; the message says what there is."""


class Curve(NamedTuple):
    """One line of a chart; ``low`` and ``high`` bound the band around it."""

    label: str
    x: "Floats"
    y: "Floats"
    low: "Floats | None" = None
    high: "Floats | None" = None


class Chart(NamedTuple):
    """The curves of one tag."""

    tag: str
    x_label: str
    curves: list[Curve]


class _Series(NamedTuple):
    x: "Floats"
    y: "Floats"


def make_charts(
    runs: Sequence[RunReader], globs: Sequence[str], axis: Axis, smooth: int, *, each: bool, iqm: bool = False
) -> list[Chart]:
    """A chart for each tag that a glob fits, with a curve for each run or config that has it.

    Args:
        runs: whose rows.
        globs: of tags, or of their last parts; none: the return, else what comes closest.
        axis: what x is.
        smooth: rows that are averaged to a point; 1 draws what was logged.
        each: draw every run for itself, also where only seeds differ.
        iqm: of runs that are drawn as one, the interquartile mean in its interval, not mean and deviation.

    Raises:
        CurveError: no run has such a tag, or the axis.
    """
    groups = _labelled(runs, each=each)
    found: dict[str, dict[str, list[_Series]]] = {}
    for label, group in groups.items():
        for run in group:
            for tag, series in _read(run, globs, axis).items():
                found.setdefault(tag, {}).setdefault(label, []).append(series)
    if not found:
        known = sorted({visible(tag) for run in runs for tag in _known_tags(run)})
        if not known:
            raise CurveError(f"nothing was logged yet by {', '.join(run.name for run in runs)}")
        raise CurveError(f"no run has a tag like {', '.join(globs)}; there are: {', '.join(known)}")
    factor, unit = 1.0, {"step": "step", "env_steps": "env steps", "time": ""}[axis]
    if axis == "time":
        every = [series for of_tag in found.values() for group in of_tag.values() for series in group]
        longest = max((series.x[-1] for series in every if len(series.x)), default=0.0)
        _, factor, unit = next(each for each in _UNITS if longest >= each[0])
    charts = []
    for tag, of_tag in found.items():
        curves = []
        for label, several in of_tag.items():
            scaled = [_Series(series.x / factor, _smoothed(series.y, smooth)) for series in several]
            curves.append(_thinned(_curve(label, scaled, iqm=iqm)))
        charts.append(Chart(tag, unit, curves))
    return charts


def _labelled(runs: Sequence[RunReader], *, each: bool) -> dict[str, list[RunReader]]:
    """Label -> the runs that are drawn as one; no two have one label, and it is the same for every tag."""
    groups: dict[str, list[RunReader]] = {}
    for run in runs:
        groups.setdefault(str(run.folder) if each else _without_seed(run.config), []).append(run)
    several = list(groups.values())
    differing = _differing([group[0].config for group in several])
    for keys in range(_KEYS, max(_KEYS, len(differing)) + 1):
        labels = [_label(group, differing[:keys]) for group in several]
        if len(set(labels)) == len(labels):
            return dict(zip(labels, several, strict=True))
    return {
        label if labels.count(label) == 1 else f"{label} in {group[0].folder}": group
        for label, group in zip(labels, several, strict=True)
    }


def _read(run: RunReader, globs: Sequence[str], axis: Axis) -> dict[str, _Series]:
    known = _known_tags(run)
    tags = _fitting(known, globs) if globs else _first_liked(known)
    surely_all = bool(tags) and not any(_WILD.intersection(glob) for glob in globs)
    x_tag = {"step": STEP, "time": RUNTIME}.get(axis) or next(
        (tag for tag in known if tag.split("/")[-1] == "env_steps"), None
    )
    if x_tag is None:
        raise CurveError(f"run {run.name!r} has no tag env_steps; take --x step or --x time")
    journal, clock = run.journal, x_tag == RUNTIME
    if surely_all:
        columns = read_columns(journal, list(dict.fromkeys([*tags, *_beside_own(x_tag)])), clock=clock)
    else:
        columns = read_columns(journal, None, clock=clock)
        tags = _fitting([tag for tag in columns if not tag.startswith("_")], globs)
    return {tag: _series(columns[x_tag], columns[tag]) for tag in tags}


def _beside_own(x_tag: str) -> list[str]:
    """The tag of the axis, unless every read brings it."""
    return [] if x_tag in (STEP, RUNTIME) else [x_tag]


def _series(x: Column, y: Column) -> _Series:
    import numpy as np

    here = np.ones(len(x.values), np.bool_)
    for column in (x, y):
        if column.present is not None:
            here &= column.present
    return _Series(x.values[here].astype(np.float64), y.values[here].astype(np.float64))


def _known_tags(run: RunReader) -> list[str]:
    """Tags near both ends of the journal."""
    journal = run.journal
    known = dict[str, None]()
    for line in lines_of(read_chunks(journal, 0, _HEAD)):
        with contextlib.suppress(ValueError):  # who reads the columns tells of the damage
            known |= dict.fromkeys(decode_row(line).metrics)
    return list(known | dict.fromkeys(read_end(RunFolder(run.folder))[1]))


def _fitting(tags: Sequence[str], globs: Sequence[str]) -> list[str]:
    return [
        tag
        for tag in tags
        if any(
            fnmatch.fnmatchcase(tag, glob) or fnmatch.fnmatchcase(tag.split("/")[-1], glob) for glob in globs
        )
    ]


def _first_liked(tags: Sequence[str]) -> list[str]:
    return next((fitting[:1] for liked in _LIKED if (fitting := _fitting(tags, [liked]))), [])


def _smoothed(y: "Floats", width: int) -> "Floats":
    """The mean of ``width`` neighbouring values, of fewer at the ends; NaN and infinities stay out of it."""
    import numpy as np

    if width <= 1 or not len(y):
        return y
    finite = np.isfinite(y)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, y, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    at = np.arange(len(y))
    first, last = np.maximum(at - (width - 1) // 2, 0), np.minimum(at + width // 2 + 1, len(y))
    number = counts[last] - counts[first]
    mean: Floats = np.where(number > 0, (sums[last] - sums[first]) / np.maximum(number, 1), np.nan)
    return mean


def _curve(label: str, group: Sequence[_Series], *, iqm: bool) -> Curve:
    return Curve(label, *group[0]) if len(group) == 1 else _band(group, label, iqm=iqm)


def _without_seed(config: Mapping[str, Any]) -> str:
    return json.dumps(
        {key: value for key, value in config.items() if key.split(".")[-1] != "seed"}, sort_keys=True
    )


def _differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys, but the seed's, whose values are not the same in all."""
    keys = dict.fromkeys(key for config in configs for key in config if key.split(".")[-1] != "seed")
    return [key for key in keys if any(config.get(key) != configs[0].get(key) for config in configs)]


def _label(group: Sequence[RunReader], differing: Sequence[str]) -> str:
    """A run's name; of several the config's keys that tell them from others, else the name of their group."""
    if len(group) == 1:
        return group[0].name
    config, label = group[0].config, group[0].identity.get("group")
    told = ", ".join(f"{key}={config.get(key)}" for key in differing) or label
    return f"{told} ({len(group)} runs)" if told else f"{len(group)} runs"


def _band(group: Sequence[_Series], label: str, *, iqm: bool) -> Curve:
    """Mean and standard deviation over runs, wherever at least one of them is; or IQM and its interval."""
    import warnings  # noqa: PLC0415 - used here only

    import numpy as np

    first = group[0].x
    if all(np.array_equal(series.x, first) for series in group):
        x, values = first, np.stack([series.y for series in group])
    else:
        told = [series for series in group if len(series.x)]
        x = np.linspace(min(s.x[0] for s in told), max(s.x[-1] for s in told), _GRID)
        values = np.stack([np.interp(x, s.x, s.y, left=np.nan, right=np.nan) for s in told])
    if iqm:
        return Curve(label, x, *interquartile_mean(values))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a point where no run has a number stays NaN
        mean, std = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    return Curve(label, x, mean, mean - std, mean + std)


def interquartile_mean(values: "Floats", *, resamples: int = 500) -> tuple["Floats", "Floats", "Floats"]:
    """Mean of the middle half of the runs at each point, and its 95% bootstrap interval over runs.

    Where a run has no number there is none.

    Args:
        values: (run, point).
        resamples: of the runs, with replacement; always the same ones.

    Returns:
        (point,) each: the mean, the lower end, the upper end.

    Source: Agarwal et al. 2021, arXiv:2108.13264, section 4.3; percentiles of the bootstrap, one task.
    """
    import numpy as np

    runs = len(values)
    cut = runs // 4

    def middle(several: Any) -> Any:
        return np.sort(several, axis=0)[cut : runs - cut].mean(axis=0) + 0.0 * several.sum(axis=0)

    lots = np.random.default_rng(0).integers(0, runs, (resamples, runs))
    means = np.stack([middle(values[lot]) for lot in lots])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return middle(values), low, high


def _thinned(curve: Curve) -> Curve:
    """At most as many points as can be seen: of each stretch its least and its greatest value."""
    import numpy as np

    if len(curve.x) <= _MOST_POINTS:
        return curve
    starts = np.linspace(0, len(curve.x), _MOST_POINTS // 2, endpoint=False).astype(np.int64)
    middles = (starts + np.append(starts[1:], len(curve.x))) // 2

    def pairs(one: Any, other: Any) -> Any:
        return np.stack([one, other], axis=1).ravel()

    lows, highs = np.fmin.reduceat(curve.y, starts), np.fmax.reduceat(curve.y, starts)
    falls = curve.y[starts] > curve.y[middles]
    return Curve(
        curve.label,
        pairs(curve.x[starts], curve.x[middles]),
        pairs(np.where(falls, highs, lows), np.where(falls, lows, highs)),
        None if curve.low is None else np.repeat(np.fmin.reduceat(curve.low, starts), 2),
        None if curve.high is None else np.repeat(np.fmax.reduceat(curve.high, starts), 2),
    )
