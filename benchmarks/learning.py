"""Whether two trainers learn alike: curves of CartPole over several seeds."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import scipy.stats
from lines import Line
from other_trainers import Curve, OtherTrainer

from hackmatrix.purejaxrl import TrainConfig, make_environment, make_train_chunk, train
from hackmatrix.tracking import open_tracker


def learning_config() -> TrainConfig:
    """CartPole in 300,000 env steps, the README's first command."""
    return TrainConfig(
        env="gymnax:CartPole-v1",
        num_envs=16,
        learning_rate=1e-3,
        anneal_lr=False,
        ent_coef=0.0,
        total_timesteps=300_000,
    )


def our_curve(config: TrainConfig) -> Callable[[int], list[float]]:
    """Of a seed: the mean return in each row of the log."""
    env = make_environment(config.env)
    program = make_train_chunk(config, env)

    def curve(seed: int) -> list[float]:
        rows: list[float] = []
        train(
            dataclasses.replace(config, seed=seed), [open_tracker("null")], env=env, chunk=program,
            on_chunk=lambda chunk: rows.append(float(chunk.row["train/mean_episode_return"])),
        )  # fmt: skip
        return rows

    return curve


def in_rows(curve: Curve, config: TrainConfig) -> list[float]:
    """The mean return over as many updates as a row of ours has."""
    every = config.log_interval
    cut = [curve[start : start + every].sum(axis=0) for start in range(0, len(curve), every)]
    return [float(returns / episodes) for returns, episodes in cut]


def learning_lines(other: OtherTrainer, seeds: int) -> Iterator[Line]:
    """Whether both learn alike: the mean return over the whole run, and the env steps to 475."""
    config = learning_config()
    ours, theirs = our_curve(config), other.make_curve
    assert theirs is not None
    their_curve = theirs(config)
    curves = {
        "ours": [ours(seed) for seed in range(seeds)],
        other.name: [in_rows(their_curve(seed), config) for seed in range(seeds)],
    }
    means = {name: [float(np.mean(curve)) for curve in each] for name, each in curves.items()}
    a, b = means.values()
    difference = float(np.mean(a) - np.mean(b))
    low, high = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    told = "; ".join(
        f"{name}: mean {spread(means[name])}, IQM {scipy.stats.trim_mean(means[name], 0.25):.0f}, "
        f"475 reached by {steps_to_475(curves[name], config)}"
        for name in curves
    )
    yield Line(
        what=f"mean return over a run of 300,000 env steps, CartPole-v1, {seeds} seeds: ours less {other.name}",
        figure=f"{difference:.0f} [{low:.0f}, {high:.0f}]",
        beside=told,
        target="not below 0",
        met=None if low <= 0.0 <= high else bool(difference > 0.0),
    )


def spread(values: Sequence[float]) -> str:
    """The mean with its 95% interval after Student."""
    low, high = scipy.stats.ttest_1samp(values, 0.0).confidence_interval()
    return f"{np.mean(values):.0f} [{low:.0f}, {high:.0f}]"


def steps_to_475(curves: Sequence[Sequence[float]], config: TrainConfig) -> str:
    """Of how many seeds, and after how many env steps at the median."""
    row = config.log_interval * config.batch_size
    reached = [
        (next(n for n, value in enumerate(curve) if value >= 475) + 1) * row
        for curve in curves
        if max(curve) >= 475
    ]
    after = f" after {np.median(reached):,.0f} env steps" if reached else ""
    return f"{len(reached)} of {len(curves)}{after}"
