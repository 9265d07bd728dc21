"""What a trained network is worth: the games that it plays, their figures, the run that keeps them."""

import argparse
import math
import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from stopping import FAILED, USAGE, Stop
from trained import load_trained

from hackmatrix.purejaxrl import CheckpointError, ConfigError, Games, make_parts, play_games
from hackmatrix.tracking import (
    BackendUnreachableError,
    FoundRun,
    Tracker,
    TrackingError,
    open_tracker,
    parse_options,
)

Figures = dict[str, dict[str, float]]

_Z = 1.959964  # of the normal distribution: 95% lie between -z and z
_YES_OR_NO = {"win_rate"}  # 1 or 0 for each game; what else is 0 in all of them may be more in the next


class Judged(NamedTuple):
    """The games of a network."""

    found: FoundRun
    env: str
    step: int
    """Of the checkpoint, in finished updates."""
    figures: Figures
    """Name -> mean ("") and the ends of its 95% interval ("_low", "_high")."""


def judge(args: argparse.Namespace) -> Judged | None:
    """Play the games that the command line asks for; none, and a sentence, where it is wrong."""
    try:
        found, config, env, runner = load_trained(args.run_name, args.checkpoint_dir, args.step)
        judged = Judged(found, config.env, int(runner.update), {})
        # As another process than the first, which opens nothing but is told what is wrong.
        _open(args, judged, process_index=1).finish()
        parts = make_parts(config, env)
    except (CheckpointError, ConfigError, TrackingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return None
    games = play_games(parts, runner.params, games=args.games, seed=args.seed, policy=args.policy)
    return judged._replace(figures=summarise(games))


def log(args: argparse.Namespace, judged: Judged) -> int:
    """Log the figures in a run of their own, and show them even where that fails; the exit code."""
    console = Console()
    title = f"{judged.found.folder.name} at update {judged.step}, {args.policy}, {args.games} games"
    table = _table(title, judged.figures)
    row = {f"eval/{name}{end}": value for name, ends in judged.figures.items() for end, value in ends.items()}
    with Stop() as stop:
        try:
            with _open(args, judged) as tracker:
                tracker.log(row, step=judged.step)
                tracker.log_summary(row)
                tracker.finish(stop.status(), timeout=stop.finish_timeout())
        except TrackingError as problem:
            console.print(table)
            print(f"error: {problem}", file=sys.stderr)
            return FAILED if isinstance(problem, BackendUnreachableError) else USAGE
    console.print(table)
    if tracker.run.folder is not None:
        console.print(f"rows: {tracker.run.folder}", highlight=False, soft_wrap=True)
    return stop.exit_code()


def _open(args: argparse.Namespace, judged: Judged, process_index: int | None = None) -> Tracker:
    """The run of the evaluation, in the group of the run that is judged."""
    found = judged.found
    return open_tracker(
        args.tracker,
        prefix="hackmatrix-eval",
        project=found.project,
        entity=found.entity,
        group=(found.identity or {}).get("group") or found.folder.name,
        job_type="eval",
        config={
            "evaluated": found.folder.name, "step": judged.step, "games": args.games, "policy": args.policy,
            "seed": args.seed, "env": judged.env,
        },
        root=args.checkpoint_dir,
        options=parse_options(args.tracker_option),
        process_index=process_index,
    )  # fmt: skip


def summarise(games: Games) -> Figures:
    """Mean and 95% interval of everything that is known of the games."""
    samples: dict[str, NDArray[Any]] = {
        "episode_return": games.episode_return,
        "episode_length": games.episode_length,
        **{tag.rpartition("/")[2]: values for tag, values in games.columns.items()},
    }
    return {
        name: (share if name in _YES_OR_NO else mean_and_interval)(values) for name, values in samples.items()
    }


def mean_and_interval(values: NDArray[Any]) -> dict[str, float]:
    """Mean and 95% interval by the normal approximation."""
    count, mean = len(values), float(np.mean(values, dtype=np.float64))
    half = _Z * float(np.std(values, dtype=np.float64, ddof=1)) / math.sqrt(count)
    return {"": mean, "_low": mean - half, "_high": mean + half}


def share(values: NDArray[Any]) -> dict[str, float]:
    """How many are 1 and not 0, of all; with Wilson's 95% interval.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    count, mean = len(values), float(np.mean(values, dtype=np.float64))
    centre = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * math.sqrt(mean * (1 - mean) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return {"": mean, "_low": max(0.0, centre - half), "_high": min(1.0, centre + half)}


def _table(title: str, figures: Figures) -> Table:
    table = Table("", "mean", "95% interval", title=title)
    for name, ends in figures.items():
        table.add_row(name, f"{ends['']:.4g}", f"{ends['_low']:.4g} to {ends['_high']:.4g}")
    return table
