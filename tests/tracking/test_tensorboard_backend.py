import math
import shutil
import struct
import zlib
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.errors import BackendOptionError, BackendSetupError
from hackmatrix.tracking.protocol import Backend, MediaRecord, MediaWriter, Row, RunInfo

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
pytest.importorskip("crc32c", reason="crc32c is not installed")

from tensorboardX.proto.event_pb2 import Event

from hackmatrix.tracking.backends.event_file import framed, read_records, remove_ranges
from hackmatrix.tracking.backends.tensorboard import TensorBoardBackend
from hackmatrix.tracking.backends.tensorboard_events import read_step, row_event

CONFIG = {"seed": 3, "rate": 2.5e-4, "env": "CartPole|v1", "anneal": True, "sizes": [64, 64], "none": None}


def run_info(folder, *, attempt=0, last_step=None):
    return RunInfo(
        id="0" * 8, name="a", uid="u", project="p", folder=Path(folder), attempt=attempt, last_step=last_step
    )


def row(step, whole=True, **metrics):
    return Row(step, 1_700_000_000.25 + step, float(step), metrics or {"loss": float(step)}, whole)


def rows(*steps):
    return [row(step) for step in steps]


_alive = []


def kill():
    """Files are unbuffered, so that letting go of one is all that a kill does."""
    while _alive:
        _alive.pop().close(None, {}, 1.0)


@pytest.fixture(autouse=True)
def _kill_at_the_end():
    yield
    kill()


def opened(folder, config=None, **identity):
    """A new backend, whose predecessor was killed."""
    kill()
    backend = TensorBoardBackend()
    _alive.append(backend)
    return backend, backend.open(run_info(folder, **identity), config or {})


def go_on(folder, held, last_step, attempt=1, config=None):
    """Open as a follower does at the first open of an attempt; the step to go on after."""
    backend, found = opened(folder, config, attempt=attempt, last_step=last_step)
    assert found == held
    boundary = None if last_step is None else min(held - 1, last_step)
    assert backend.discard_after(boundary)
    return backend, boundary


def event_files(folder):
    return sorted(Path(folder).glob("*tfevents*"))


def raw_events(folder):
    return [Event.FromString(r.data) for path in event_files(folder) for r in read_records(path)]


def raw_scalars(folder):
    """(step, tag) -> value, as a reader sees it that knows nothing of restarts; each pair once."""
    found = [
        ((event.step, value.tag), value.simple_value)
        for event in raw_events(folder)
        for value in event.summary.value
        if value.WhichOneof("value") == "simple_value"
    ]
    assert max(Counter(key for key, _ in found).values(), default=1) == 1
    return dict(found)


def accumulated(folder):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    reader = accumulator.EventAccumulator(
        str(folder), size_guidance=dict.fromkeys(accumulator.DEFAULT_SIZE_GUIDANCE, 0)
    )
    reader.Reload()
    return reader


def read_scalars(folder):
    reader = accumulated(folder)
    found = {
        (event.step, tag): event.value for tag in reader.Tags()["scalars"] for event in reader.Scalars(tag)
    }
    assert len(found) == sum(len(reader.Scalars(tag)) for tag in reader.Tags()["scalars"])
    return found


def as_float32(value):
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def discarded(folder):
    return sorted((Path(folder) / "discarded").glob("*"))


def test_it_is_a_backend_that_writes_media():
    backend: Backend = TensorBoardBackend()
    assert backend.precision == "float32"
    assert isinstance(backend, MediaWriter)


def test_rows_are_read_back_by_tensorboard(tmp_path):
    backend, held = opened(tmp_path)
    assert held is None
    backend.write([row(0, **{"train/loss": 0.1, "count": 3}), row(5, **{"train/loss": -0.0})])
    backend.flush(1.0)
    assert read_scalars(tmp_path) == {
        (0, "train/loss"): as_float32(0.1),
        (0, "count"): 3.0,
        (5, "train/loss"): 0.0,
    }
    backend.write([row(7, **{"train/loss": 1e300, "low": -1e300, "huge": 2**200, "nan": math.nan})])
    assert backend.close("finished", {}, 1.0) == 7
    found = read_scalars(tmp_path)
    assert found[7, "train/loss"] == found[7, "huge"] == math.inf
    assert found[7, "low"] == -math.inf
    assert math.isnan(found[7, "nan"])


