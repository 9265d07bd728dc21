"""Small numbers that share one 32-bit word, each under a name of its own.

A slot or a cell holds a handful of numbers below 128. Kept in one word, they are moved, selected and
scattered as one array instead of eight; read through these accessors, nobody has to know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, overload

import jax
import jax.numpy as jnp
from jax import Array


class Field:
    """Where in the word one value sits; the base of `Number` and `Flag`."""

    def __init__(self, shift: int, bits: int) -> None:
        self.shift = shift
        self.largest = (1 << bits) - 1

    def put(self, word: Array, value: Array | int | bool) -> Array:  # noqa: FBT001 - the value may be a flag
        """The word with this field's bits replaced; the value must fit."""
        cleared: Array = word & jnp.uint32(~(self.largest << self.shift) & 0xFFFFFFFF)
        set_bits: Array = jnp.asarray(value).astype(jnp.uint32) << self.shift
        return cleared | set_bits

    def read(self, word: Array) -> Array:
        """The field's bits as an unsigned number."""
        bits: Array = (word >> self.shift) & jnp.uint32(self.largest)
        return bits


class Number(Field):
    """A field that reads as int32, in the shape of the word."""

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Packed", owner: type) -> Array: ...
    def __get__(self, instance: "Packed | None", owner: type) -> Self | Array:
        return self if instance is None else self.read(instance.word).astype(jnp.int32)


class Flag(Field):
    """A field of one bit that reads as bool, in the shape of the word."""

    def __init__(self, shift: int) -> None:
        super().__init__(shift, bits=1)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "Packed", owner: type) -> Array: ...
    def __get__(self, instance: "Packed | None", owner: type) -> Self | Array:
        return self if instance is None else self.read(instance.word) != 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Packed:
    """An array of words, uint32; subclasses name the fields."""

    word: Array

    def replace(self, **values: Array | int | bool) -> Self:
        """The same with the named fields set anew, everywhere; values broadcast."""
        word = self.word
        for name, value in values.items():
            field: Field = getattr(type(self), name)
            word = field.put(word, value)
        return type(self)(word)

    def where(self, condition: Array, other: Self) -> Self:
        """`other` where the condition holds, self elsewhere."""
        return type(self)(jnp.where(condition, other.word, self.word))

    def without(self, which: Array) -> Self:
        """The same with the chosen words emptied."""
        return type(self)(jnp.where(which, jnp.uint32(0), self.word))


def fields_of(layout: type[Packed]) -> dict[str, Field]:
    """The named fields of a word, in order of definition."""
    return {name: member for name, member in vars(layout).items() if isinstance(member, Field)}


def word_of(layout: type[Packed], values: Mapping[str, int]) -> int:
    """One word as a plain number, on the host; other names than fields' are passed over."""
    return sum(
        int(values[name]) << field.shift for name, field in fields_of(layout).items() if name in values
    )


def values_of(layout: type[Packed], word: int) -> dict[str, int | bool]:
    """The fields of one word as plain numbers and flags, on the host."""
    fields = fields_of(layout)
    read = {name: (word >> field.shift) & field.largest for name, field in fields.items()}
    return {name: bool(v) if isinstance(fields[name], Flag) else v for name, v in read.items()}
