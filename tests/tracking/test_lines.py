"""Any row comes back to the bit, in strict JSON that data frames read as columns of numbers."""

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hackmatrix.tracking.lines import decode_object, decode_row, encode_objects, encode_rows, whole_lines
from hackmatrix.tracking.protocol import Row

_LARGEST = int(1.7976931348623157e308)
tags = st.one_of(
    st.sampled_from(
        ["train/loss", "a,b", "a=b", "100%", "%2C", "%25", "=,%", "ünï/☃", "a\nb", '"', "\\", "\0"]
    ),
    st.text(min_size=1, max_size=12).filter(lambda tag: tag[0] != "_" and tag.isprintable()),
)
float32s = st.floats(width=32)
numbers = st.one_of(
    st.floats(), float32s, st.integers(-(2**63), 2**64), st.integers(-_LARGEST, _LARGEST),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 2**53 + 1, _LARGEST]),
)  # fmt: skip
rows = st.builds(
    Row,
    step=st.integers(0, 2**80),
    timestamp=st.floats(0, 1e11),
    runtime=st.floats(0, 1e9),
    metrics=st.dictionaries(tags, numbers, max_size=6),
)


def bits(value: float) -> Any:
    """Equal for equal numbers of one type; one NaN is as good as another."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return value


def all_bits(row: Row) -> Any:
    return row.step, row.timestamp, row.runtime, {tag: bits(value) for tag, value in row.metrics.items()}


def no_constant(text: str) -> None:
    raise AssertionError(f"{text} is no strict JSON")


@given(st.lists(rows, max_size=4))
@example([Row(0, 0.0, 0.0, {"a": 1e308, "b": 1e308})])  # finite numbers with an infinite sum
@example([Row(0, 0.0, 0.0, {"a": _LARGEST, "b": 0.5})])  # an integer that no float is added to
@example([Row(0, 0.0, 0.0, {"a": math.inf, "b": -math.inf})])
def test_any_row_comes_back_with_every_bit(said: list[Row]) -> None:
    lines = list(whole_lines(encode_rows(said)))
    assert [all_bits(decode_row(line)) for line in lines] == [all_bits(row) for row in said]


@given(rows)
def test_a_line_is_strict_json_in_which_every_value_is_a_number_or_null(row: Row) -> None:
    (line,) = whole_lines(encode_rows([row]))
    found = json.loads(line, parse_constant=no_constant)
    nonfinite = found.pop("_nonfinite", "")
    assert isinstance(nonfinite, str)
    for tag, value in row.metrics.items():
        assert (found[tag] is None) == (not _finite(value))
        assert found[tag] is None or type(found[tag]) is type(value)
    assert (nonfinite == "") == all(map(_finite, row.metrics.values()))


def _finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def test_a_value_that_is_not_finite_is_named_beside_its_null() -> None:
    row = Row(3, 1.5, 0.25, {"a,b=c%": math.nan, "up": math.inf, "down": -math.inf, "loss": 0.0})
    assert encode_rows([row]) == (
        b'{"a,b=c%":null,"up":null,"down":null,"loss":0.0,"_step":3,"_timestamp":1.5,"_runtime":0.25,'
        b'"_nonfinite":"a%2Cb%3Dc%25=nan,up=+inf,down=-inf"}\n'
    )


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"\0\0\0\n",
        b"[]\n",
        b"{}\n",
        b"7\n",
        b'{"_step":1,"_timestamp":1.0}\n',
        b'{"_step":1.0,"_timestamp":1.0,"_runtime":1.0}\n',
        b'{"_step":true,"_timestamp":1.0,"_runtime":1.0}\n',
        b'{"_step":1,"_timestamp":"1.0","_runtime":1.0}\n',
        b'{"_step":1,"_timestamp":1.0,"_runtime":1.0,"a":"b"}\n',
        b'{"_step":1,"_timestamp":1.0,"_runtime":1.0,"a":null}\n',
        b'{"_step":1,"_timestamp":1.0,"_runtime":1.0,"a":null,"_nonfinite":"a=many"}\n',
        b'{"_step":1,"_timestamp":1.0,"_runtime":1.0,"a":null,"_nonfinite":7}\n',
        b'{"_step":1,"_timestamp":1.0,"_runtime":1.0,"a":NaN}\n',
        b'{"_step":1,"_timestamp":1.0,"_runtime":1.0,"\xff":1}\n',
    ],
)
def test_a_line_that_is_no_row_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode_row(line)


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_be_refused(line: bytes) -> None:
    try:
        decode_row(line)
    except ValueError:
        pass
    else:
        raise AssertionError(f"{line!r} cannot be a row")


@given(st.lists(st.sampled_from([b"{}\n", b"\n", b"{", b"ab"])))
def test_only_lines_with_their_newline_are_whole(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert b"".join(whole_lines(data)) == data[: data.rfind(b"\n") + 1]


def test_objects_become_one_line_each() -> None:
    said = [{"_step": 1, "text": "zwei\nZeilen ☃"}, {"_step": 2, "list": [1, 2.5, None, "x"]}]
    lines = list(whole_lines(encode_objects(said)))
    assert [decode_object(line) for line in lines] == said


MIXED = [Row(i, 1.0, 0.5, {"loss": [0.5, math.nan, math.inf, -math.inf][i % 4], "n": i}) for i in range(8)]


def test_pandas_reads_a_column_of_numbers() -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas to read with")
    import io

    frame = pandas.read_json(io.BytesIO(encode_rows(MIXED)), lines=True)
    assert frame["loss"].dtype == "float64"
    assert frame["n"].dtype == "int64"
    assert frame["loss"].isna().sum() == 6


def test_polars_reads_a_column_of_numbers() -> None:
    polars = pytest.importorskip("polars", reason="needs polars to read with")
    frame = polars.read_ndjson(encode_rows(MIXED))
    assert frame.schema["loss"] == polars.Float64
    assert frame.schema["n"] == polars.Int64
    assert frame["loss"].null_count() == 6


def test_duckdb_reads_a_column_of_numbers(tmp_path: Any) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb to read with")
    (tmp_path / "metrics.jsonl").write_bytes(encode_rows(MIXED))
    found = duckdb.sql(f"select sum(loss), sum(n) from read_json_auto('{tmp_path}/metrics.jsonl')").fetchall()
    assert found == [(1.0, 28)]
