"""Several agents in one program: each the run that its seed gives alone."""

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from hackmatrix.purejaxrl import (
    Layout,
    SaveOptions,
    TrainConfig,
    init_runner,
    load_checkpoint,
    make_environment,
    make_train_chunk,
    stack_agents,
    train,
)
from hackmatrix.purejaxrl.config import ConfigError
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.layout import choose_layout
from tests.purejaxrl.recording import RecordingTracker
from tests.purejaxrl.states import assert_same_bits, copied, small

SEEDS = 3
CONFIG = small(seed=5)  # beside several shards and devices: test_devices.py
TOGETHER = Layout(num_seeds=SEEDS)
VMAP_BOUND = 1e-5  # relative, of parameters after five updates; measured: 1.6e-6


@cache
def env() -> Environment:
    return make_environment(CONFIG.env)


@cache
def program(layout: Layout) -> Any:
    return make_train_chunk(CONFIG, env(), layout)


def of_seed(number: int) -> TrainConfig:
    return dataclasses.replace(CONFIG, seed=CONFIG.seed + number)


@cache
def alone(number: int) -> tuple[RecordingTracker, Any]:
    tracker = RecordingTracker()
    return tracker, train(of_seed(number), [tracker], env=env(), chunk=program(Layout()), layout=Layout())


def agent(tree: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], copied(tree))


def run(trackers: list[RecordingTracker], **options: Any) -> Any:
    return train(CONFIG, trackers, env=env(), chunk=program(TOGETHER), layout=TOGETHER, **options)


def test_each_begins_as_alone() -> None:
    together = init_runner(CONFIG, env(), SEEDS)
    for number in range(SEEDS):
        assert_same_bits(agent(together, number), init_runner(of_seed(number), env()))


def test_each_is_to_the_bit_the_run_that_its_seed_gives_alone() -> None:
    trackers = [RecordingTracker() for _ in range(SEEDS)]
    result = run(trackers)
    for number, tracker in enumerate(trackers):
        expected, ended = alone(number)
        assert tracker.numbers() == expected.numbers()
        assert_same_bits(agent(result.runner, number), ended.runner)
        assert result.rows[number] == tracker.rows[-1][1]
    assert len({str(tracker.numbers()) for tracker in trackers}) == SEEDS


def test_one_program_of_one_trace_serves_all() -> None:
    run([RecordingTracker() for _ in range(SEEDS)])
    assert program(TOGETHER)._cache_size() == 1


def test_checkpoints_are_each_agents_own_and_all_go_on_together(tmp_path: Path) -> None:
    trackers = [RecordingTracker(tmp_path / str(number)) for number in range(SEEDS)]
    stopped = run(trackers, saving=SaveOptions(every_updates=4), stop=iter([False, False, True]).__next__)
    assert not stopped.finished
    assert [said["step"] for tracker in trackers for said in tracker.artifacts] == [4, 8] * SEEDS
    start = stack_agents(
        [load_checkpoint(tracker.checkpoint(8), of_seed(n), env()) for n, tracker in enumerate(trackers)]
    )
    later = [RecordingTracker() for _ in range(SEEDS)]
    run(later, start=start)
    for number, tracker in enumerate(later):
        assert tracker.numbers() == [row for row in alone(number)[0].numbers() if row[0] > 8]


def test_a_checkpoint_of_a_group_goes_on_alone(tmp_path: Path) -> None:
    trackers = [RecordingTracker(tmp_path / str(number)) for number in range(SEEDS)]
    run(trackers, saving=SaveOptions(every_updates=4))
    start = load_checkpoint(trackers[1].checkpoint(4), of_seed(1), env())
    result = train(
        of_seed(1), [RecordingTracker()], env=env(), start=start, chunk=program(Layout()), layout=Layout()
    )
    assert_same_bits(result.runner, alone(1)[1].runner)


def test_side_by_side_they_agree_up_to_rounding() -> None:
    layout = Layout(num_seeds=SEEDS, seed_batching="vmap")
    beside, one_by_one = (init_runner(CONFIG, env(), SEEDS) for _ in range(2))
    with jax.debug_key_reuse(False):  # it takes the batched keys of a loop inside vmap for used ones
        for _ in range(5):
            beside, _ = program(layout)(beside, 1)
    for _ in range(5):
        one_by_one, _ = program(TOGETHER)(one_by_one, 1)
    pairs = zip(jax.tree.leaves(beside.params), jax.tree.leaves(one_by_one.params), strict=True)
    apart = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    assert apart <= VMAP_BOUND, apart


@pytest.mark.parametrize("seeds", [0, -1, 2**31])
def test_seeds_that_there_are_not_are_refused(seeds: int) -> None:
    with pytest.raises(ConfigError, match="num_seeds"):
        choose_layout(CONFIG, 1, num_seeds=seeds)
