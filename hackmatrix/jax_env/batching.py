"""From rules over batches to functions of one environment that stay fast under `vmap`.

The rules are written for a batch with the env axis last. `per_environment` turns such a function into one
for a single environment, which, mapped by `jax.vmap` any number of times, runs the batch code again, instead
of the code for one environment with every operation batched (under which conditionals become selects, and
everything behind them is paid by everybody).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

Function = Callable[..., Any]


def per_environment(batch_function: Function, env_axis: int = -1) -> Function:
    """The function of one environment whose batched form is given; positional arguments.

    Args:
        batch_function: from arrays to arrays, all with the env axis at `env_axis`.
        env_axis: -1 (last) or 0 (first).
    """

    def batched(*arguments: Any) -> Any:
        # (20, env) op (env,) is how the rules are written, whatever the caller's settings.
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            return batch_function(*arguments)

    @custom_vmap
    def one(*arguments: Any) -> Any:
        batch_of_one = jax.tree.map(lambda leaf: jnp.expand_dims(leaf, env_axis), arguments)
        return jax.tree.map(lambda leaf: jnp.squeeze(leaf, env_axis), batched(*batch_of_one))

    @custom_vmap
    def many(*arguments: Any) -> Any:
        inside = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, env_axis), arguments)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, env_axis, 0), batched(*inside))

    @one.def_vmap
    def _(axis_size: int, in_batched: list[Any], *arguments: Any) -> tuple[Any, Any]:
        result = many(*_spread(axis_size, in_batched, arguments))
        return result, jax.tree.map(lambda _: True, result)

    @many.def_vmap
    def _(axis_size: int, in_batched: list[Any], *arguments: Any) -> tuple[Any, Any]:
        arguments = _spread(axis_size, in_batched, arguments)
        inner = jax.tree.leaves(arguments)[0].shape[1]
        one_axis = jax.tree.map(lambda leaf: leaf.reshape(axis_size * inner, *leaf.shape[2:]), arguments)
        result = many(*one_axis)
        two_axes = jax.tree.map(lambda leaf: leaf.reshape(axis_size, inner, *leaf.shape[1:]), result)
        return two_axes, jax.tree.map(lambda _: True, two_axes)

    return one


def _spread(axis_size: int, in_batched: list[Any], arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """All leaves with a leading axis of that size, repeating those that had none."""

    def spread(leaf: Any, batched: bool) -> Any:  # noqa: FBT001 - called by tree.map, by position
        return leaf if batched else jnp.broadcast_to(leaf, (axis_size, *jnp.shape(leaf)))

    return tuple(jax.tree.map(spread, arguments, tuple(in_batched)))
