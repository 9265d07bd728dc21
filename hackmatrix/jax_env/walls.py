"""Walls between the phases of a step, for the CPU compiler's sake.

XLA's CPU backend fuses a cheap producer into every one of its consumers and computes it again in each. In a
game step some forty results hang on the same chain of small operations, so the chain would be run some forty
times. A conditional is the one boundary that fusion respects: what goes in and what comes out is kept in
memory. (`lax.optimization_barrier` is removed before fusion takes place.) So a phase is put into a
conditional whose predicate is true whenever the game runs, which the compiler cannot know. That makes the
step several times faster there and changes no result. Elsewhere a conditional may cost a trip to the host,
and the phase is called plainly.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar, TypeVarTuple

import jax
import jax.numpy as jnp
from jax import Array

Inputs = TypeVarTuple("Inputs")
Output = TypeVar("Output")


def wall(witness: Array, phase: Callable[[*Inputs], Output], *inputs: *Inputs) -> Output:
    """`phase(*inputs)`, not fused with what comes before and after.

    Args:
        witness: int32 (env,), never negative; any such array that is computed at run time.
        phase: a pure function of arrays.
        inputs: its arguments.
    """
    if jax.default_backend() != "cpu":
        return phase(*inputs)
    return when(witness[0] >= 0, phase, *inputs)


def when(condition: Array, phase: Callable[[*Inputs], Output], *inputs: *Inputs) -> Output:
    """`phase(*inputs)` if the one condition () holds, zeros of the same shapes if not."""
    shapes = jax.eval_shape(phase, *inputs)
    result: Output = jax.lax.cond(condition, phase, partial(_zeros, shapes), *inputs)
    return result


def _zeros(shapes: Output, *_: object) -> Output:
    zeros: Output = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return zeros
