"""The loss against the formula written out row by row, and its gradient against small differences."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.losses import loss_sums, policy_loss, value_loss
from hackmatrix.purejaxrl.rollout import Batch
from hackmatrix.purejaxrl.runner import Parts, make_parts
from tests.purejaxrl.properties import some_params
from tests.purejaxrl.spies import Clock, ClockState
from tests.purejaxrl.states import small

ROWS, EPS = 24, 0.2


def parts_and_params(**changes: Any) -> tuple[Parts, Any]:
    parts = make_parts(small(**changes), Environment(Clock()))
    return parts, some_params()


def some_rows(seed: int) -> Batch:
    """Rows whose ratios and values lie on both sides of the clip."""
    rng = np.random.default_rng(seed)
    words = np.zeros((ROWS, 2), np.uint32)
    legal = rng.random((ROWS, 4)) < 0.7
    action = rng.integers(0, 4, ROWS).astype(np.int32)
    legal[np.arange(ROWS), action] = True
    columns = rng.normal(size=(4, ROWS)).astype(np.float32)
    state = ClockState(rng.integers(0, 5, ROWS).astype(np.int32), words, words)
    batch = Batch(state, legal, action, columns[0] * 0.3 - 1.0, columns[1] * 0.3, columns[2], columns[3])
    return jax.tree.map(jnp.asarray, batch)


def written_out(parts: Parts, params: Any, rows: Batch, mean: float, std: float) -> dict[str, float]:
    logits, values = (np.asarray(x, np.float64) for x in parts.forward(params, rows.observation))
    sums = dict.fromkeys(("total_loss", "pg_loss", "vf_loss", "entropy", "approx_kl", "clip_frac"), 0.0)
    for row in range(ROWS):
        legal = np.asarray(rows.legal[row])
        weights = np.exp(logits[row]) * legal
        probability = weights / weights.sum()
        ratio = probability[rows.action[row]] / np.exp(np.float64(rows.log_prob[row]))
        advantage = (np.float64(rows.advantage[row]) - mean) / (std + 1e-8)
        pg = -min(ratio * advantage, min(max(ratio, 1 - EPS), 1 + EPS) * advantage)
        old, target = np.float64(rows.value[row]), np.float64(rows.target[row])
        near = old + min(max(values[row] - old, -EPS), EPS)
        vf = 0.5 * max((values[row] - target) ** 2, (near - target) ** 2)
        entropy = -sum(q * np.log(q) for q in probability if q > 0)
        figures = (
            pg + 0.5 * vf - 0.01 * entropy,
            pg,
            vf,
            entropy,
            ratio - 1 - np.log(ratio),
            abs(ratio - 1) > EPS,
        )
        for name, figure in zip(sums, figures, strict=True):
            sums[name] += float(figure)
    return sums


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_the_formula(seed: int) -> None:
    parts, params = parts_and_params(ent_coef=0.01, vf_coef=0.5, clip_eps=EPS)
    rows = some_rows(seed)
    mean, std = 0.1, 1.3
    total, sums = loss_sums(params, parts, rows, jnp.float32(mean), jnp.float32(std))
    expected = written_out(parts, params, rows, mean, std)
    assert 0 < expected["clip_frac"] < ROWS
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(sums, name), value, rtol=1e-4, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(total, expected["total_loss"], rtol=1e-4)


def test_the_surrogate_stops_pushing_outside_the_clip() -> None:
    slope = jax.vmap(jax.grad(lambda ratio, advantage: policy_loss(ratio, advantage, EPS)))
    ratios = jnp.array([1.3, 1.3, 0.7, 0.7, 1.0])
    advantages = jnp.array([1.0, -1.0, 1.0, -1.0, 2.0])
    assert slope(ratios, advantages).tolist() == [0.0, 1.0, -1.0, 0.0, -2.0]


def test_the_value_gains_nothing_by_moving_far() -> None:
    slope = jax.grad(lambda value: value_loss(value, jnp.float32(0.0), jnp.float32(1.0), EPS))
    assert slope(jnp.float32(0.5)) == 0.0  # already moved by more than 0.2 towards the target
    assert slope(jnp.float32(0.1)) == pytest.approx(-0.9)
    assert slope(jnp.float32(-0.5)) == pytest.approx(-1.5)  # moved away: pulled back
