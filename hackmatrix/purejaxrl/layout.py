"""Where a run's shards lie, on a row of devices of one process or of several; and how many agents share a program.

A layout changes no number: a checkpoint of one layout goes on under any other, to the bit. The exception is
``seed_batching="vmap"``, whose rounding is its own.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hackmatrix.purejaxrl.checkpoint import snapshot
from hackmatrix.purejaxrl.config import ConfigError, TrainConfig
from hackmatrix.purejaxrl.runner import Runner
from hackmatrix.purejaxrl.sharding import AXIS

_EVERYWHERE: Any = PartitionSpec()  # type: ignore[no-untyped-call] # JAX's own has no types
_SPLIT_OF_EACH: Any = PartitionSpec(None, AXIS)  # type: ignore[no-untyped-call] # likewise
_SPLIT: Any = PartitionSpec(AXIS)  # type: ignore[no-untyped-call] # likewise

SeedBatching = Literal["map", "vmap"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """The devices and the agents of a program."""

    num_devices: int = 1
    """[devices] that the shards lie on, over all processes."""
    num_seeds: int = 1
    """[agents] trained by one program; above 1 the leaves of a runner are (seed, ...)."""
    seed_batching: SeedBatching = "map"
    """[map | vmap] one agent after the other, each to the bit as alone; or side by side, equal up to rounding."""

    @property
    def is_spread(self) -> bool:
        """Whether there is more than one device."""
        return self.num_devices > 1


def choose_layout(
    config: TrainConfig,
    num_devices: int | None = None,
    *,
    num_seeds: int = 1,
    seed_batching: SeedBatching = "map",
) -> Layout:
    """Return the layout of a run, or of as many runs as there are seeds.

    Args:
        config: the run's; its shards are to be divided.
        num_devices: over all processes; None: as many as there are and divide the shards.
        num_seeds: agents, with the seeds ``config.seed``, ``config.seed + 1``, ...
        seed_batching: as in :class:`Layout`.

    Raises:
        ConfigError: the devices do not divide the shards, or the processes do not divide the devices, or there
            are no such seeds.
    """
    if num_seeds < 1 or config.seed + num_seeds > 2**31:
        raise ConfigError(
            f"num_seeds = {num_seeds} must be at least 1, and the last seed below 2**31; 4 would do"
        )
    available, processes, shards = jax.device_count(), jax.process_count(), config.num_shards
    most = min(shards, processes * (available // processes))
    fitting = [count for count in range(processes, most + 1, processes) if shards % count == 0]
    if not fitting:
        raise ConfigError(
            f"num_shards = {shards} does not divide into {processes} processes; "
            f"start a power of two of them, at most {shards}"
        )
    if num_devices is None:
        num_devices = fitting[-1]
    if num_devices not in fitting:
        raise ConfigError(
            f"num_devices = {num_devices} must divide num_shards = {shards}"
            + (f" and be a multiple of the {processes} processes" if processes > 1 else "")
            + f", and there are {available}; {' or '.join(map(str, fitting))} would do"
        )
    return Layout(num_devices=num_devices, num_seeds=num_seeds, seed_batching=seed_batching)


def for_agents(function: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    """Let ``function(runner, n) -> (runner, figures)`` serve all agents of the layout."""
    if layout.num_seeds == 1:
        return function
    if layout.seed_batching == "vmap":
        return jax.vmap(function, in_axes=(0, None))
    return lambda runners, n: jax.lax.map(lambda runner: function(runner, n), runners)


def on_devices(function: Callable[..., Any], layout: Layout) -> Callable[..., Any]:
    """Let each device run ``function(runner, n) -> (runner, figures)`` on its own shards.

    What is not split is computed by every device alike, from equal numbers by the same program.
    """
    if not layout.is_spread:
        return function
    parts = runner_parts(layout)
    return _shard_map(function, _mesh(layout), (parts, _EVERYWHERE), (parts, _EVERYWHERE))


def place(runner: Runner, layout: Layout) -> Runner:
    """Lay a runner out; each process gives the whole one and keeps its part."""
    if not layout.is_spread:
        return runner
    shardings = jax.tree.map(lambda part: NamedSharding(_mesh(layout), part), runner_parts(layout))
    plain = jax.tree.map(lambda leaf: np.asarray(_plain(leaf)), runner)
    spread = jax.tree.map(_put, shardings, plain, is_leaf=lambda x: isinstance(x, NamedSharding))
    kinds = jax.tree.map(lambda leaf: str(jax.random.key_impl(leaf)) if _is_key(leaf) else "", runner)
    # Copies what it wraps: the memory above may be NumPy's own, and the chunk will take it.
    wrap = jax.jit(lambda tree: jax.tree.map(_wrapped, tree, kinds), out_shardings=shardings)
    placed: Runner = wrap(spread)
    return placed


def copier(layout: Layout) -> Callable[[Runner], dict[str, jax.Array]]:
    """Return what copies a runner on the device, dotted path -> array, so that this process can read all of it.

    With several processes each of them has to call it, at the same chunk: what others hold is gathered.
    """
    if jax.process_count() == 1:
        copy: Callable[[Runner], dict[str, jax.Array]] = snapshot
        return copy
    return jax.jit(snapshot, out_shardings=NamedSharding(_mesh(layout), _EVERYWHERE))


class Vote:
    """The largest number that a process says, heard by all of them at the same place in the loop.

    ``ask`` before a chunk is dispatched, ``hear`` when the one before it is done; neither waits for the former.
    """

    def __init__(self, layout: Layout) -> None:
        mesh = _mesh(layout)
        self._shape, self._split = (layout.num_devices,), NamedSharding(mesh, _SPLIT)
        self._largest = jax.jit(jnp.max, out_shardings=NamedSharding(mesh, _EVERYWHERE))
        self._cast: jax.Array | None = None

    def ask(self, mine: int) -> None:
        """Give this process's vote, an int32."""
        said = np.full(self._shape, mine, np.int32)
        self._cast = self._largest(jax.make_array_from_callback(self._shape, self._split, said.__getitem__))

    def hear(self) -> int:
        """Return the largest vote; 0 before there was one."""
        return 0 if self._cast is None else int(np.asarray(self._cast))


def runner_parts(layout: Layout) -> Runner:
    """Which leaves of a runner are split over devices, as a prefix of its tree."""
    parts: dict[str, Any] = dict.fromkeys(Runner._fields, _EVERYWHERE)
    return Runner(**{**parts, "episodes": _SPLIT if layout.num_seeds == 1 else _SPLIT_OF_EACH})


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
