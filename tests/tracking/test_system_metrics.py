"""What the machine does joins the newest step, once in a step, and never disturbs the loop."""

import threading
from pathlib import Path

import pytest

from hackmatrix.tracking import MissingPackageError, open_tracker, read_run
from hackmatrix.tracking.protocol import Number
from hackmatrix.tracking.system_metrics import SYSTEM_TAGS, SystemMetrics


@pytest.fixture
def psutil():
    return pytest.importorskip("psutil", reason="the package psutil is not installed")


def test_a_sample_joins_the_newest_step_once(psutil, tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        metrics = SystemMetrics(tracker)
        assert not metrics.tick(), "no step was named yet"
        tracker.log({"loss": 1.0}, step=3)
        assert metrics.tick()
        assert not metrics.tick(), "the step has them already"
        tracker.log({"eval": 2.0}, step=3)
        tracker.log({"loss": 0.5}, step=4)
        assert metrics.tick()
    first, second = read_run(tmp_path / "run").rows()
    assert first.metrics.keys() == {"loss", "eval", *SYSTEM_TAGS[:4]}
    assert second.metrics.keys() == {"loss", *SYSTEM_TAGS[:4]}
    assert first.metrics["system/process_memory_mb"] > 1


def test_a_sealed_step_is_left_alone(psutil, tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=3)
        saved = tmp_path / "run" / "checkpoints" / "tmp-3"
        saved.mkdir(parents=True)
        (saved / "state.bin").write_bytes(b"x")
        tracker.log_artifact(saved, name="checkpoint", step=3, with_journal=True)
        assert not SystemMetrics(tracker).tick()
    assert [row.metrics.keys() for row in read_run(tmp_path / "run").rows()] == [{"loss"}]


def test_samples_that_had_to_wait_are_averaged(psutil) -> None:
    class Once:
        taken: dict[str, Number] | None = None
        calls = 0

        def log_aside(self, metrics: dict[str, Number]) -> bool:
            self.calls += 1
            self.taken = metrics
            return self.calls == 2

    place = Once()
    metrics = SystemMetrics(place)
    assert not metrics.tick()
    first = place.taken
    assert metrics.tick()
    assert first is not None
    assert place.taken is not None
    assert place.taken["system/memory_percent"] == pytest.approx(first["system/memory_percent"], abs=20)
    assert metrics._waiting == []


def test_a_loop_never_meets_an_error_while_samples_are_added(psutil, tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        metrics = SystemMetrics(tracker)
        over = threading.Event()

        def tick() -> None:
            while not over.is_set():
                metrics.tick()

        thread = threading.Thread(target=tick)
        thread.start()
        for step in range(2000):
            tracker.log({"loss": 1.0}, step=step)
            tracker.log({"eval": 1.0}, step=step)
        over.set()
        thread.join()
    rows = list(read_run(tmp_path / "run").rows())
    assert [row.step for row in rows] == list(range(2000))
    assert all(row.metrics.keys() >= {"loss", "eval"} for row in rows)
    lines = list(read_run(tmp_path / "run").lines())
    assert len({(line.step, tag) for line in lines for tag in line.metrics}) == sum(
        len(line.metrics) for line in lines
    )


def test_after_the_end_nothing_is_added_and_nothing_raised(psutil, tmp_path: Path) -> None:
    tracker = open_tracker("jsonl", name="run", root=tmp_path)
    tracker.log({"loss": 1.0}, step=0)
    metrics = SystemMetrics(tracker)
    tracker.finish()
    assert not metrics.tick()


def test_it_ticks_on_a_thread_of_its_own(psutil, tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=0)
        with SystemMetrics(tracker, every_s=0.01) as metrics:
            while not any("system/cpu_percent" in row.metrics for row in read_run(tmp_path / "run").rows()):
                assert tracker.flush()
        assert not metrics._thread.is_alive()


def test_a_null_tracker_takes_samples_and_keeps_none(psutil) -> None:
    assert SystemMetrics(open_tracker("null")).tick()


def test_without_psutil_the_install_that_helps_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'hackmatrix\[system\]'"):
        SystemMetrics(open_tracker("null"))


def test_an_interval_is_above_zero(psutil) -> None:
    with pytest.raises(ValueError, match="above 0"):
        SystemMetrics(open_tracker("null"), every_s=0)
