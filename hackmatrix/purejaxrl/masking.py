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
    """Draw one action per row of masked ``logits`` (n, act), as (n,) int32."""
    return jax.random.categorical(key, logits).astype(jnp.int32)


def log_prob(logits: jax.Array, action: jax.Array) -> jax.Array:
    """Log-probability (n,) of ``action`` (n,) under masked ``logits`` (n, act)."""
    return jnp.take_along_axis(jax.nn.log_softmax(logits), action[:, None], axis=-1)[:, 0]


def entropy(logits: jax.Array) -> jax.Array:
    """Entropy (n,) in nats of masked ``logits`` (n, act): -Σₐ p(a) log p(a)."""
    log_p = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)
