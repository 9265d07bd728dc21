"""The loop: every update done once and logged once, one chunk ahead, and a run that goes on as if undisturbed."""

import logging
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import chex
import jax
import numpy as np
import pytest

from hackmatrix.purejaxrl import (
    Layout,
    SaveOptions,
    TrainConfig,
    init_runner,
    load_checkpoint,
    make_train_chunk,
    train,
)
from hackmatrix.purejaxrl import chunk as chunk_module
from hackmatrix.purejaxrl.config import ConfigError
from hackmatrix.purejaxrl.environments import Environment
from hackmatrix.purejaxrl.runner import Runner
from hackmatrix.purejaxrl.update import update
from tests.purejaxrl.recording import RecordingTracker
from tests.purejaxrl.spies import Clock
from tests.purejaxrl.states import assert_same_bits, bits, copied, small

CONFIG = small(max_episode_steps=20)  # ten updates of 8 x 8; episodes span updates and chunks
ENV = Environment(Clock(length=99, resets_itself=False))


@cache
def program() -> Any:
    return make_train_chunk(CONFIG, ENV)


@cache
def first() -> Runner:
    return init_runner(CONFIG, ENV)


def run(tracker: RecordingTracker, config: TrainConfig = CONFIG, **options: Any) -> Any:
    options = {"env": ENV, "chunk": program(), "start": copied(first()), **options}
    return train(config, [tracker], **options)


@cache
def undisturbed() -> tuple[RecordingTracker, Any]:
    tracker = RecordingTracker()
    return tracker, run(tracker)


def test_a_row_per_chunk_at_its_end_and_a_shorter_last_one() -> None:
    tracker, result = undisturbed()
    assert [step for step, _ in tracker.rows] == [4, 8, 10]
    for step, row in tracker.rows:
        assert (row["train/update_step"], row["train/env_steps"]) == (step, step * 64)
        assert row["train/steps_per_second"] > 0
    assert (result.update, result.env_steps, result.finished) == (10, 640, True)
    assert result.row == tracker.rows[-1][1]
    assert int(result.runner.update) == 10


def test_each_chunk_has_a_histogram_of_the_probabilities_of_its_actions() -> None:
    tracker, _ = undisturbed()
    assert [(step, tag) for step, tag, _ in tracker.histograms] == [
        (step, "train/action_probability") for step in (4, 8, 10)
    ]
    assert [sum(counts) for *_, counts in tracker.histograms] == [4 * 64, 4 * 64, 2 * 64]


def test_episodes_span_chunks_and_absent_means_stay_absent() -> None:
    """Episodes of 20 steps end in updates 3, 5, 8 and 10: 1 + ... + 20 = 210."""
    tracker, _ = undisturbed()
    ended = [row["train/num_episodes"] for _, row in tracker.rows]
    assert ended == [8, 16, 8]
    assert [row["train/mean_episode_return"] for _, row in tracker.rows] == [210.0] * 3
    short = RecordingTracker()
    run(short, stop=iter([False, True]).__next__, chunk=lambda runner, _: program()(runner, 2))
    row = short.rows[0][1]
    assert row["train/num_episodes"] == 0
    assert "train/mean_episode_return" not in row
    assert "train/mean_episode_length" not in row
    assert "spy/time" in row
    assert "spy/time_at_end" not in row


def test_a_row_per_update_is_the_same_training() -> None:
    config = small(max_episode_steps=20, log_every="update")
    tracker = RecordingTracker()
    result = run(tracker, config)
    assert [step for step, _ in tracker.rows] == list(range(1, 11))
    assert tracker.packed_calls == 3
    chunks, expected = undisturbed()
    assert_same_bits(result.runner, expected.runner)
    with_ends = [step for step, row in tracker.rows if "train/mean_episode_return" in row]
    assert with_ends == [3, 5, 8, 10]
    rewards = [row["train/mean_reward"] for _, row in tracker.rows]
    np.testing.assert_allclose(chunks.rows[0][1]["train/mean_reward"], np.mean(rewards[:4]), rtol=1e-12)


