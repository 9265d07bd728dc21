"""The runner as a file, and back.

A checkpoint is a folder with ``state.safetensors`` (the arrays under their dotted paths in the tree) and
``state.json`` (what they are, and the SHA-256 of the first file). No pickle: reading one runs no code.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.platform import platform_facts
from hackmatrix.purejaxrl.runner import Runner, first_runner, make_parts

FORMAT_VERSION = 1
STATE = "state.safetensors"
HEADER = "state.json"
# What gives the state its shape or meaning; all else of a config may differ when a run is forked.
_OF_THE_STATE = ("env", "num_envs", "num_shards", "hidden_dim", "num_layers")


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or is one of another network, environment or format."""


class Saved(NamedTuple):
    """A checkpoint that was read and verified."""

    header: dict[str, Any]
    content: bytes  # of the file with the arrays


@jax.jit
def snapshot(runner: Runner) -> dict[str, jax.Array]:
    """Copy the runner on the device, dotted path -> array. Call it before the next chunk takes the runner."""
    return {name: jnp.copy(_plain(leaf)) for name, leaf in _named(runner).items()}


def write_checkpoint(folder: Path, state: Mapping[str, Any], header: Mapping[str, Any]) -> str:
    """Write both files into ``folder`` (made if absent), each under a temporary name first.

    Args:
        folder: where.
        state: what :func:`snapshot` gave; waits for the device.
        header: what :func:`make_header` gave.

    Returns:
        The hex SHA-256 of the state's file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: np.asarray(value, order="C") for name, value in state.items()})
    checksum = hashlib.sha256(content).hexdigest()
    _write(folder / STATE, content)
    text = json.dumps({**header, "sha256": checksum}, indent=1, allow_nan=False)
    _write(folder / HEADER, text.encode())
    return checksum


def make_header(config: TrainConfig, update: int, **more: Any) -> dict[str, Any]:
    """Describe a state: format, config, platform, key implementation, update, env steps."""
    return {
        "format_version": FORMAT_VERSION,
        "update": update,
        "env_steps": update * config.batch_size,
        "key_impl": str(jax.random.key_impl(jax.random.key(0))),
        "config": dataclasses.asdict(config),
        "platform": platform_facts(),
        **more,
    }


def read_header(folder: str | Path) -> dict[str, Any]:
    """Read what a checkpoint says about itself, without its arrays.

    Raises:
        CheckpointError: there is none, or it is of another format.
    """
    path = Path(folder) / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no readable checkpoint header: {error}") from error
    version = header.get("format_version") if isinstance(header, dict) else None
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {version!r}, this program reads {FORMAT_VERSION}; "
            "go on with the version of hackmatrix that wrote it"
        )
    return dict(header)


def load_checkpoint(folder: str | Path, config: TrainConfig, env: Environment) -> Runner:
    """Read the runner back, bit for bit.

    Args:
        folder: a checkpoint's.
        config: the run's, or a fork's with other hyperparameters.
        env: the run's.

    Raises:
        CheckpointError: it is damaged, or its network, environment or format is another.
    """
    return restore(read_checkpoint(folder), config, env)


def read_checkpoint(folder: str | Path) -> Saved:
    """Read both files, verified.

    Raises:
        CheckpointError: it is damaged, or of another format.
    """
    header = read_header(folder)
    return Saved(header, _read_state(Path(folder) / STATE, header["sha256"]))


def restore(saved: Saved, config: TrainConfig, env: Environment) -> Runner:
    """Make the runner of what was read, here or by another process.

    Raises:
        CheckpointError: its network or environment is another.
    """
    header = saved.header
    _refuse_another_state(header, config)
    arrays: dict[str, NDArray[Any]] = load(saved.content)
    template = jax.eval_shape(lambda: first_runner(make_parts(config, env), 0))
    named = _named(template)
    _refuse_other_arrays(arrays, {name: jax.eval_shape(_plain, leaf) for name, leaf in named.items()})
    leaves = [_restored(arrays[name], leaf, header["key_impl"]) for name, leaf in named.items()]
    runner: Runner = jax.tree.unflatten(jax.tree.structure(template), leaves)
    return runner


def _named(runner: Runner) -> dict[str, Any]:
    """Dotted path -> leaf, in the order of the tree's leaves."""
    leaves = jax.tree_util.tree_flatten_with_path(runner)[0]
    return {".".join(_word(part) for part in path): leaf for path, leaf in leaves}


def _word(part: Any) -> str:
    """Return the name, key or index that one step of a path takes."""
    for attribute in ("name", "key", "idx"):
        if hasattr(part, attribute):
            return str(getattr(part, attribute))
    return str(part)


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _plain(leaf: jax.Array) -> jax.Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _restored(array: NDArray[Any], like: Any, key_impl: str) -> jax.Array:
    plain = jnp.array(array)  # a copy: the chunk will take this memory
    return jax.random.wrap_key_data(plain, impl=key_impl) if _is_key(like) else plain


def _refuse_another_state(header: Mapping[str, Any], config: TrainConfig) -> None:
    then = header["config"]
    now = dataclasses.asdict(config)
    other = [
        f"{name} = {then.get(name)!r}, not {now[name]!r}"
        for name in _OF_THE_STATE
        if then.get(name) != now[name]
    ]
    if other:
        raise CheckpointError(
            f"the checkpoint has {'; '.join(other)}; go on with what it has, or start a new run"
        )


def _read_state(path: Path, checksum: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}; take an older checkpoint") from error
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise CheckpointError(
            f"{path} is damaged: its SHA-256 begins {found[:12]}, expected {checksum[:12]}; "
            "take an older checkpoint"
        )
    return content


def _refuse_other_arrays(arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, Any]) -> None:
    """Refuse what the config does not show, such as an environment whose observation has grown."""
    for name in sorted(arrays.keys() | wanted.keys()):
        held = f"{arrays[name].dtype}{arrays[name].shape}" if name in arrays else "nothing"
        needed = f"{wanted[name].dtype}{wanted[name].shape}" if name in wanted else "nothing"
        if held != needed:
            raise CheckpointError(
                f"the checkpoint is of another network or environment: {name} is {held}, needed is {needed}"
            )


def _write(path: Path, content: bytes) -> None:
    """Write under another name, make it safe, then give it its name."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename safe where the system lets a folder be opened (Windows does not)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