def test_a_row_keeps_its_own_time(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1, 2))
    assert [event.wall_time for event in accumulated(tmp_path).Scalars("loss")] == [
        1_700_000_001.25,
        1_700_000_002.25,
    ]


def test_a_row_is_one_event(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write([row(1, a=1.0, b=2.0, c=3.0)])
    assert [len(event.summary.value) for event in raw_events(tmp_path)] == [0, 3]


tags = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10).filter(lambda tag: tag[0] != "_")
numbers = st.floats() | st.floats(width=32) | st.integers(-(2**64), 2**64)
histories = st.lists(st.dictionaries(tags, numbers, max_size=4), max_size=8)


@given(histories)
def test_any_row_comes_back_to_the_float32_bit(history):
    with TemporaryDirectory() as folder:
        backend, _ = opened(folder)
        backend.write([Row(step, 1.5, 0.0, metrics) for step, metrics in enumerate(history)])
        assert backend.close("finished", {}, 1.0) == (len(history) - 1 if history else None)
        expected = {
            (step, tag): as_float32(value) for step, line in enumerate(history) for tag, value in line.items()
        }
        for found in (raw_scalars(folder), read_scalars(folder)):
            assert found.keys() == expected.keys()
            for key, value in expected.items():
                assert struct.pack("<f", found[key]) == struct.pack("<f", value) or math.isnan(value)


def test_media_are_read_back_by_tensorboard(tmp_path):
    backend, _ = opened(tmp_path)
    png = tmp_path / "image.png"
    png.write_bytes(small_png())
    data = {
        "counts": [1, 0, 3],
        "edges": [0.0, 1.0, 2.0, 3.0],
        "min": 0.5,
        "max": 2.5,
        "sum": 8.0,
        "sum_squares": 19.0,
    }
    assert backend.write_media(MediaRecord(kind="histogram", tag="h", step=4, timestamp=1.5, data=data), None)
    assert backend.write_media(
        MediaRecord(kind="text", tag="t", step=4, timestamp=1.5, data={"text": "grün | *x*"}), None
    )
    image = {"file": "image.png", "width": 3, "height": 2}
    assert backend.write_media(MediaRecord(kind="image", tag="i", step=4, timestamp=1.5, data=image), png)
    backend.write(rows(4))
    reader = accumulated(tmp_path)
    (histogram,) = reader.Histograms("h")
    assert (histogram.step, histogram.wall_time) == (4, 1.5)
    value = histogram.histogram_value
    assert (value.min, value.max, value.num, value.sum, value.sum_squares) == (0.5, 2.5, 4.0, 8.0, 19.0)
    assert (value.bucket, value.bucket_limit) == ([1.0, 0.0, 3.0], [1.0, 2.0, 3.0])
    assert reader.Tensors("t")[0].tensor_proto.string_val == ["grün | *x*".encode()]
    assert reader.SummaryMetadata("t").plugin_data.plugin_name == "text"
    assert reader.Images("i")[0].encoded_image_string == small_png()
    assert (reader.Images("i")[0].width, reader.Images("i")[0].height) == (3, 2)


def test_an_unknown_kind_of_media_is_not_taken(tmp_path):
    backend, _ = opened(tmp_path)
    assert not backend.write_media(MediaRecord(kind="video", tag="v", step=1, timestamp=0.0, data={}), None)


def small_png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(20)))
        + chunk(b"IEND", b"")
    )


