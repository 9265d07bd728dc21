"""Training states for tests: copied, compared, small."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hackmatrix.purejaxrl.config import TrainConfig

SMALL: dict[str, Any] = {
    "env": "gymnax:CartPole-v1",
    "num_envs": 8,
    "num_steps": 8,
    "total_timesteps": 64 * 10,
    "num_minibatches": 2,
    "update_epochs": 2,
    "hidden_dim": 8,
    "num_layers": 1,
    "log_interval": 4,
    "learning_rate": 1e-2,
}


def small(**changes: Any) -> TrainConfig:
    """Ten updates of 64 env steps."""
    return TrainConfig(**{**SMALL, **changes})


def copied(tree: Any) -> Any:
    """The same state once more: a chunk uses its argument up, and a key is to be used once."""

    def copy(x: jax.Array) -> jax.Array:
        return jax.random.clone(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else jnp.array(x)

    return jax.tree.map(copy, tree)


def bits(tree: Any) -> list[bytes]:
    """Every leaf's bytes, keys too."""

    def plain(x: jax.Array) -> Any:
        return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return [np.asarray(plain(leaf)).tobytes() for leaf in jax.tree.leaves(tree)]


def assert_same_bits(one: Any, other: Any) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    differing = [i for i, (a, b) in enumerate(zip(bits(one), bits(other), strict=True)) if a != b]
    assert not differing, f"leaves {differing} differ"