def test_one_chunk_ahead_and_one_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dispatch k + 1 comes before the rows of k are logged, and never k + 2."""
    said: list[str] = []

    def chunk(runner: Runner, length: int) -> Any:
        said.append(f"dispatch {length}")
        return program()(runner, length)

    class Says(RecordingTracker):
        def log(self, metrics: Any, *, step: int) -> None:
            said.append(f"log {step}")
            super().log(metrics, step=step)

    run(Says(), chunk=chunk, on_chunk=lambda report: said.append(f"report {report.update}"))
    assert said == [
        *("dispatch 4", "dispatch 4", "log 4", "report 4"),
        *("dispatch 2", "log 8", "report 8", "log 10", "report 10"),
    ]


def test_speed_is_told_from_ready_to_ready() -> None:
    """A clock that counts its own calls: asked, compiled, then one per chunk."""
    ticks = iter(range(0, 1000, 7))
    compiled: list[float] = []
    tracker = RecordingTracker()
    reports: list[Any] = []
    run(tracker, clock=lambda: float(next(ticks)), on_compiled=compiled.append, on_chunk=reports.append)
    assert compiled == [7.0]
    # Calls: 0 asked, 1 compiled, 2 asked, 3 ready, 4 asked, 5 ready, 6 ready.
    assert [report.seconds for report in reports] == [14.0, 14.0, 7.0]
    speeds = [row["train/steps_per_second"] for _, row in tracker.rows]
    assert speeds == [4 * 64 / 14.0, 4 * 64 / 14.0, 2 * 64 / 7.0]


def test_stop_ends_after_what_was_dispatched_and_keeps_it(tmp_path: Path) -> None:
    """Told to stop while the first chunk runs: it is saved before the second, already dispatched, is done."""
    tracker = RecordingTracker(tmp_path)
    result = run(tracker, stop=lambda: len(tracker.rows) >= 1)
    assert (result.update, result.finished) == (8, False)
    assert [step for step, _ in tracker.rows] == [4, 8]
    assert [said["step"] for said in tracker.artifacts] == [4, 8]


def test_a_return_that_is_no_number_is_still_saved(tmp_path: Path) -> None:
    tracker = RecordingTracker(tmp_path)
    lost = copied(first())
    gone = lost.episodes._replace(episode_return=lost.episodes.episode_return * float("nan"))
    run(tracker, start=lost._replace(episodes=gone), saving=SaveOptions(every_updates=4))
    returns = [said["metadata"]["mean_episode_return"] for said in tracker.artifacts]
    assert returns == [None, 210.0, 210.0]
    assert ["best" in said["aliases"] for said in tracker.artifacts] == [False, True, False]


@pytest.mark.parametrize("saved_at", [4, 8])
def test_resumed_equals_undisturbed_to_the_bit(tmp_path: Path, saved_at: int) -> None:
    tracker = RecordingTracker(tmp_path)
    run(tracker, saving=SaveOptions(every_updates=4))
    assert [said["step"] for said in tracker.artifacts] == [4, 8, 10]
    start = load_checkpoint(tracker.checkpoint(saved_at), CONFIG, ENV)
    later = RecordingTracker()
    result = run(later, start=start)
    whole, expected = undisturbed()
    assert_same_bits(result.runner, expected.runner)
    assert later.numbers() == [(step, row) for step, row in whole.numbers() if step > saved_at]


def test_a_stopped_run_goes_on_from_the_middle_of_an_interval(tmp_path: Path) -> None:
    """Its checkpoint is at update 4; a resumed run with another interval ends its chunks at multiples of it."""
    tracker = RecordingTracker(tmp_path)
    run(tracker, stop=iter([False, True]).__next__)
    other = small(max_episode_steps=20, log_interval=3)
    later = RecordingTracker()
    start = load_checkpoint(tracker.checkpoint(4), other, ENV)
    result = run(later, other, start=start, chunk=program())  # a chunk of capacity 4 serves 2, 3 and 1
    assert [step for step, _ in later.rows] == [6, 9, 10]
    assert_same_bits(result.runner, undisturbed()[1].runner)


def test_a_restored_run_compiles_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chex.clear_trace_counter()
    monkeypatch.setattr(chunk_module, "update", chex.assert_max_traces(update, n=1))
    chunk = make_train_chunk(CONFIG, ENV)
    tracker = RecordingTracker(tmp_path)
    run(tracker, chunk=chunk)
    start = load_checkpoint(tracker.checkpoint(10), CONFIG, ENV)
    longer = small(max_episode_steps=20, total_timesteps=64 * 17)
    result = run(RecordingTracker(), longer, chunk=chunk, start=start)
    assert result.update == 17
    assert chunk._cache_size() == 1


def test_a_finished_run_has_nothing_to_do(tmp_path: Path) -> None:
    tracker = RecordingTracker(tmp_path)
    start = copied(first())._replace(update=jax.numpy.int32(10))
    result = run(tracker, start=start)
    assert (result.finished, result.row, tracker.rows, tracker.artifacts) == (True, None, [], [])


def test_exactly_one_tracker_for_each_agent() -> None:
    with pytest.raises(ValueError, match="got 0"):
        train(CONFIG, [], env=ENV)
    with pytest.raises(ValueError, match="got 2"):
        train(CONFIG, [RecordingTracker(), RecordingTracker()], env=ENV, layout=Layout())


# Saving.


def test_checkpoints_carry_their_figures(tmp_path: Path) -> None:
    tracker = RecordingTracker(tmp_path)
    run(tracker, saving=SaveOptions(every_updates=4, keep=2, upload=False))
    said = tracker.artifacts[0]
    assert (said["name"], said["type"], said["step"]) == ("checkpoint", "model", 4)
    assert (said["keep"], said["upload"], said["with_journal"]) == (2, False, True)
    assert said["aliases"] == ("latest", "checkpoint-4", "best")
    assert len(said["metadata"].pop("checksum")) == 64
    assert said["metadata"] == {"update": 4, "env_steps": 256, "mean_episode_return": 210.0}
    assert "best" not in tracker.artifacts[1]["aliases"], "as good is no better"
    assert not list(tmp_path.glob("checkpoints/tmp-*"))


def test_the_best_of_an_earlier_attempt_is_kept_in_mind(tmp_path: Path) -> None:
    tracker = RecordingTracker(tmp_path)
    run(tracker, saving=SaveOptions(best_return=1000.0))
    assert tracker.artifacts[0]["aliases"] == ("latest", "checkpoint-10")


@pytest.mark.parametrize(
    ("every", "steps"), [(1, [4, 8, 10]), (5, [8, 10]), (8, [8, 10]), (9, [10]), (None, [10])]
)
def test_an_interval_is_rounded_up_to_a_chunks_end(
    tmp_path: Path, every: int | None, steps: list[int]
) -> None:
    tracker = RecordingTracker(tmp_path)
    run(tracker, saving=SaveOptions(every_updates=every))
    assert [said["step"] for said in tracker.artifacts] == steps


def test_saving_by_the_clock(tmp_path: Path) -> None:
    tracker = RecordingTracker(tmp_path)
    run(tracker, saving=SaveOptions(every_minutes=1e-9))
    assert [said["step"] for said in tracker.artifacts] == [4, 8, 10]


def test_a_tracker_without_a_folder_saves_nothing() -> None:
    tracker = RecordingTracker(None)
    assert run(tracker, saving=SaveOptions(every_updates=1)).save_problem is None
    assert tracker.artifacts == []


def test_a_failed_save_is_told_once_and_does_not_end_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = RecordingTracker(tmp_path, refuse=2)
    with caplog.at_level(logging.WARNING, logger="hackmatrix.purejaxrl"):
        result = run(tracker, saving=SaveOptions(every_updates=4))
    assert [said["step"] for said in tracker.artifacts] == [10]
    assert result.save_problem is None
    (record,) = caplog.records
    assert record.getMessage() == (
        "checkpoint 4 was not saved: OSError: [Errno 28] No space left on device; "
        "it is tried again when the next is due"
    )
    assert not list(tmp_path.glob("checkpoints/tmp-*"))
    assert_same_bits(result.runner, undisturbed()[1].runner)


def test_a_final_save_that_fails_is_in_the_result(tmp_path: Path) -> None:
    result = run(RecordingTracker(tmp_path, refuse=9))
    assert result.finished
    assert "checkpoint 10 was not saved" in result.save_problem
    assert "No space left" in result.save_problem


def test_saving_changes_no_number(tmp_path: Path) -> None:
    tracker = RecordingTracker(tmp_path)
    result = run(tracker, saving=SaveOptions(every_updates=1))
    whole, expected = undisturbed()
    assert bits(result.runner) == bits(expected.runner)
    assert tracker.numbers() == whole.numbers()


def test_an_error_in_the_callers_hook_surfaces(tmp_path: Path) -> None:
    def fails(_report: Any) -> None:
        raise RuntimeError("the bar broke")

    with pytest.raises(RuntimeError, match="the bar broke"):
        run(RecordingTracker(tmp_path), on_chunk=fails)


@pytest.mark.parametrize(
    "options", [{"every_updates": 0}, {"keep": 0}, {"every_minutes": 0.0}, {"every_minutes": float("nan")}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        SaveOptions(**options)


# The loop's own defects, planted.


def runs_over_the_end(config: TrainConfig, _finished: int) -> int:
    return config.log_interval


def forgets_the_multiples(config: TrainConfig, finished: int) -> int:
    return min(config.log_interval - 1, config.num_updates - finished)


@pytest.mark.parametrize("defect", [runs_over_the_end, forgets_the_multiples])
def test_a_planted_cut_is_found(monkeypatch: pytest.MonkeyPatch, defect: Callable[..., int]) -> None:
    module = sys.modules["hackmatrix.purejaxrl.train"]  # the package's own name for it is the function
    monkeypatch.setattr(module, "chunk_length", defect)
    tracker = RecordingTracker()
    run(tracker)
    with pytest.raises(AssertionError):
        assert [step for step, _ in tracker.rows] == [4, 8, 10]