def test_the_config_is_there_for_the_hparams_page_and_as_text(tmp_path):
    backend, _ = opened(tmp_path, {**CONFIG, "nan": math.nan})
    backend.write(rows(1))
    backend.close("finished", {"best": 1.5}, 1.0)
    reader = accumulated(tmp_path)
    plugin_data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    content = plugin_data.HParamsPluginData.FromString(
        reader.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    found = {
        key: getattr(value, value.WhichOneof("kind"))
        for key, value in content.session_start_info.hparams.items()
    }
    assert found == {
        "seed": 3.0,
        "rate": 2.5e-4,
        "env": "CartPole|v1",
        "anneal": True,
        "sizes": "[64, 64]",
        "none": "None",
        "nan": "nan",
    }
    end = plugin_data.HParamsPluginData.FromString(
        reader.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    )
    assert end.session_end_info.status == 1  # success
    assert b"| env | CartPole\\|v1 |" in reader.Tensors("_config")[0].tensor_proto.string_val[0]
    assert b"| best | 1.5 |" in reader.Tensors("_summary")[0].tensor_proto.string_val[0]
    assert len(list(tmp_path.rglob("*tfevents*"))) == 1  # no sub-run


def test_tensorboard_shows_hyperparameters_and_metrics_of_the_run(tmp_path):
    backend, _ = opened(tmp_path / "run", CONFIG)
    backend.write(rows(1))
    backend.close("finished", {}, 1.0)
    context = pytest.importorskip(
        "tensorboard.plugins.hparams.backend_context", reason="tensorboard is not installed"
    )
    events = "tensorboard.backend.event_processing"
    plugin_event_multiplexer = pytest.importorskip(f"{events}.plugin_event_multiplexer")
    data_provider = pytest.importorskip(f"{events}.data_provider")
    base_plugin = pytest.importorskip("tensorboard.plugins.base_plugin")
    request = pytest.importorskip("tensorboard.context")

    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    hparams = context.Context(base_plugin.TBContext(data_provider=provider))
    nothing = request.RequestContext()
    experiment = hparams.experiment_from_metadata(
        nothing, "", True, hparams.hparams_metadata(nothing, ""), None
    )
    assert {info.name for info in experiment.hparam_infos} == set(CONFIG)
    assert [info.name.tag for info in experiment.metric_infos] == ["loss"]


def test_a_resumed_run_holds_each_step_once_for_every_reader(tmp_path):
    backend, _ = opened(tmp_path, CONFIG)
    backend.write(rows(1, 2, 3, 4, 5))
    backend, after = go_on(tmp_path, held=5, last_step=3, config=CONFIG)
    assert after == 3
    backend.write([row(4, loss=40.0), row(5, loss=50.0), row(6, loss=60.0)])
    assert backend.close("finished", {}, 1.0) == 6
    expected = {
        (1, "loss"): 1,
        (2, "loss"): 2,
        (3, "loss"): 3,
        (4, "loss"): 40,
        (5, "loss"): 50,
        (6, "loss"): 60,
    }
    assert raw_scalars(tmp_path) == expected
    assert read_scalars(tmp_path) == expected
    (aside,) = discarded(tmp_path)
    assert [Event.FromString(record.data).step for record in read_records(aside)] == [4, 5]
    assert "tfevents" not in aside.name


def test_tensorboard_that_was_watching_forgets_what_was_cut(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1, 2, 3, 4, 5))
    reader = accumulated(tmp_path)
    backend, _ = go_on(tmp_path, held=5, last_step=3)
    backend.write([row(4, loss=40.0)])
    reader.Reload()
    assert [(event.step, event.value) for event in reader.Scalars("loss")] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 40),
    ]


def test_what_the_journal_holds_is_not_kept_aside(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1, 2, 3))
    _, after = go_on(tmp_path, held=3, last_step=3)
    assert after == 2
    assert discarded(tmp_path) == []
    assert set(raw_scalars(tmp_path)) == {(1, "loss"), (2, "loss")}


