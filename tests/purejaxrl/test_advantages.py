"""The scan against the plain loop that it replaces."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.purejaxrl.advantages import gae

numbers = st.floats(-10, 10, width=32)


@st.composite
def stretches(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    length = draw(st.integers(1, 12))

    def column(elements: st.SearchStrategy, size: int) -> np.ndarray:
        return np.array(draw(st.lists(elements, min_size=size, max_size=size)))

    rewards, values = column(numbers, length), column(numbers, length + 1)
    terminated, truncated = column(st.booleans(), length), column(st.booleans(), length)
    return rewards, values, terminated, truncated & ~terminated, column(numbers, length)


def by_definition(
    rewards: np.ndarray,
    values: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    after: np.ndarray,
    gamma: float,
    lam: float,
) -> list[float]:
    """Σₗ (γλ)ˡ δₜ₊ₗ up to the end of the episode, each advantage by itself."""
    deltas = []
    for t in range(len(rewards)):
        follows = 0.0 if terminated[t] else after[t] if truncated[t] else values[t + 1]
        deltas.append(rewards[t] + gamma * follows - values[t])
    advantages = []
    for t in range(len(rewards)):
        total, weight = 0.0, 1.0
        for later in range(t, len(rewards)):
            total += weight * deltas[later]
            weight *= gamma * lam
            if terminated[later] or truncated[later]:
                break
        advantages.append(total)
    return advantages


@given(stretch=stretches(), gamma=st.floats(0, 1), lam=st.floats(0, 1))
def test_gae_is_the_discounted_sum_of_deltas(
    stretch: tuple[np.ndarray, ...], gamma: float, lam: float
) -> None:
    rewards, values, terminated, truncated, after = stretch
    expected = by_definition(rewards, values, terminated, truncated, after, gamma, lam)
    found = gae(
        jnp.asarray(rewards, jnp.float32),
        jnp.asarray(values, jnp.float32),
        jnp.asarray(terminated | truncated, jnp.bool_),
        jnp.asarray(np.where(truncated, after, 0.0), jnp.float32),
        gamma=gamma,
        lam=lam,
    )
    np.testing.assert_allclose(found, expected, atol=2e-4)
