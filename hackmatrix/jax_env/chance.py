"""Random draws from the key of one step.

Each use has a number, so that draws within a step are independent of each other; a use that draws several
times tells them apart by `lane`. The key's words are mixed by integer hashing instead of further splitting,
which costs a tenth and fuses with what needs the draw. Only distributions are rules (docs/game.md, section
15).
"""

from dataclasses import dataclass
from enum import IntEnum

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


class Use(IntEnum):
    """What a draw is for."""

    WARP_TARGET = 0
    POLY_TYPE = 1
    SIPHONED_TYPE = 2
    SCHEDULED_CELL = 3
    SCHEDULED_TYPE = 4
    EXIT = 5
    BLOCK_COUNT = 6
    LAYOUT = 7
    CELL_CONTENT = 8
    STAGE_TRANSMISSION_CELL = 9
    STAGE_TRANSMISSION_TYPE = 10


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Seed:
    """The source of chance of one step: two uint32 (env,)."""

    first: Array
    second: Array

    def draw(self, use: Use, lane: ArrayLike = 0) -> Array:
        """uint32, in the broadcast shape of seed and lane: uniform over all words."""
        counter = jnp.asarray(lane).astype(jnp.uint32) + jnp.uint32(int(use) << 24)
        return _mix(_mix(self.first ^ (counter * jnp.uint32(0x9E3779B9))) + self.second)


def key_words(key: Array) -> Array:
    """uint32 (words,): the bits of a typed or a raw key; leading axes stay."""
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key


def seed_from_words(words: Array) -> Seed:
    """The seed of a key whose words (words, env) may be 2 (threefry) or 4 (rbg)."""
    first, second = words[0], words[1]
    for extra in range(2, words.shape[0], 2):
        first, second = _mix(first) ^ words[extra], _mix(second) ^ words[extra + 1]
    return Seed(first, second)


def below(word: Array, number: Array | int) -> Array:
    """int32: uniform over 0..number-1 from the upper 26 bits of a random word; number is at most 64.

    The deviation from exact uniformity is number / 2**26 at most.
    """
    scaled = (word >> 6) * jnp.asarray(number).astype(jnp.uint32)
    return (scaled >> 26).astype(jnp.int32)


def _mix(word: Array) -> Array:
    """An integer hash in which each input bit flips each output bit with a chance of about one half.

    Source: Wellons, "Prospecting for hash functions" (2018), lowbias32.
    """
    word = (word ^ (word >> 16)) * jnp.uint32(0x7FEB352D)
    word = (word ^ (word >> 15)) * jnp.uint32(0x846CA68B)
    return word ^ (word >> 16)