def test_a_run_that_begins_again_keeps_all_rows_aside(tmp_path):
    backend, _ = opened(tmp_path, CONFIG)
    backend.write(rows(1, 2))
    backend, _ = go_on(tmp_path, held=2, last_step=None, config=CONFIG)
    backend.write([row(0, loss=7.0)])
    assert raw_scalars(tmp_path) == read_scalars(tmp_path) == {(0, "loss"): 7.0}
    assert len(event_files(tmp_path)) == 1
    assert len(discarded(tmp_path)) == 1
    assert "_hparams_/session_start_info" in {v.tag for e in raw_events(tmp_path) for v in e.summary.value}


def test_the_cut_goes_through_all_files(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1, 2, 3, 4))
    for attempt, held, last in ((1, 4, 4), (2, 6, 6), (3, 8, 2)):
        backend, after = go_on(tmp_path, held, last, attempt)
        backend.write(rows(*range(after + 1, held + 3)))
    assert backend.close("finished", {}, 1.0) == 10
    assert raw_scalars(tmp_path) == read_scalars(tmp_path) == {(step, "loss"): step for step in range(1, 11)}


def test_late_media_are_cut_by_their_own_step(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1, 2, 3))
    backend.write_media(
        MediaRecord(kind="text", tag="early", step=1, timestamp=0.0, data={"text": "a"}), None
    )
    backend.write_media(MediaRecord(kind="text", tag="late", step=3, timestamp=0.0, data={"text": "b"}), None)
    backend, _ = go_on(tmp_path, held=3, last_step=2)
    tags = [value.tag for event in raw_events(tmp_path) for value in event.summary.value]
    assert tags == ["loss", "loss", "early"]
    assert "late" not in accumulated(tmp_path).Tags()["tensors"]


def test_media_without_a_row_are_written_again(tmp_path):
    backend, _ = opened(tmp_path)
    text = MediaRecord(kind="text", tag="t", step=1, timestamp=0.0, data={"text": "a"})
    backend.write_media(text, None)
    backend, held = opened(tmp_path, attempt=1)
    assert held is None
    backend.write_media(text, None)
    backend.write(rows(1))
    assert len(accumulated(tmp_path).Tensors("t")) == 1


