"""What compiling took of the memory goes back to the system."""

import ctypes
import gc
import sys
from pathlib import Path

import pytest

from hackmatrix.purejaxrl import TrainConfig, make_environment, make_train_chunk, memory, train
from hackmatrix.tracking import open_tracker

BLOCK, COUNT = 60_000, 2_000  # 120 MB in blocks that malloc takes from its own store


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def test_what_was_freed_below_a_block_in_use_is_given_back() -> None:
    libc = ctypes.CDLL(None)
    if sys.platform != "linux" or not hasattr(libc, "malloc_trim"):
        pytest.skip("it is glibc that keeps what is freed")
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    gc.collect()
    memory.give_back()
    blocks = [libc.malloc(BLOCK) for _ in range(COUNT)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    for block in blocks[:-1]:
        libc.free(block)
    kept = resident_mb()
    memory.give_back()
    libc.free(blocks[-1])
    assert kept - resident_mb() > 60


def test_the_stores_of_threads_are_as_many_as_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        memory, "_glibc", {"mallopt": lambda what, value: asked.append((what, value))}.__getitem__
    )
    for threads in (1, 2, 96):
        monkeypatch.setattr(memory, "cpu_threads", lambda count=threads: count)
        memory.keep_little()
    assert asked == [(-8, 2), (-8, 2), (-8, 96)]


def test_training_gives_back_once_and_only_where_it_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[None] = []
    monkeypatch.setattr(memory, "give_back", lambda: calls.append(None))
    config = TrainConfig(
        env="gymnax:CartPole-v1", num_envs=4, num_steps=8, num_minibatches=2, hidden_dim=8, log_interval=1,
        total_timesteps=96,
    )  # fmt: skip
    train(config, [open_tracker("null")])
    assert calls == [None]
    env = make_environment(config.env)
    train(config, [open_tracker("null")], env=env, chunk=make_train_chunk(config, env))
    assert calls == [None]
