"""An update is the formula of one shard, and one ordered sum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.rollout import collect
from hackmatrix.purejaxrl.runner import init_runner, make_parts
from hackmatrix.purejaxrl.sharding import map_shards, ordered_sum, shard_keys
from hackmatrix.purejaxrl.update import _deal, update
from tests.purejaxrl.spies import Clock
from tests.purejaxrl.states import copied, small


def test_the_sum_is_a_fixed_tree() -> None:
    x = jnp.asarray([1e8, 1.0, -1e8, 1.0, 3.0, 1e-8, 7.0, -2.0], jnp.float32)
    a, b, c, d = (np.float32(x[i]) + np.float32(x[i + 1]) for i in range(0, 8, 2))
    assert ordered_sum(x) == (a + b) + (c + d)


def test_one_shard_is_the_formula_itself() -> None:
    x = jnp.arange(6.0).reshape(1, 6)
    np.testing.assert_array_equal(map_shards(jnp.cumsum, x)[0], jnp.cumsum(x[0]))


def test_a_shards_key_depends_on_its_number_alone() -> None:
    key = jax.random.key(3)
    few, many = (jax.random.key_data(shard_keys(key, count)) for count in (2, 8))
    np.testing.assert_array_equal(few, many[:2])
    assert len({tuple(words) for words in np.asarray(many).tolist()}) == 8


def test_every_shard_gives_its_own_rows_to_every_minibatch() -> None:
    config = small(num_shards=4)
    dealt = np.asarray(_deal(make_parts(config, Environment(Clock())), jax.random.key(0)))
    assert dealt.shape == (config.num_minibatches, 4, 16 // config.num_minibatches)
    for shard in range(4):
        assert sorted(dealt[:, shard].ravel()) == list(range(16))
    assert (dealt[:, 0] != dealt[:, 1]).any()


def test_a_shard_plays_to_the_bit_as_it_would_alone() -> None:
    config = small(num_shards=4)
    parts = make_parts(config, Environment(Clock()))
    runner = init_runner(config, parts.env)
    keys = shard_keys(jax.random.key(7), 4)
    play = jax.jit(lambda k, e: collect(parts, runner.params, k, e))
    together = jax.jit(lambda k, e: map_shards(lambda a, b: collect(parts, runner.params, a, b), k, e))(
        copied(keys), runner.episodes
    )
    alone = play(keys[2], jax.tree.map(lambda x: x[2], runner.episodes))
    for whole, part in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        np.testing.assert_array_equal(np.asarray(whole)[2], np.asarray(part))


@pytest.mark.parametrize("shards", [2, 8])
def test_shards_learn_from_the_whole_batch(shards: int) -> None:
    """With one minibatch and one epoch the order of rows cannot matter: V shards agree with one to rounding."""
    one = small(num_minibatches=1, update_epochs=1)
    many = small(num_minibatches=1, update_epochs=1, num_shards=shards)
    env = Environment(Clock(masked=True))  # every action is forced, so the keys decide nothing
    start = init_runner(many, env)
    merged = copied(start)._replace(
        episodes=jax.tree.map(lambda x: x.reshape(1, 8, *x.shape[2:]), copied(start.episodes))
    )
    learned, figures = jax.jit(lambda r: update(make_parts(many, env), r))(start)
    expected, reference = jax.jit(lambda r: update(make_parts(one, env), r))(merged)
    for a, b in zip(jax.tree.leaves(learned.params), jax.tree.leaves(expected.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(figures, reference, rtol=1e-5, atol=1e-5)
