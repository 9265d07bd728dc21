"""JAX at its strictest for these tests, and the things that take long to compile, made once."""

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(scope="package", autouse=True)
def strict_jax() -> Iterator[None]:
    """A key that is used twice is an error, and so is a shape that is stretched to fit another."""
    with jax.debug_key_reuse(True), jax.numpy_rank_promotion("raise"):
        yield
