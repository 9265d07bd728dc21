"""The arithmetic shuffle is a permutation, and a well mixed one."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.purejaxrl.shuffle import ROUNDS, feistel, permutation


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    keys=st.lists(st.integers(0, 2**32 - 1), min_size=ROUNDS, max_size=ROUNDS),
)
def test_feistel_is_a_bijection_for_any_sides(rows: int, columns: int, keys: list[int]) -> None:
    order = feistel(np.array(keys, np.uint32), rows, columns)
    assert sorted(np.asarray(order)) == list(range(rows * columns))


@pytest.mark.parametrize("size", [1, 2, 97, 254, 256, 2048, 2 * 1021, 12_000, 32_768])
def test_any_size_is_permuted(size: int) -> None:
    order = np.asarray(permutation(jax.random.key(size), size))
    assert order.dtype == np.int32
    assert (np.sort(order) == np.arange(size)).all()


def test_every_row_goes_everywhere() -> None:
    """Where one row lands, and how far neighbours stay together, over many keys: within 5 sigma of chance."""
    size, draws = 1024, 4000
    orders = np.asarray(
        jax.vmap(lambda key: permutation(key, size))(jax.random.split(jax.random.key(0), draws))
    )
    for row in (0, 1, 511, 1023):
        landed = np.bincount(orders[:, row] // 64, minlength=16)
        expected = draws / 16
        assert (np.abs(landed - expected) < 5 * np.sqrt(expected)).all()
    together = (orders[:, :-1] // 256 == orders[:, 1:] // 256).mean()
    assert abs(together - 255 / 1023) < 0.002


def test_two_keys_give_two_orders() -> None:
    one, other = (np.asarray(permutation(jax.random.key(seed), 2048)) for seed in (0, 1))
    assert (one != other).mean() > 0.99
