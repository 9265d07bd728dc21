"""Play whole games with a trained network, and log what came of them in a run of its own.

    python scripts/evaluate.py hackmatrix-jax-jan25-26-1
    python scripts/evaluate.py hackmatrix-jax-jan25-26-1 --policy random --games 1024

The new run has ``job_type="eval"`` and the group of the run that it judges: a finished run gets no rows.
Exit codes: 0 done, 1 failed, 2 the command line is wrong.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from trained import load_trained

from hackmatrix.purejaxrl import CheckpointError, ConfigError, Games, make_parts, play_games
from hackmatrix.tracking import TrackingError, open_tracker, parse_options
from hackmatrix.tracking.roots import DEFAULT_ROOT

_Z = 1.959964  # of the normal distribution: 95% lie between -z and z


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    args = _parse(argv)
    try:
        return _evaluate(args, Console())
    except (ConfigError, CheckpointError, TrackingError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Play whole games with a trained network.")
    parser.add_argument("run_name", metavar="RUN", help="the run whose network plays")
    parser.add_argument("--step", type=int, help="of the checkpoint; default: the newest")
    parser.add_argument("--games", type=_at_least_two, default=512, help="default 512")
    parser.add_argument("--policy", choices=["greedy", "sample", "random"], default="greedy")
    parser.add_argument("--seed", type=int, default=0, help="what chance goes by; default 0")
    parser.add_argument("--checkpoint-dir", default=DEFAULT_ROOT, metavar="DIR", help="the folder of runs")
    parser.add_argument("--tracker", default="jsonl", metavar="NAMES", help="default jsonl")
    parser.add_argument("--tracker-option", action="append", default=[], metavar="TRACKER.OPTION=VALUE")
    return parser.parse_args(argv)


def _at_least_two(text: str) -> int:
    number = int(text)
    if not 2 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} games give no interval, expected 2 to 1000000")
    return number


def _evaluate(args: argparse.Namespace, console: Console) -> int:
    options = parse_options(args.tracker_option)
    found, config, env, runner = load_trained(args.run_name, args.checkpoint_dir, args.step)
    step = int(runner.update)
    group = (found.identity or {}).get("group") or found.name
    config_of_eval = {
        "evaluated": found.name, "step": step, "games": args.games, "policy": args.policy, "seed": args.seed,
        "env": config.env,
    }  # fmt: skip
    with open_tracker(
        args.tracker,
        prefix="hackmatrix-eval",
        project=found.project,
        entity=found.entity,
        group=group,
        job_type="eval",
        config=config_of_eval,
        root=args.checkpoint_dir,
        options=options,
    ) as tracker:
        games = play_games(
            make_parts(config, env), runner.params, games=args.games, seed=args.seed, policy=args.policy
        )
        figures = summarise(games)
        row = {f"eval/{name}{end}": value for name, ends in figures.items() for end, value in ends.items()}
        tracker.log(row, step=step)
        tracker.log_summary(row)
    table = Table(title=f"{found.name} at update {step}, {args.policy}, {args.games} games")
    for column in ("", "mean", "95% interval"):
        table.add_column(column)
    for name, ends in figures.items():
        table.add_row(name, f"{ends['']:.4g}", f"{ends['_low']:.4g} to {ends['_high']:.4g}")
    console.print(table)
    console.print(f"rows: {tracker.run.folder}", highlight=False, soft_wrap=True)
    return 0


def summarise(games: Games) -> dict[str, dict[str, float]]:
    """Name -> mean ("") and the ends of its 95% interval ("_low", "_high") over the games."""
    samples: dict[str, NDArray[Any]] = {
        "episode_return": games.episode_return,
        "episode_length": games.episode_length,
        **{tag.rpartition("/")[2]: values for tag, values in games.columns.items()},
    }
    return {name: mean_and_interval(values) for name, values in samples.items()}


def mean_and_interval(values: NDArray[Any]) -> dict[str, float]:
    """Mean and 95% interval: Wilson's score for yes and no, the normal approximation for all else.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    count, mean = len(values), float(np.mean(values, dtype=np.float64))
    if np.isin(values, (0, 1)).all():
        centre = (mean + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
        half = _Z * math.sqrt(mean * (1 - mean) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
        return {"": mean, "_low": max(0.0, centre - half), "_high": min(1.0, centre + half)}
    half = _Z * float(np.std(values, dtype=np.float64, ddof=1)) / math.sqrt(count)
    return {"": mean, "_low": mean - half, "_high": mean + half}


if __name__ == "__main__":
    sys.exit(main())
