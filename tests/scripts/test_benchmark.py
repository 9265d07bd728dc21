"""The benchmark as its users run it. What it finds depends on the machine; that it finds it out is checked here."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.scripts.conftest import Script

pytest.importorskip("flax", reason="needs hackmatrix[train]")

VERDICTS = {0: "under", 1: "over", 3: "undecided"}


def measured(
    script: Script, *arguments: str, codes: tuple[int, ...] = (0, 1, 3)
) -> tuple[str, dict[str, Any]]:
    """What the benchmark said, and its figures."""
    process = script.start("--benchmark", *arguments, "-o", "figures.json")
    out, err = process.communicate(timeout=240)
    assert process.returncode in codes, out + err
    figures: dict[str, Any] = json.loads((script.home / "figures.json").read_text())
    assert process.returncode == max((each["exit_code"] for each in figures["trackers"]), key=[0, 3, 1].index)
    return out, figures


def test_each_tracker_is_measured_by_itself_and_nothing_is_kept(script: Script) -> None:
    temporary = script.home / "temporary"
    temporary.mkdir()
    script.environment["TMPDIR"] = str(temporary)
    said, figures = measured(script, "--tracker", "jsonl,tensorboard", "--benchmark-chunks", "50")
    assert [each["tracker"] for each in figures["trackers"]] == ["jsonl", "tensorboard"]
    for each in figures["trackers"]:
        assert each["verdict"] == VERDICTS[each["exit_code"]]
        assert each["problem"] is None
        assert each["overhead"]["chunks"] >= 50
        assert each["overhead"]["pairs"] >= 8
        # As many calls in the blocks of one as of the other, and equally many for each chunk.
        assert each["tracker_calls"]["number"] == each["null_calls"]["number"] > 0
        assert each["tracker_calls"]["number"] % each["overhead"]["chunks"] == 0
        # Of chunks this short the wall time of either side is mostly noise; what threads used is not.
        assert abs(each["overhead"]["upper"]["center"]) < 1
        assert sum(pair["background"] for pair in each["pairs"]) > 0
        assert each["tracker_calls"]["wall"] > 0
        assert each["open_s"] > 0
    assert "Not seen:" in said
    assert "upper bound" in said
    assert not script.runs.exists()
    assert not list(temporary.glob("hackmatrix*"))


def test_null_costs_nothing_against_null(script: Script) -> None:
    _, figures = measured(script, "--tracker", "null", "--benchmark-chunks", "60", codes=(0, 3))
    (null,) = figures["trackers"]
    assert sum(pair["background"] for pair in null["pairs"]) == 0
    assert null["overhead"]["inside"]["low"] <= 0.01


def test_a_tracker_whose_rows_do_not_arrive_is_no_bargain(script: Script) -> None:
    script.environment |= {
        "WANDB_MODE": "online",
        "WANDB_API_KEY": "0" * 40,
        "WANDB_BASE_URL": "http://127.0.0.1:9",
    }
    pytest.importorskip("wandb", reason="needs hackmatrix[wandb]")
    said, figures = measured(script, "--tracker", "wandb", "--benchmark-chunks", "24", codes=(1,))
    assert figures["trackers"][0]["problem"]
    assert "this was not tracking" in said


def test_blocks_come_in_pairs_by_lot_and_lose_no_background_work(scripts_on_path: None) -> None:
    from blocks import Blocks

    from hackmatrix.tracking import open_tracker

    class Counted:
        """Background work that begins in a tracker's block and ends in the one behind it."""

        def __init__(self) -> None:
            self.rows, self.owed, self.total = 0, 0.0, 0.0

        def seconds(self) -> float:
            self.total, self.owed = self.total + self.owed / 2, self.owed / 2
            return self.total

    background = Counted()

    class Tracker:
        run = open_tracker("null").run

        def log(self, metrics: Any, *, step: int) -> None:
            background.rows += 1
            background.owed += 1.0

        def flush(self, timeout: float) -> bool:
            background.total, background.owed = background.total + background.owed, 0.0
            return True

    tracker: Any = Tracker()
    background_time: Any = background
    blocks = Blocks(tracker, open_tracker("null"), background_time, length=5, until=lambda pairs: pairs >= 20)
    step, order, no_report = 0, [], None
    log: Callable[..., None] = blocks.switched.log
    while not blocks.enough():
        step += 1
        order.append(blocks.switched.to is tracker)
        log({"a": 1.0}, step=step)
        blocks.chunk(no_report)  # type: ignore[arg-type]  # it is not looked at
    blocks.end()
    assert len(blocks.pairs) == 20
    assert background.rows == 20 * 5
    counted = sum(pair.background for pair in blocks.pairs)
    assert counted == pytest.approx(background.rows)
    blocks_of = [order[start : start + 5] for start in range(2, len(order), 5)]
    assert all(len(set(block)) == 1 for block in blocks_of)
    firsts = [block[0] for block in blocks_of]
    pairs = list(zip(firsts[::2], firsts[1::2], strict=True))
    assert all(first != second for first, second in pairs)
    assert len(set(pairs)) == 2, "the order within pairs never changes"
