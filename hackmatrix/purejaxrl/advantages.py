"""Generalised advantage estimation in one environment."""

import jax
import jax.numpy as jnp


def gae(
    rewards: jax.Array,
    values: jax.Array,
    ended: jax.Array,
    final_values: jax.Array,
    *,
    gamma: float,
    lam: float,
) -> jax.Array:
    """How much better each action went than the critic expected.

        nextₜ = endedₜ ? finalₜ : vₜ₊₁
        δₜ    = rₜ + γ nextₜ - vₜ
        Âₜ    = δₜ + γ λ (1 - endedₜ) Âₜ₊₁,    Â_T = 0

    Args:
        rewards: (t,) float, rₜ for times [0, T-1].
        values: (t+1,) float, vₜ for times [0, T]; after an end vₜ₊₁ belongs to the next episode.
        ended: (t,) bool, the episode ended with step t, by termination or by truncation.
        final_values: (t,) float, read only where ``ended``: 0 after a termination, the critic's value of
            the final observation after a truncation, since the world would have gone on.
        gamma: discount, in [0, 1].
        lam: decay, in [0, 1].

    Returns:
        (t,) float, Âₜ for times [0, T-1].

    Source: Schulman et al. 2016, arXiv:1506.02438, eq. 11-16; for time limits Pardo et al. 2018,
    arXiv:1712.00378.
    """  # noqa: RUF002 - the papers' letter
    deltas = rewards + gamma * jnp.where(ended, final_values, values[1:]) - values[:-1]
    decays = gamma * lam * (1.0 - ended.astype(rewards.dtype))

    def backwards(after: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        delta, decay = now
        advantage = delta + decay * after
        return advantage, advantage

    _, advantages = jax.lax.scan(backwards, jnp.zeros_like(deltas[0]), (deltas, decays), reverse=True)
    return advantages
