"""A categorical distribution over the legal actions.

Logits of illegal actions are replaced by a large negative number, so their probability is exactly zero,
they are never drawn, and they add nothing to the entropy.
"""

import jax
import jax.numpy as jnp

MASKED = -1e9  # finite: -inf times a zero probability is NaN


def mask_logits(logits: jax.Array, legal: jax.Array | None) -> jax.Array:
    """Put illegal actions out of reach.

    Args:
        logits: (..., act) float.
        legal: (..., act) bool, or None where every action is legal.
    """
    return logits if legal is None else jnp.where(legal, logits, jnp.asarray(MASKED, logits.dtype))


def sample(key: jax.Array, logits: jax.Array) -> jax.Array:
    """Draw one action per row of masked ``logits`` (n, act), as (n,) int32.

    By the inverse of the distribution function: one random number per row, where Gumbel noise needs one per
    action (20 against 1.6 ms for 128 draws of 256 rows of 28 actions on one core).
    """
    probability = jax.nn.softmax(logits)
    # Only actions that can happen have a reach, so rounding in the sum cannot lead to one that cannot.
    reach = jnp.where(probability > 0.0, jnp.cumsum(probability, axis=-1), 0.0)
    dart = jax.random.uniform(key, (logits.shape[0], 1)) * jnp.max(reach, axis=-1, keepdims=True)
    return jnp.argmax(reach > dart, axis=-1).astype(jnp.int32)


def log_prob(logits: jax.Array, action: jax.Array) -> jax.Array:
    """Log-probability (n,) of ``action`` (n,) under masked ``logits`` (n, act)."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], axis=-1)[:, 0]


def entropy(logits: jax.Array) -> jax.Array:
    """Entropy (n,) in nats of masked ``logits`` (n, act): -Σₐ p(a) log p(a)."""
    log_p = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)
