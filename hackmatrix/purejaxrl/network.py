"""The actor-critic: two tanh towers that share nothing."""

import flax.linen as nn
import jax
import numpy as np

HIDDEN_GAIN = float(np.sqrt(2.0))
POLICY_GAIN = 0.01  # nearly uniform at first: no action is preferred before anything is known
VALUE_GAIN = 1.0


class ActorCritic(nn.Module):
    """Features (n, feature) -> logits (n, act) and values (n,).

    Source of the initial gains: Andrychowicz et al. 2021, arXiv:2006.05990, section 3.2.
    """

    num_actions: int
    hidden_dim: int
    num_layers: int

    @nn.compact
    def __call__(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Apply both towers. Where one result is not used, the compiler leaves its tower out."""
        policy = self._tower(features, "actor")
        value = self._tower(features, "critic")
        logits = _dense(self.num_actions, POLICY_GAIN, "actor_head")(policy)
        return logits, _dense(1, VALUE_GAIN, "critic_head")(value)[:, 0]

    def _tower(self, features: jax.Array, name: str) -> jax.Array:
        for layer in range(self.num_layers):
            features = nn.tanh(_dense(self.hidden_dim, HIDDEN_GAIN, f"{name}_{layer}")(features))
        return features


def _dense(width: int, gain: float, name: str) -> nn.Dense:
    return nn.Dense(
        width,
        kernel_init=nn.initializers.orthogonal(gain),
        bias_init=nn.initializers.zeros_init(),
        name=name,
    )
