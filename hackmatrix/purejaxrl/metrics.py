"""From an update's sums on the device to rows of the log.

An update's figures leave the device as one packed row of float32, in sums and counts. Means are taken here,
in float64, over all updates of a row at once: a row does not depend on how updates were cut into chunks.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.losses import LossSums
from hackmatrix.purejaxrl.rollout import PROBABILITY_BINS, Tally

VOLATILE_TAGS = ("train/steps_per_second",)  # tell the time, so differ between equal runs
Float64s = NDArray[np.float64]


class Figures(NamedTuple):
    """What one update has to tell: () float32 each on the device, (row, update) float64 on the host."""

    tally: Tally
    losses: LossSums  # sums over all rows of all epochs
    grad_norm: Any  # sum over all minibatches of all epochs, before clipping
    learning_rate: Any
    target: tuple[Any, Any, Any]  # number, mean, squared deviations of the value targets
    error: tuple[Any, Any, Any]  # the same of target - value


class Column(NamedTuple):
    """One tag over the rows of a chunk."""

    values: Float64s  # (row,)
    present: NDArray[np.bool_]  # (row,): a mean over nothing is absent, not zero
    whole: bool = False  # counts, that a single row shows as whole numbers


def pack(figures: Figures) -> jax.Array:
    """Lay the figures side by side, (column,) float32."""
    return jnp.stack([jnp.asarray(x, jnp.float32) for x in jax.tree.leaves(figures)])


def packed_width(env: Environment) -> int:
    """Return the number of columns that :func:`pack` gives."""
    return len(jax.tree.leaves(_template(env)))


def unpack(env: Environment, packed: Float64s) -> Figures:
    """Undo :func:`pack` along the last axis."""
    structure = jax.tree.structure(_template(env))
    figures: Figures = jax.tree.unflatten(structure, list(np.moveaxis(packed, -1, 0)))
    return figures


def summarise(config: TrainConfig, env: Environment, packed: NDArray[np.float32]) -> dict[str, Column]:
    """Reduce a chunk's figures to the columns of its rows, one row or one per update (``config.log_every``).

    Args:
        config: the run's.
        env: the run's.
        packed: (update, column) float32, a row of :func:`pack` for each update of the chunk.

    Returns:
        tag -> column, without those of :func:`with_progress`.
    """
    updates, width = packed.shape
    rows = updates if config.log_every == "update" else 1
    figures = unpack(env, packed.astype(np.float64).reshape(rows, updates // rows, width))
    return {**_losses(config, figures), **_play(figures.tally), **_declared(env, figures)}


def mean_return(env: Environment, packed: NDArray[np.float32]) -> float | None:
    """Return the mean return of all episodes that ended in a chunk, (update, column); None if none did."""
    tally = unpack(env, packed.astype(np.float64)).tally
    episodes = float(np.sum(tally.episodes))
    return float(np.sum(tally.episode_return)) / episodes if episodes else None


def probability_counts(env: Environment, packed: NDArray[np.float32]) -> Float64s:
    """Return how many actions of a chunk, (update, column), were drawn with a probability in each bin, (bin,)."""
    tally = unpack(env, packed.astype(np.float64)).tally
    counts: Float64s = np.stack(tally.probabilities).sum(axis=1)
    return counts


def with_progress(
    config: TrainConfig, columns: dict[str, Column], first: int, length: int, seconds: float
) -> dict[str, Column]:
    """Add the clock's and the counters' columns.

    Args:
        config: the run's.
        columns: what :func:`summarise` gave.
        first: updates finished before the chunk.
        length: updates of the chunk.
        seconds: that the chunk took.
    """
    rows = len(columns["train/num_episodes"].values)
    updates = np.arange(first + length // rows, first + length + 1, length // rows, dtype=np.float64)
    speed = length * config.batch_size / max(seconds, 1e-9)
    return {
        **columns,
        "train/steps_per_second": _always(np.full(rows, speed)),
        "train/update_step": _always(updates, whole=True),
        "train/env_steps": _always(updates * config.batch_size, whole=True),
    }


def _losses(config: TrainConfig, figures: Figures) -> dict[str, Column]:
    steps = figures.target[0]  # (row, update) env steps, the same in every update
    seen = config.update_epochs * steps
    descents = np.full_like(steps, config.update_epochs * config.num_minibatches)
    columns = {f"train/{name}": _mean(sums, seen) for name, sums in figures.losses._asdict().items()}
    columns["train/explained_variance"] = _explained_variance(figures)
    columns["train/grad_norm"] = _mean(figures.grad_norm, descents)
    columns["train/learning_rate"] = _always(figures.learning_rate[:, -1])
    columns["train/mean_reward"] = _mean(figures.tally.reward, steps)
    return columns


def _play(tally: Tally) -> dict[str, Column]:
    return {
        "train/mean_episode_return": _mean(tally.episode_return, tally.episodes),
        "train/mean_episode_length": _mean(tally.episode_length, tally.episodes),
        "train/num_episodes": _always(np.sum(tally.episodes, axis=1), whole=True),
    }


def _declared(env: Environment, figures: Figures) -> dict[str, Column]:
    """Return what the environment wants logged."""
    columns = {}
    for column, figure in zip(env.log_columns, figures.tally.columns, strict=True):
        if column.reduction == "max":
            columns[column.tag] = _always(np.max(figure, axis=1))
        else:
            of_episodes = column.reduction == "episode_mean"
            columns[column.tag] = _mean(figure, figures.tally.episodes if of_episodes else figures.target[0])
    return columns


def _always(values: Float64s, *, whole: bool = False) -> Column:
    return Column(values, np.ones(values.shape, np.bool_), whole)


def _mean(sums: Any, counts: Any) -> Column:
    """Sum over the row's updates / number over the row's updates; absent where the number is 0."""
    total, count = np.sum(sums, axis=1), np.sum(counts, axis=1)
    present = count > 0
    return Column(total / np.where(present, count, 1.0), present)


def _explained_variance(figures: Figures) -> Column:
    """1 - Var(target - value) / Var(target) over the row's env steps; absent where targets do not vary."""
    unexplained, total = _pooled_squares(*figures.error), _pooled_squares(*figures.target)
    present = total > 0
    return Column(1.0 - unexplained / np.where(present, total, 1.0), present)


def _pooled_squares(counts: Float64s, means: Float64s, squares: Float64s) -> Float64s:
    """Squared deviations (row,) from the row's own mean, out of those of its updates from theirs.

    Source: Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance", eq. 2.1.
    """
    mean = np.sum(counts * means, axis=1, keepdims=True) / np.sum(counts, axis=1, keepdims=True)
    pooled: Float64s = np.sum(squares + counts * np.square(means - mean), axis=1)
    return pooled


def _template(env: Environment) -> Figures:
    """Return figures with as many leaves as those of ``env``."""
    none: Any = 0.0
    tally = Tally(
        none,
        none,
        none,
        none,
        tuple(none for _ in env.log_columns),
        tuple(none for _ in range(PROBABILITY_BINS)),
    )
    losses = LossSums(*[none] * len(LossSums._fields))
    return Figures(tally, losses, none, none, (none, none, none), (none, none, none))
