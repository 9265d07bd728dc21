"""Histograms, texts and images reach whoever shows them, and become something else where nobody does."""

import logging
import zlib
from pathlib import Path

import pytest

import tests.tracking.list_backend  # noqa: F401 - registers the backend
from hackmatrix.tracking import MetricValueError, StepOrderError, Tracker, open_tracker, read_run
from tests.tracking.list_backend import read_listing
from tests.wandb_service import WandbService
from tests.wandb_service.fixtures import wandb_service

__all__ = ["wandb_service"]  # a fixture

np = pytest.importorskip("numpy", reason="the package numpy is not installed")

VALUES = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, np.nan]])
PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def log_all(tracker: Tracker) -> None:
    for step in (1, 2):
        tracker.log_histogram("policy/probabilities", VALUES * step, step=step, bins=4)
        tracker.log_text("notes", f"*step* {step} < 3, 日本", step=step)
        tracker.log_image("board", PIXELS + step, step=step)
        tracker.log({"loss": 1.0 / step}, step=step)


def read_png(path: Path) -> "np.ndarray":
    """The pixels of a PNG of three channels whose lines have no filter, as ours have."""
    data = path.read_bytes()
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    packed, place = b"", 8
    while place < len(data):
        size, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        packed += data[place + 8 : place + 8 + size] if kind == b"IDAT" else b""
        place += 12 + size
    lines = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


