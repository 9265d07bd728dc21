"""Rows to measure with, the same for ours and for what it is compared with."""

import random
from typing import Any

TAGS = [f"group{index % 4}/metric_{index}" for index in range(1000)]


def host_rows(width: int, count: int = 512) -> list[dict[str, float]]:
    """Rows of random floats, all digits used."""
    rng = random.Random(0)
    return [{tag: rng.lognormvariate(0.0, 3.0) for tag in TAGS[:width]} for _ in range(count)]


def device_rows(count: int = 16) -> list[dict[str, Any]]:
    """Rows of 8 device scalars, already computed."""
    import jax.numpy as jnp  # who measures memory without JAX imports this module, too

    rows = [{tag: jnp.float32(value) for tag, value in row.items()} for row in host_rows(8, count)]
    for row in rows:
        for value in row.values():
            value.block_until_ready()
    return rows
