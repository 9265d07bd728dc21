"""Where a run's shards lie: on a row of devices, of one process or of several.

A layout changes no number: a checkpoint of one layout goes on under any other, to the bit.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hackmatrix.purejaxrl.config import ConfigError, TrainConfig
from hackmatrix.purejaxrl.runner import Runner
from hackmatrix.purejaxrl.sharding import AXIS

_EVERYWHERE: Any = PartitionSpec()  # type: ignore[no-untyped-call] # JAX's own has no types
_SPLIT: Any = PartitionSpec(AXIS)  # type: ignore[no-untyped-call] # likewise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The devices of a program."""

    num_devices: int = 1
    """[devices] that the shards lie on, over all processes."""

    @property
    def is_spread(self) -> bool:
        """Whether there is more than one device."""
        return self.num_devices > 1


def choose_layout(config: TrainConfig, num_devices: int | None = None) -> Layout:
    """Return the layout of a run.

    Args:
        config: the run's; its shards are to be divided.
        num_devices: over all processes; None: as many as there are and divide the shards.

    Raises:
        ConfigError: it does not divide the shards, or the processes do not divide it.
    """
    available, processes, shards = jax.device_count(), jax.process_count(), config.num_shards
    most = min(shards, processes * (available // processes))
    fitting = [count for count in range(processes, most + 1, processes) if shards % count == 0]
    if not fitting:
        raise ConfigError(
            f"num_shards = {shards} does not divide into {processes} processes; "
            f"start a power of two of them, at most {shards}"
        )
    if num_devices is None:
        return Layout(num_devices=fitting[-1])
    if num_devices not in fitting:
        raise ConfigError(
            f"num_devices = {num_devices} must divide num_shards = {shards}"
            + (f" and be a multiple of the {processes} processes" if processes > 1 else "")
            + f", and there are {available}; {' or '.join(map(str, fitting))} would do"
        )
    return Layout(num_devices=num_devices)


def on_devices(function: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    """Let each device run ``function(runner, n) -> (runner, figures)`` on its own shards.

    What is not split is computed by every device alike, from equal numbers by the same program.
    """
    if not layout.is_spread:
        return function
    parts = runner_parts()
    return _shard_map(function, _mesh(layout), (parts, _EVERYWHERE), (parts, _EVERYWHERE))


def place(runner: Runner, layout: Layout) -> Runner:
    """Lay a runner out; each process gives the whole one and keeps its part."""
    if not layout.is_spread:
        return runner
    shardings = jax.tree.map(lambda part: NamedSharding(_mesh(layout), part), runner_parts())
    plain = jax.tree.map(lambda leaf: np.asarray(_plain(leaf)), runner)
    spread = jax.tree.map(_put, shardings, plain, is_leaf=lambda x: isinstance(x, NamedSharding))
    kinds = jax.tree.map(lambda leaf: str(jax.random.key_impl(leaf)) if _is_key(leaf) else "", runner)
    # Copies what it wraps: the memory above may be NumPy's own, and the chunk will take it.
    wrap = jax.jit(lambda tree: jax.tree.map(_wrapped, tree, kinds), out_shardings=shardings)
    placed: Runner = wrap(spread)
    return placed


def runner_parts() -> Runner:
    """Which leaves of a runner are split over devices, as a prefix of its tree."""
    parts: dict[str, Any] = dict.fromkeys(Runner._fields, _EVERYWHERE)
    return Runner(**{**parts, "episodes": _SPLIT})


def _mesh(layout: Layout) -> Mesh:
    """Return an equal number of devices of each process, processes in order: the shards' order."""
    each = layout.num_devices // jax.process_count()
    devices = [
        device
        for process in range(jax.process_count())
        for device in [d for d in jax.devices() if d.process_index == process][:each]
    ]
    return Mesh(np.asarray(devices), (AXIS,))


def _put(sharding: NamedSharding, tree: Any) -> Any:
    def put(leaf: np.ndarray[Any, Any]) -> jax.Array:
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(put, tree)


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _plain(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _wrapped(plain: jax.Array, key_impl: str) -> jax.Array:
    return jax.random.wrap_key_data(plain, impl=key_impl) if key_impl else jnp.copy(plain)


def _shard_map(function: Callable[..., Any], mesh: Mesh, inside: Any, outside: Any) -> Callable[..., Any]:
    """JAX's own, where this version keeps it.

    Replicated results are not checked by JAX here (its check knows no ``all_gather`` that replicates).
    """
    if hasattr(jax, "shard_map"):
        mapped: Callable[..., Any] = jax.shard_map(
            function, mesh=mesh, in_specs=inside, out_specs=outside, check_vma=False
        )
        return mapped
    from jax.experimental.shard_map import shard_map  # noqa: PLC0415 - gone in newer versions

    older: Callable[..., Any] = shard_map(  # type: ignore[no-untyped-call] # JAX's own has no types
        function, mesh, inside, outside, check_rep=False
    )
    return older