def test_media_are_records_of_their_step(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        log_all(tracker)
    records = read_run(tmp_path / "run").records()
    assert [(record["_step"], record["kind"]) for record in records] == [
        (step, kind) for step in (1, 2) for kind in ("histogram", "text", "image")
    ]
    histogram, text, image = (record["data"] for record in records[3:])
    counts, edges = np.histogram([0.0, 2.0, 4.0, 6.0, 8.0], bins=4)
    assert (histogram["counts"], histogram["edges"]) == (counts.tolist(), edges.tolist())
    assert (histogram["min"], histogram["max"], histogram["sum"], histogram["sum_squares"]) == (
        0.0,
        8.0,
        20.0,
        120.0,
    )
    assert text == {"text": "*step* 2 < 3, 日本"}
    assert (read_png(tmp_path / "run" / image["file"]) == PIXELS + 2).all()


def test_what_the_caller_changes_later_changes_nothing(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        values, pixels = np.ones(4), np.zeros((1, 1, 3), np.uint8)
        tracker.log_histogram("h", values, step=0)
        tracker.log_image("i", pixels, step=0)
        values[:], pixels[:] = 7.0, 255
    histogram, image = read_run(tmp_path / "run").records()
    assert histogram["data"]["max"] == 1.0
    assert read_png(tmp_path / "run" / image["data"]["file"]).tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize(
    ("image", "first"),
    [
        (np.full((2, 2, 3), 1.0), 255),
        (np.full((2, 2, 3), 2.0), 255),
        (np.full((2, 2, 3), np.nan), 0),
        (np.full((2, 2, 3), 0.5), 128),
    ],
)
def test_floats_become_bytes(tmp_path: Path, image: "np.ndarray", first: int) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log_image("i", image, step=0)
    (record,) = read_run(tmp_path / "run").records()
    assert read_png(tmp_path / "run" / record["data"]["file"])[0, 0, 0] == first


def test_what_is_no_medium_is_refused_at_the_call(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        with pytest.raises(MetricValueError, match="shape"):
            tracker.log_image("i", np.zeros((2, 2, 7)), step=0)
        with pytest.raises(MetricValueError, match="expected a str"):
            tracker.log_text("t", 3, step=0)
        with pytest.raises(MetricValueError, match="bins"):
            tracker.log_histogram("h", VALUES, step=0, bins=0)
        tracker.log({"loss": 1.0}, step=5)
        with pytest.raises(StepOrderError):
            tracker.log_text("t", "late", step=4)


def test_a_histogram_without_a_finite_value_is_empty(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log_histogram("h", [np.nan, np.inf], step=0, bins=2)
    (record,) = read_run(tmp_path / "run").records()
    assert record["data"]["counts"] == [0, 0]


def test_tensorboard_shows_all_three(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the package tensorboardX is not installed")
    event_accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="the package tensorboard is not installed",
    )
    with open_tracker("tensorboard", name="run", root=tmp_path) as tracker:
        log_all(tracker)
    (file,) = (tmp_path / "run").rglob("*tfevents*")
    reader = event_accumulator.EventAccumulator(
        str(file.parent), size_guidance={"histograms": 0, "images": 0, "tensors": 0}
    )
    reader.Reload()
    histograms = reader.Histograms("policy/probabilities")
    assert [event.step for event in histograms] == [1, 2]
    shown = histograms[1].histogram_value
    assert (shown.min, shown.max, shown.num, shown.sum, list(shown.bucket)) == (
        0.0,
        8.0,
        5,
        20.0,
        [1, 1, 1, 2],
    )
    assert [event.tensor_proto.string_val[0].decode() for event in reader.Tensors("notes")] == [
        "*step* 1 < 3, 日本",
        "*step* 2 < 3, 日本",
    ]
    (tmp_path / "shown.png").write_bytes(reader.Images("board")[0].encoded_image_string)
    assert (read_png(tmp_path / "shown.png") == PIXELS + 1).all()


def test_where_nobody_shows_media_a_histogram_becomes_its_moments_and_one_warning_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), open_tracker("listing", name="run", root=tmp_path) as tracker:
        log_all(tracker)
        run = tracker.run
    rows = read_listing(run)
    assert [row.step for row in rows] == [1, 2]
    assert rows[1].metrics == {
        "loss": 0.5,
        "policy/probabilities/mean": 4.0,
        "policy/probabilities/std": pytest.approx(8**0.5),
        "policy/probabilities/min": 0.0,
        "policy/probabilities/max": 8.0,
    }
    told = [record.getMessage() for record in caplog.records]
    assert sorted(told) == [
        "listing does not show histograms: their moments are sent instead",
        "listing does not show images: they stay in the run's folder",
        "listing does not show texts: they stay in the run's folder",
    ]


def test_wandb_shows_a_histogram_and_a_text_in_the_row_of_their_step(
    wandb_service: WandbService, tmp_path: Path
) -> None:
    with open_tracker("wandb", project="p", entity="team", name="run", root=tmp_path) as tracker:
        tracker.log_histogram("h", VALUES, step=1, bins=4)
        tracker.log_text("t", "words", step=1)
        tracker.log({"loss": 1.0}, step=1)
        run = tracker.run
    (row,) = wandb_service.history("team", "p", run.id)
    assert row["loss"] == 1.0
    assert row["h"]["values"] == [1, 1, 1, 2]
    assert row["t"]["_type"].startswith("html") or "path" in row["t"]


def test_counts_made_elsewhere_are_a_histogram_too(tmp_path: Path) -> None:
    counts, edges = np.array([1.0, 0.0, 3.0]), np.array([0.0, 1.0, 2.0, 4.0])
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log_histogram("h", counts, step=0, edges=edges)
        counts[:] = 7
        tracker.log_histogram("h", np.zeros(1), step=1, edges=[0.0, 1.0])
    first, empty = (record["data"] for record in read_run(tmp_path / "run").records())
    assert first == {
        "counts": [1, 0, 3], "edges": [0.0, 1.0, 2.0, 4.0], "min": 0.0, "max": 4.0, "sum": 9.5, "sum_squares": 27.25,
    }  # fmt: skip
    assert (empty["counts"], empty["sum"]) == ([0], 0.0)


@pytest.mark.parametrize("counts", [np.ones(3), np.ones((2, 2)), np.array(1.0)])
def test_counts_that_do_not_fit_their_edges_are_refused(tmp_path: Path, counts: "np.ndarray") -> None:
    with (
        open_tracker("jsonl", name="run", root=tmp_path) as tracker,
        pytest.raises(MetricValueError, match=r"expected \(n,\) and \(n\+1,\)"),
    ):
        tracker.log_histogram("h", counts, step=0, edges=np.array([0.0, 1.0, 2.0]))


@pytest.mark.parametrize("count", [-1.0, np.nan])
def test_counts_that_are_none_are_told_and_left_out(
    tmp_path: Path, count: float, caplog: pytest.LogCaptureFixture
) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log_histogram("h", [count], step=0, edges=[0.0, 1.0])
    assert read_run(tmp_path / "run").records() == []
    assert "counts of histogram 'h' are array([" in caplog.text


class ForeignArray:
    """As PyTorch's: its dtype is no NumPy dtype, and has no kind."""

    def __init__(self, values: list[float]) -> None:
        self._array = np.array(values)
        self.shape, self.dtype = self._array.shape, object()

    def copy(self) -> "ForeignArray":
        return self

    def __array__(self, dtype: object = None, copy: object = None) -> "np.ndarray":
        return self._array


@pytest.mark.parametrize("tracker", ["jsonl", "null"])
def test_an_array_of_another_package_is_taken(tmp_path: Path, tracker: str) -> None:
    with open_tracker(tracker, name="run", root=tmp_path) as run:
        run.log_histogram("h", ForeignArray([1.0, 2.0]), step=0, bins=2)
        run.log_histogram("c", ForeignArray([3.0, 1.0]), step=0, edges=ForeignArray([0.0, 1.0, 2.0]))
    if tracker == "jsonl":
        made, counted = read_run(tmp_path / "run").records()
        assert (made["data"]["counts"], counted["data"]["counts"]) == ([1, 1], [3, 1])


@pytest.mark.parametrize("tracker", ["jsonl", "null"])
@pytest.mark.parametrize("values", [["a"], None, [[1.0], [2.0, 3.0]], np.array(["a"]), np.array([1j])])
def test_what_is_no_array_of_numbers_is_refused(tmp_path: Path, tracker: str, values: object) -> None:
    with open_tracker(tracker, name="run", root=tmp_path) as run, pytest.raises(MetricValueError):
        run.log_histogram("h", values, step=0)
