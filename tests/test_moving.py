"""What ``SummaryWriter`` showed, the tracker shows: the old lines and the new ones side by side, in TensorBoard."""

from pathlib import Path

import pytest

pytest.importorskip("tensorboard", reason="needs TensorBoard's own reader")
pytest.importorskip("tensorboardX", reason="needs hackmatrix[tensorboard]")

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

from hackmatrix.tracking import open_tracker

LOSSES = [0.5**n for n in range(5)]
VALUES = np.arange(10, dtype=np.float32)


def shown(folder: Path) -> EventAccumulator:
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
    reader.Reload()
    return reader


@pytest.fixture
def both(tmp_path: Path) -> tuple[EventAccumulator, EventAccumulator]:
    writer = SummaryWriter(str(tmp_path / "old"))
    for n, loss in enumerate(LOSSES):
        writer.add_scalar("train/loss", loss, n)
        writer.add_scalar("train/accuracy", 1 - loss, n)
        writer.add_histogram("h", VALUES, n)
    writer.add_text("t", "a text", 0)
    writer.close()

    with open_tracker("tensorboard", name="new", root=tmp_path) as tracker:
        for n, loss in enumerate(LOSSES):
            tracker.log({"train/loss": loss, "train/accuracy": 1 - loss}, step=n)
            tracker.log_histogram("h", VALUES, step=n)
            if n == 0:
                tracker.log_text("t", "a text", step=n)
    (folder,) = {path.parent for path in (tmp_path / "new").rglob("*tfevents*")}
    return shown(tmp_path / "old"), shown(folder)


@pytest.mark.parametrize("tag", ["train/loss", "train/accuracy"])
def test_scalars_are_the_same(both: tuple[EventAccumulator, EventAccumulator], tag: str) -> None:
    old, new = ([(event.step, event.value) for event in reader.Scalars(tag)] for reader in both)
    assert old == new
    assert len(new) == len(LOSSES)


def test_histograms_count_the_same_values(both: tuple[EventAccumulator, EventAccumulator]) -> None:
    old, new = both
    for before, after in zip(old.Histograms("h"), new.Histograms("h"), strict=True):
        assert before.step == after.step
        for figure in ("min", "max", "num", "sum", "sum_squares"):
            assert getattr(before.histogram_value, figure) == getattr(after.histogram_value, figure)


def test_texts_are_shown_under_their_own_name(both: tuple[EventAccumulator, EventAccumulator]) -> None:
    """``SummaryWriter`` appends ``/text_summary``, a custom of old; TensorBoard's text page shows either."""
    old, new = both
    (was,) = old.Tensors("t/text_summary")
    (now,) = new.Tensors("t")
    assert was.tensor_proto.string_val[0] == now.tensor_proto.string_val[0] == b"a text"
    assert old.PluginTagToContent("text").keys() == {"t/text_summary"}
    assert "t" in new.PluginTagToContent("text")
