"""Rows are true means over all that happened in them."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from hackmatrix.purejaxrl import metrics, rollout
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.losses import LossSums
from hackmatrix.purejaxrl.rollout import PROBABILITY_BINS, Tally
from tests.purejaxrl.spies import Clock
from tests.purejaxrl.states import small

ENV = Environment(Clock())
UPDATES = 6


def made_up(seed: int = 0) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Packed figures of six updates with their targets and errors; episodes end in some of them."""
    rng = np.random.default_rng(seed)
    targets = [rng.normal(100.0 * u, 1.0 + u, 64) for u in range(UPDATES)]
    errors = [rng.normal(0.1, 0.5, 64) for _ in range(UPDATES)]
    rows = []
    for u in range(UPDATES):
        ended = float([0, 3, 0, 1, 0, 2][u])
        columns = (np.float64(u), np.float64(2 * u), ended * 5, np.float64(3 * u))
        drawn = tuple(float(u * each) for each in range(PROBABILITY_BINS))
        tally = Tally(64.0 * u, ended, ended * 10.0 * u, ended * u, columns, drawn)
        losses = LossSums(*(128.0 * u * k for k in range(1, 7)))
        spreads = [(64.0, x.mean(), np.square(x - x.mean()).sum()) for x in (targets[u], errors[u])]
        figures = metrics.Figures(tally, losses, 4.0 * u, 0.1 * u, *spreads)
        rows.append(np.asarray(metrics.pack(figures)))
    return np.stack(rows), targets, errors


def test_the_tags_are_those_that_are_promised() -> None:
    packed, *_ = made_up()
    columns = metrics.with_progress(small(), metrics.summarise(small(), ENV, packed), 0, UPDATES, 1.0)
    assert set(columns) == {
        *("train/total_loss", "train/pg_loss", "train/vf_loss", "train/entropy", "train/approx_kl"),
        *("train/clip_frac", "train/explained_variance", "train/grad_norm", "train/learning_rate"),
        *("train/mean_reward", "train/mean_episode_return", "train/mean_episode_length"),
        *("train/num_episodes", "train/steps_per_second", "train/update_step", "train/env_steps"),
        *("spy/time", "spy/latest", "spy/time_at_end", "spy/action"),
    }


def test_each_probability_is_counted_in_its_bin() -> None:
    probabilities = np.array([[0.0, 0.049, 0.051], [0.5, 0.999, 1.0]])
    with np.errstate(divide="ignore"):
        counts = rollout._counted(np.log(probabilities).astype(np.float32))
    assert {index: int(count) for index, count in enumerate(counts) if count} == {0: 2, 1: 1, 10: 1, 19: 2}


def test_packing_is_undone() -> None:
    packed, *_ = made_up()
    assert packed.shape == (UPDATES, metrics.packed_width(ENV))
    figures = metrics.unpack(ENV, packed.astype(np.float64))
    assert figures.tally.episodes.tolist() == [0, 3, 0, 1, 0, 2]
    assert figures.losses.clip_frac.tolist() == [128.0 * 6 * u for u in range(UPDATES)]
    assert figures.target[0].tolist() == [64.0] * UPDATES


def test_counts_of_probabilities_are_those_of_all_updates() -> None:
    packed, *_ = made_up()
    counts = metrics.probability_counts(ENV, packed)
    assert counts.tolist() == [each * sum(range(UPDATES)) for each in range(PROBABILITY_BINS)]


def test_one_row_for_the_chunk() -> None:
    packed, targets, errors = made_up()
    columns = metrics.summarise(small(), ENV, packed)
    value = {tag: column.values.tolist() for tag, column in columns.items()}
    assert value["train/pg_loss"] == [np.mean([2.0 * u for u in range(UPDATES)])]  # 128 rows in 2 epochs
    assert value["train/grad_norm"] == [
        np.mean([1.0 * u for u in range(UPDATES)])
    ]  # 2 epochs x 2 minibatches
    assert value["train/learning_rate"] == [np.float32(0.5)]  # the newest
    assert value["train/mean_reward"] == [2.5]
    assert value["train/mean_episode_return"] == [(3 * 10 + 1 * 30 + 2 * 50) / 6]
    assert value["train/mean_episode_length"] == [(3 * 1 + 1 * 3 + 2 * 5) / 6]
    assert value["train/num_episodes"] == [6]
    assert value["spy/latest"] == [10.0]
    assert value["spy/time_at_end"] == [5.0]
    everything = np.concatenate(targets), np.concatenate(errors)
    expected = 1 - everything[1].var() / everything[0].var()
    np.testing.assert_allclose(value["train/explained_variance"], [expected], rtol=1e-5)


def test_a_row_per_update() -> None:
    packed, targets, errors = made_up()
    columns = metrics.summarise(small(log_every="update"), ENV, packed)
    assert columns["train/pg_loss"].values.tolist() == [2.0 * u for u in range(UPDATES)]
    assert columns["train/num_episodes"].values.tolist() == [0, 3, 0, 1, 0, 2]
    returns = columns["train/mean_episode_return"]
    assert returns.present.tolist() == [False, True, False, True, False, True]
    assert returns.values[returns.present].tolist() == [10, 30, 50]
    expected = [1 - e.var() / t.var() for t, e in zip(targets, errors, strict=True)]
    np.testing.assert_allclose(columns["train/explained_variance"].values, expected, rtol=1e-4)
    progress = metrics.with_progress(small(log_every="update"), columns, 40, UPDATES, 2.0)
    assert progress["train/update_step"].values.tolist() == [41, 42, 43, 44, 45, 46]
    assert progress["train/env_steps"].values.tolist() == [64 * u for u in range(41, 47)]
    assert progress["train/steps_per_second"].values.tolist() == [UPDATES * 64 / 2.0] * UPDATES


def test_progress_of_a_chunk_is_told_at_its_end() -> None:
    packed, *_ = made_up()
    columns = metrics.with_progress(small(), metrics.summarise(small(), ENV, packed), 40, UPDATES, 0.5)
    assert columns["train/update_step"].values.tolist() == [46]
    assert columns["train/env_steps"].values.tolist() == [46 * 64]
    assert columns["train/steps_per_second"].values.tolist() == [UPDATES * 64 / 0.5]


def test_targets_that_do_not_vary_have_no_explained_variance() -> None:
    packed, *_ = made_up()
    figures = metrics.unpack(ENV, packed[:1].astype(np.float64))
    flat: Any = figures._replace(target=(figures.target[0], figures.target[1], np.zeros(1)))
    constant = np.asarray(metrics.pack(flat)).reshape(1, -1)
    assert not metrics.summarise(small(), ENV, constant)["train/explained_variance"].present.any()


def test_the_mean_return_of_a_chunk() -> None:
    packed, *_ = made_up()
    assert metrics.mean_return(ENV, packed) == pytest.approx((3 * 10 + 1 * 30 + 2 * 50) / 6)
    assert metrics.mean_return(ENV, packed[:1]) is None


def test_a_config_has_no_field_that_rows_forget() -> None:
    """A new metric column must be packed and summarised: as many leaves as names."""
    assert len(dataclasses.fields(metrics.TrainConfig)) > 0
    assert metrics.packed_width(ENV) == 4 + 4 + PROBABILITY_BINS + 6 + 2 + 3 + 3
