"""The state comes back bit for bit, or is refused with a sentence."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hackmatrix.purejaxrl import checkpoint
from hackmatrix.purejaxrl.checkpoint import (
    CheckpointError,
    load_checkpoint,
    make_header,
    read_header,
    snapshot,
    write_checkpoint,
)
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.runner import Runner, init_runner
from tests.purejaxrl.spies import Clock
from tests.purejaxrl.states import assert_same_bits, copied, small

CONFIG = small(num_shards=2)
ENV = Environment(Clock())


@cache
def runner() -> Runner:
    return init_runner(CONFIG, ENV)


def saved(folder: Path, **more: Any) -> Path:
    write_checkpoint(folder, snapshot(copied(runner())), make_header(CONFIG, 4, **more))
    return folder


def test_every_leaf_comes_back_to_the_bit(tmp_path: Path) -> None:
    back = load_checkpoint(saved(tmp_path / "new" / "folder"), CONFIG, ENV)
    assert_same_bits(back, runner())
    for one, other in zip(jax.tree.leaves(back), jax.tree.leaves(runner()), strict=True):
        assert one.dtype == other.dtype
        assert not getattr(one, "weak_type", False)
        assert not getattr(other, "weak_type", False)


def test_the_folder_holds_two_closed_files(tmp_path: Path) -> None:
    saved(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.json", "state.safetensors"]


def test_the_header_says_what_it_is(tmp_path: Path) -> None:
    header = read_header(saved(tmp_path, mean_episode_return=3.5, best_return=None))
    assert (header["update"], header["env_steps"], header["mean_episode_return"]) == (4, 256, 3.5)
    assert header["config"]["num_shards"] == 2
    assert header["platform"]["cpu_threads"] >= 1
    assert len(header["sha256"]) == 64


def test_names_are_paths_and_safetensors_can_read_them(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    arrays = load_file(saved(tmp_path) / "state.safetensors")
    assert arrays["episodes.episode_length"].shape == (2, 4)
    assert arrays["params.params.actor_0.kernel"].shape == (2, 8)
    np.testing.assert_array_equal(arrays["key"], jax.random.key_data(copied(runner().key)))


def test_a_flipped_byte_is_known(tmp_path: Path) -> None:
    path = saved(tmp_path) / "state.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"damaged.*older checkpoint"):
        load_checkpoint(tmp_path, CONFIG, ENV)


def test_every_shortening_is_known(tmp_path: Path) -> None:
    for name in ("state.safetensors", "state.json"):
        path = saved(tmp_path) / name
        whole = path.read_bytes()
        for length in {0, 1, 8, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:length])
            with pytest.raises(CheckpointError):
                load_checkpoint(tmp_path, CONFIG, ENV)
        path.unlink()
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path, CONFIG, ENV)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_dim": 16}, "hidden_dim = 8, not 16"),
        ({"num_layers": 2}, "num_layers = 1, not 2"),
        ({"num_envs": 16}, "num_envs = 8, not 16"),
        ({"num_shards": 4}, "num_shards = 2, not 4"),
        ({"env": "gymnax:Breakout-MinAtar"}, "env = 'gymnax:CartPole-v1', not 'gymnax:Breakout-MinAtar'"),
    ],
)
def test_another_network_or_environment_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(saved(tmp_path), small(**{"num_shards": 2, **changes}), ENV)
    assert said in str(caught.value)


def test_other_hyperparameters_may_go_on(tmp_path: Path) -> None:
    forked = small(num_shards=2, learning_rate=1e-4, num_steps=16, seed=9)
    assert_same_bits(load_checkpoint(saved(tmp_path), forked, ENV), runner())


def test_an_environment_that_grew_is_refused(tmp_path: Path) -> None:
    class Grown(Clock):
        def features(self, observation: Any) -> jax.Array:
            return jax.numpy.tile(super().features(observation), (1, 2))

    with pytest.raises(CheckpointError, match=r"params.*kernel.*\(2, 8\).*\(4, 8\)"):
        load_checkpoint(saved(tmp_path), CONFIG, Environment(Grown()))


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path) / "state.json"
    header = json.loads(path.read_text())
    path.write_text(json.dumps({**header, "format_version": 2}))
    with pytest.raises(CheckpointError, match="format version 2"):
        load_checkpoint(tmp_path, CONFIG, ENV)
    path.write_text("[]")
    with pytest.raises(CheckpointError, match="None"):
        read_header(tmp_path)


def test_a_write_that_fails_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        saved(tmp_path)
    assert not (tmp_path / "state.safetensors").exists()
    assert not (tmp_path / "state.json").exists()
