"""PPO's loss of the rows of one shard, as sums."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hackmatrix.purejaxrl import masking
from hackmatrix.purejaxrl.rollout import Batch
from hackmatrix.purejaxrl.runner import Parts


class LossSums(NamedTuple):
    """Sums over rows; divided by their number they are what is logged. All are () float32."""

    total_loss: jax.Array
    pg_loss: jax.Array
    vf_loss: jax.Array
    entropy: jax.Array
    approx_kl: jax.Array
    clip_frac: jax.Array


def loss_sums(
    params: Any, parts: Parts, rows: Batch, mean: jax.Array, std: jax.Array
) -> tuple[jax.Array, LossSums]:
    """Sum the loss over rows, and the figures beside it.

        ratio = π(a|o) / π_old(a|o),    Â' = (Â - mean) / (std + 1e-8)
        pg    = -min(ratio Â', clip(ratio, 1 - ε, 1 + ε) Â')
        vf    = ½ max((v - R)², (v_old + clip(v - v_old, -ε, ε) - R)²)
        total = pg + vf_coef vf - ent_coef entropy

    Args:
        params: the network's.
        parts: the run's fixed parts.
        rows: (row, ...).
        mean: () of the whole minibatch's advantages, over all shards.
        std: () likewise.

    Source: Schulman et al. 2017, arXiv:1707.06347, eq. 7 and 9; the KL estimator is k3 of Schulman 2020,
    "Approximating KL Divergence": E[(ratio - 1) - log ratio].
    """
    config = parts.config
    logits, value = parts.forward(params, rows.observation)
    logits = masking.mask_logits(logits, rows.legal)
    log_ratio = masking.log_prob(logits, rows.action) - rows.log_prob
    ratio = jnp.exp(log_ratio)

    pg = policy_loss(ratio, (rows.advantage - mean) / (std + 1e-8), config.clip_eps)
    vf = value_loss(value, rows.value, rows.target, config.clip_eps)
    entropy = masking.entropy(logits)
    total = pg + config.vf_coef * vf - config.ent_coef * entropy
    outside = (jnp.abs(ratio - 1.0) > config.clip_eps).astype(jnp.float32)
    sums = LossSums(*map(jnp.sum, (total, pg, vf, entropy, ratio - 1.0 - log_ratio, outside)))
    return sums.total_loss, sums


def policy_loss(ratio: jax.Array, advantage: jax.Array, eps: float) -> jax.Array:
    """Clipped surrogate of each row, (row,)."""
    return -jnp.minimum(ratio * advantage, jnp.clip(ratio, 1.0 - eps, 1.0 + eps) * advantage)


def value_loss(value: jax.Array, old: jax.Array, target: jax.Array, eps: float) -> jax.Array:
    """Half the squared error of each row, (row,), where a move of more than ``eps`` gains nothing."""
    clipped = old + jnp.clip(value - old, -eps, eps)
    return 0.5 * jnp.maximum(jnp.square(value - target), jnp.square(clipped - target))
