"""Spaces with the attribute names that Gymnax uses.

Rules: docs/game.md, section 18.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Box:
    """Arrays of one shape with every element in low..high."""

    low: float
    high: float
    shape: tuple[int, ...]
    dtype: Any


@dataclass(frozen=True)
class Discrete:
    """Numbers 0..n-1."""

    n: int
    dtype: Any
    shape: tuple[int, ...] = ()