def test_a_step_in_parts_is_two_events_with_different_tags(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write([row(1, whole=False, a=1.0)])
    backend.write([row(1, b=2.0), row(2, a=3.0)])
    assert raw_scalars(tmp_path) == read_scalars(tmp_path) == {(1, "a"): 1.0, (1, "b"): 2.0, (2, "a"): 3.0}


def test_a_row_without_tags_counts_as_held(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write([Row(4, 1.0, 0.0, {})])
    assert backend.close("finished", {}, 1.0) == 4


def test_a_changed_config_is_told_as_text_once(tmp_path):
    texts = []
    for attempt, config in enumerate(({"host": "a"}, {"host": "a"}, {"host": "b"}, {"host": "b"})):
        backend, held = opened(tmp_path, config, attempt=attempt, last_step=attempt * 10)
        if held is not None:
            backend.discard_after(held - 1)
        backend.write(rows(attempt * 10, attempt * 10 + 1))
        texts.append(len(accumulated(tmp_path).Tensors("_config")))
    assert texts == [1, 1, 2, 2]
    starts = [
        v for e in raw_events(tmp_path) for v in e.summary.value if v.tag == "_hparams_/session_start_info"
    ]
    assert len(starts) == 1


def test_a_new_file_sorts_behind_all_that_are_there(tmp_path):
    (tmp_path / "events.out.tfevents.4000000000.stranger").write_bytes(b"")
    (tmp_path / "events.out.tfevents.nonsense").write_bytes(b"")
    for attempt in range(4):
        backend, held = opened(tmp_path, attempt=attempt, last_step=attempt)
        if held is not None:
            backend.discard_after(held - 1)
        backend.write(rows(attempt, attempt + 1))
    names = [path.name for path in event_files(tmp_path)]
    ours = [name for name in names if "hackmatrix" in name]
    assert ours[0].startswith("events.out.tfevents.4000000001.hackmatrix.000000")
    assert ours == sorted(ours) == names[1:-1]
    assert [name[-1] for name in ours] == ["0", "1", "2", "3"]


def test_files_of_others_are_left_alone(tmp_path):
    stranger = tmp_path / "events.out.tfevents.1.stranger"
    stranger.write_bytes(framed(Event(step=9).SerializeToString()) + b"torn")
    backend, held = opened(tmp_path)
    assert held is None
    backend.discard_after(None)
    assert stranger.read_bytes().endswith(b"torn")


def test_every_torn_file_is_repaired_and_goes_on(tmp_path):
    whole = tmp_path / "whole"
    backend, _ = opened(whole, {"seed": 1})
    backend.write([row(1, a=1.0, b=0.5)])
    backend.write_media(MediaRecord(kind="text", tag="t", step=2, timestamp=0.0, data={"text": "x"}), None)
    backend.write(rows(2, 3))
    (path,) = event_files(whole)
    data = path.read_bytes()
    expected = {(1, "a"): 1.0, (1, "b"): 0.5, (2, "loss"): 2.0, (3, "loss"): 3.0, (4, "loss"): 4.0}
    ends = [record.end for record in read_records(path)]
    row_ends = {1: ends[-4], 2: ends[-2], 3: ends[-1]}
    for size in range(len(data) + 1):
        folder = tmp_path / "torn"
        folder.mkdir()
        torn = folder / path.name
        torn.write_bytes(data[:size])
        backend, held = opened(folder, {"seed": 1}, attempt=1, last_step=3)
        whole_size = max((end for end in ends if end <= size), default=0)
        assert held == max((step for step, end in row_ends.items() if end <= size), default=None)
        if held is not None:
            assert torn.stat().st_size == whole_size
        if size > whole_size:
            assert data[whole_size:size] in [path.read_bytes() for path in discarded(folder)]
        if held is not None:
            assert backend.discard_after(held - 1)
        after = -1 if held is None else held - 1
        backend.write([r for r in [row(1, a=1.0, b=0.5), *rows(2, 3, 4)] if r.step > after])
        assert backend.close("finished", {}, 1.0) == 4
        assert raw_scalars(folder) == expected
        if size % 16 == 0:  # slow
            assert read_scalars(folder) == expected
        shutil.rmtree(folder)


def test_a_damaged_record_ends_what_is_held(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1, 2, 3))
    (path,) = event_files(tmp_path)
    records = list(read_records(path))
    data = bytearray(path.read_bytes())
    data[records[-2].start + 15] ^= 1
    path.write_bytes(data)
    _, held = opened(tmp_path, attempt=1, last_step=1)
    assert held == 1
    assert b"".join(p.read_bytes() for p in discarded(tmp_path)) == bytes(data[records[-2].start :])


def test_zeros_at_the_end_are_a_torn_tail(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1))
    (path,) = event_files(tmp_path)
    with path.open("ab") as file:
        file.write(bytes(4096))
    _, held = opened(tmp_path, attempt=1, last_step=1)
    assert held == 1


