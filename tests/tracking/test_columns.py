"""Columns and frames of a run say what its rows say, also while it is written."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given

from hackmatrix.tracking import MissingPackageError, RunFolderError, RunReader, open_tracker, read_run
from tests.tracking.runs import Said, folded, histories, same, write_run

np = pytest.importorskip("numpy", reason="the package numpy is not installed")

ROWS: list[Said] = [
    (1, {"loss": 0.5, "count": 2**60 + 1}),
    (2, {"loss": float("nan"), "count": 2, "late": 1.5}),
    (2, {"eval": float("-inf")}),
    (4, {"loss": float("inf"), "count": 3}),
]


@pytest.fixture
def run(tmp_path: Path) -> RunReader:
    return read_run(write_run(tmp_path, ROWS))


def as_floats(values: list) -> list:
    """Integers beside floats become floats in a column."""
    return [None if value is None else float(value) for value in values]


@given(said=histories())
def test_columns_say_what_the_rows_say(said: list[Said]) -> None:
    with TemporaryDirectory() as root:
        reader = read_run(write_run(Path(root), said))
        expected = folded(said)
        names = list(dict.fromkeys(tag for metrics in expected.values() for tag in metrics))
        everything, named = reader.read_columns(), reader.read_columns(names)
        assert set(everything) - {"_step", "_timestamp", "_runtime"} == set(names)
        for columns in (everything, named):
            assert columns["_step"].values.tolist() == list(expected)
            assert columns["_runtime"].values.tolist() == [row.runtime for row in reader.rows()]
            for tag in names:
                values, present = columns[tag]
                here = [True] * len(expected) if present is None else present.tolist()
                found = [x if is_here else None for x, is_here in zip(values.tolist(), here, strict=True)]
                said_here = [metrics.get(tag) for metrics in expected.values()]
                if values.dtype == np.float64:
                    said_here = as_floats(said_here)
                assert all(map(same, found, said_here))


def test_whole_numbers_stay_whole_and_keep_every_bit(run: RunReader) -> None:
    counts = run.to_numpy(["count"])["count"]
    assert counts.dtype == np.int64
    assert counts.tolist() == [2**60 + 1, 2, 3]


def test_nan_is_a_value_and_an_absent_tag_is_masked(run: RunReader) -> None:
    arrays = run.to_numpy()
    assert not isinstance(arrays["loss"], np.ma.MaskedArray)
    assert np.isnan(arrays["loss"][1])
    assert arrays["late"].mask.tolist() == [True, False, True]


def test_a_tag_that_no_row_has_is_absent_everywhere(run: RunReader) -> None:
    assert run.to_numpy(["nowhere"])["nowhere"].mask.all()


def test_a_run_without_rows_has_empty_columns(tmp_path: Path) -> None:
    reader = read_run(write_run(tmp_path, []))
    assert {tag: len(values) for tag, values in reader.to_numpy(["loss"]).items()} == {
        "_step": 0, "_timestamp": 0, "_runtime": 0, "loss": 0,
    }  # fmt: skip


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_all(
    run: RunReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingPackageError, match=r"'numpy': pip install 'hackmatrix\[pandas\]'"):
        run.to_pandas()


def test_pandas_keeps_nan_apart_from_what_is_absent(run: RunReader) -> None:
    pd = pytest.importorskip("pandas", reason="the package pandas is not installed")
    frame = run.to_pandas()
    assert frame["_step"].tolist() == [1, 2, 4]
    assert frame["late"].isna().tolist() == [True, False, True]
    assert frame["late"][0] is pd.NA
    assert np.isnan(frame["loss"][1])


def test_polars_keeps_nan_apart_from_what_is_absent(run: RunReader) -> None:
    pytest.importorskip("polars", reason="the package polars is not installed")
    frame = run.to_polars()
    assert frame["late"].to_list() == [None, 1.5, None]
    assert frame["loss"].is_nan().to_list() == [False, True, False]
    assert frame["loss"].null_count() == 0


def test_arrow_keeps_nan_apart_from_what_is_absent(run: RunReader) -> None:
    pytest.importorskip("pyarrow", reason="the package pyarrow is not installed")
    table = run.to_arrow()
    assert table["late"].to_pylist() == [None, 1.5, None]
    assert table["loss"].null_count == 0


def test_a_row_that_is_being_written_is_not_shown(run: RunReader) -> None:
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"_step": 5, "_timest')
    assert run.to_numpy()["_step"].tolist() == [1, 2, 4]


def test_a_run_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="live", root=tmp_path) as tracker:
        for step in range(5):
            tracker.log({"loss": float(step)}, step=step)
            assert tracker.flush()
            assert read_run(tmp_path / "live").to_numpy()["_step"].tolist() == list(range(step + 1))


@pytest.mark.parametrize("tags", [None, ["loss"]], ids=["all tags", "one tag"])
@pytest.mark.parametrize("line", [b"{]\n", b'{"loss": 1.0}\n', b'{"_step": "x"}\n'])
def test_a_damaged_line_is_told_with_its_place(run: RunReader, line: bytes, tags: list[str] | None) -> None:
    journal = run.folder / "metrics.jsonl"
    size = journal.stat().st_size
    with journal.open("ab") as file:
        file.write(line)
    with pytest.raises(RunFolderError, match=f"damaged at byte {size}, after 4 rows"):
        run.to_numpy(tags)
