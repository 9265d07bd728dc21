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
from typing import TypeVar, TypeVarTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import jaxpr_as_fun

Inputs = TypeVarTuple("Inputs")
Output = TypeVar("Output")


def wall(witness: Array, phase: Callable[[*Inputs], Output], *inputs: *Inputs) -> Output:
    """`phase(*inputs)`, not fused with what comes before and after.

    What the phase hands on untouched goes round the wall, so that it is not copied.

    Args:
        witness: int32 (env,), never negative; any such array that is computed at run time.
        phase: a pure function of arrays.
        inputs: its arguments.
    """
    if jax.default_backend() != "cpu":
        return phase(*inputs)
    traced, shapes = jax.make_jaxpr(phase, return_shape=True)(*inputs)
    leaves = jax.tree.leaves(inputs)
    origin = {id(variable): leaf for variable, leaf in zip(traced.jaxpr.invars, leaves, strict=True)}
    results = [origin.get(id(variable)) for variable in traced.jaxpr.outvars]
    computed = [index for index, result in enumerate(results) if result is None]

    def behind_the_wall(*leaves: Array) -> list[Array]:
        values = jaxpr_as_fun(traced)(*leaves)
        return [values[index] for index in computed]

    def never(*_: Array) -> list[Array]:
        return [jnp.zeros(aval.shape, aval.dtype) for aval in (traced.out_avals[index] for index in computed)]

    for index, value in zip(
        computed, jax.lax.cond(witness[0] >= 0, behind_the_wall, never, *leaves), strict=True
    ):
        results[index] = value
    output: Output = jax.tree.unflatten(jax.tree.structure(shapes), results)
    return output


def when(condition: Array, phase: Callable[[*Inputs], Output], *inputs: *Inputs) -> Output:
    """`phase(*inputs)` if the one condition () holds, zeros of the same shapes if not; a wall, too."""
    shapes = jax.eval_shape(phase, *inputs)

    def zeros(*_: object) -> Output:
        nothing: Output = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return nothing

    result: Output = jax.lax.cond(condition, phase, zeros, *inputs)
    return result