@given(st.data())
def test_any_history_of_kills_and_resumes_reads_as_one_run(data):
    with TemporaryDirectory() as folder:
        timeline = {}
        for attempt in range(data.draw(st.integers(1, 4), label="attempts")):
            last = data.draw(st.sampled_from([None, *timeline]), label="checkpoint") if timeline else None
            timeline = {step: value for step, value in timeline.items() if last is not None and step <= last}
            first = 0 if last is None else last + 1
            count = data.draw(st.integers(0, 5), label="rows")
            timeline |= {first + i: float(100 * attempt + i) for i in range(count)}
            backend, held = opened(folder, attempt=attempt, last_step=last)
            after = None
            if held is not None:
                after = None if last is None else min(held - 1, last)
                after = None if after is not None and after < 0 else after
                backend.discard_after(after)
            given = [row(s, loss=v) for s, v in timeline.items() if after is None or s > after]
            backend.write(given)
            if data.draw(st.booleans(), label="killed"):
                newest = event_files(folder)[-1]
                kept = newest.read_bytes()[: -data.draw(st.integers(1, 120), label="torn")]
                newest.write_bytes(kept)
                backend, held = opened(folder, attempt=attempt, last_step=last)
                if held is not None:
                    backend.discard_after(held - 1 if held else None)
                after = -1 if held is None else held - 1
                backend.write([row(s, loss=v) for s, v in timeline.items() if s > after])
            assert raw_scalars(folder) == {(step, "loss"): as_float32(v) for step, v in timeline.items()}
        assert read_scalars(folder) == raw_scalars(folder)


def test_a_thrown_away_backend_confirms_nothing_and_writes_nothing(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1))
    before = [path.read_bytes() for path in event_files(tmp_path)]
    assert backend.close(None, {}, 1.0) is None
    assert [path.read_bytes() for path in event_files(tmp_path)] == before


def test_one_that_was_never_opened_can_be_thrown_away():
    assert TensorBoardBackend().close(None, {}, 1.0) is None


def test_rows_may_be_written_without_a_discard(tmp_path):
    backend, _ = opened(tmp_path)
    backend.write(rows(1, 2))
    backend, held = opened(tmp_path, attempt=1, last_step=2)
    assert held == 2
    backend.write(rows(3))
    assert read_scalars(tmp_path) == {(step, "loss"): float(step) for step in (1, 2, 3)}


def test_a_subfolder_can_be_chosen(tmp_path):
    backend = TensorBoardBackend(subdir="board")
    backend.open(run_info(tmp_path), {})
    backend.close(None, {}, 1.0)
    assert len(event_files(tmp_path / "board")) == 1


@pytest.mark.parametrize("subdir", ["../x", "/x", "a/b", ".", "..", "a.", "a b"])
def test_a_folder_outside_the_run_is_refused(subdir):
    with pytest.raises(BackendOptionError, match=r"tensorboard\.subdir"):
        TensorBoardBackend(subdir=subdir)


def test_a_run_without_a_folder_is_refused():
    info = RunInfo(id="0", name="a", uid="u", project="p")
    with pytest.raises(BackendSetupError, match="has none"):
        TensorBoardBackend().open(info, {})


@given(st.integers(0, 2**63 - 1), st.floats(allow_nan=False))
def test_a_step_is_read_without_the_rest(step, timestamp):
    event = row_event(Row(step, timestamp, 0.0, {"a": 1.0}))
    assert read_step(event) == step == Event.FromString(event).step


def test_a_record_is_framed_as_tensorboard_wants_it(tmp_path):
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader", reason="tensorboard is not installed"
    )
    path = tmp_path / "x.tfevents"
    data = [Event(step=step, file_version="x" * step).SerializeToString() for step in range(300)]
    path.write_bytes(b"".join(map(framed, data)))
    assert list(loader.RawEventFileLoader(str(path)).Load()) == data
    assert [record.data for record in read_records(path)] == data


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6), st.data())
def test_ranges_are_removed_and_kept_aside(parts, data):
    gone = data.draw(st.sets(st.sampled_from(range(len(parts))), min_size=1))
    with TemporaryDirectory() as folder:
        path, aside = Path(folder) / "a", Path(folder) / "b"
        path.write_bytes(b"".join(parts))
        edges = [sum(map(len, parts[:index])) for index in range(len(parts) + 1)]
        remove_ranges(path, [(edges[index], edges[index + 1]) for index in sorted(gone)], aside)
        assert path.read_bytes() == b"".join(part for index, part in enumerate(parts) if index not in gone)
        assert aside.read_bytes() == b"".join(part for index, part in enumerate(parts) if index in gone)
        assert {path.name for path in Path(folder).iterdir()} == {"a", "b"}
