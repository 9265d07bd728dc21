"""A masked action has probability zero, and the rest is a plain categorical."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hackmatrix.purejaxrl import masking

ACTIONS = 6
logits_of_rows = hnp.arrays(np.float32, (3, ACTIONS), elements=st.floats(-30, 30, width=32))
masks_of_rows = hnp.arrays(np.bool_, (3, ACTIONS)).map(lambda mask: mask | (np.arange(ACTIONS) == 2))


def probabilities(logits: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """The slow way: leave the illegal ones out before anything is computed."""
    result = np.zeros(logits.shape)
    for row in range(len(logits)):
        kept = logits[row][legal[row]].astype(np.float64)
        weights = np.exp(kept - kept.max())
        result[row, legal[row]] = weights / weights.sum()
    return result


@given(logits=logits_of_rows, legal=masks_of_rows)
def test_log_prob_and_entropy_are_those_of_the_legal_actions(logits: np.ndarray, legal: np.ndarray) -> None:
    expected = probabilities(logits, legal)
    masked = masking.mask_logits(jnp.asarray(logits), jnp.asarray(legal))
    terms = np.where(expected > 0, expected * np.log(np.where(expected > 0, expected, 1)), 0)
    np.testing.assert_allclose(masking.entropy(masked), -terms.sum(axis=1), atol=1e-5)
    for action in range(ACTIONS):
        log_prob = masking.log_prob(masked, jnp.full((3,), action, jnp.int32))
        np.testing.assert_allclose(np.exp(log_prob), expected[:, action], atol=1e-6)
        assert (np.exp(log_prob)[~legal[:, action]] == 0).all()


def test_a_masked_action_is_never_drawn_even_if_the_network_insists() -> None:
    logits = jnp.tile(jnp.array([[80.0, -80.0, 0.0, 80.0]]), (20_000, 1))
    legal = jnp.tile(jnp.array([[False, True, True, False]]), (20_000, 1))
    drawn = np.asarray(masking.sample(jax.random.key(0), masking.mask_logits(logits, legal)))
    assert set(np.unique(drawn)) == {2}
    even = masking.mask_logits(jnp.zeros_like(logits), legal)
    drawn = np.asarray(masking.sample(jax.random.key(1), even))
    assert set(np.unique(drawn)) == {1, 2}
    assert abs((drawn == 1).mean() - 0.5) < 0.02


@given(logits=logits_of_rows, legal=masks_of_rows, seed=st.integers(0, 2**31 - 1))
def test_what_is_drawn_is_legal(logits: np.ndarray, legal: np.ndarray, seed: int) -> None:
    masked = masking.mask_logits(jnp.asarray(logits), jnp.asarray(legal))
    drawn = np.asarray(masking.sample(jax.random.key(seed), masked))
    assert legal[np.arange(3), drawn].all()


def test_actions_are_drawn_as_often_as_the_network_says() -> None:
    logits = np.array([0.5, -1.0, 2.0, 0.0, -3.0, 1.0], np.float32)
    legal = np.array([True, True, True, False, True, True])
    expected = probabilities(logits[None], legal[None])[0]
    draws = 200_000
    masked = masking.mask_logits(jnp.tile(logits, (draws, 1)), jnp.tile(legal, (draws, 1)))
    counts = np.bincount(masking.sample(jax.random.key(2), masked), minlength=ACTIONS)
    assert (np.abs(counts - draws * expected) <= 5 * np.sqrt(draws * expected)).all()


def test_without_a_mask_logits_are_left_alone() -> None:
    logits = jnp.ones((2, 3))
    assert masking.mask_logits(logits, None) is logits
