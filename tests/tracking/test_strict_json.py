"""``run.json`` is strict JSON, and NaN and infinities in it come back."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hackmatrix.tracking import open_tracker, read_run
from hackmatrix.tracking.strict_json import decode_strict, encode_strict, noted

_KEYS = st.text(max_size=4).filter(lambda key: key != "_nonfinite")
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)
_NAN, _INF = math.nan, math.inf


def no_constant(text: str) -> None:
    raise AssertionError(f"{text} is no strict JSON")


@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
@example({"a": [{"": [1, _NAN]}, _INF], "0": -_INF, "b": None})
def test_any_object_comes_back_from_strict_json(said: dict[str, Any]) -> None:
    before = repr(said)
    text = encode_strict(said)
    assert repr(said) == before
    json.loads(text, parse_constant=no_constant)
    assert repr(decode_strict(text)) == before  # the text of a float is all of its bits, but for NaN's


def test_an_object_of_finite_numbers_has_no_note() -> None:
    assert noted({"a": [1.0, None]}) == {"a": [1.0, None]}
    assert noted({"a": [1.0, _NAN]}) == {"a": [1.0, None], "_nonfinite": [["a", 1, "nan"]]}


@pytest.mark.parametrize("note", ['[["b", "nan"]]', '[["a", 3, "nan"]]', '[["a", "many"]]', "[[]]", "7"])
def test_a_note_that_leads_nowhere_is_refused(note: str) -> None:
    with pytest.raises(ValueError, match="_nonfinite"):
        decode_strict(b'{"a": [null], "_nonfinite": ' + note.encode() + b"}")


def test_a_summary_a_config_and_metadata_keep_what_json_lacks(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = {"clip": _INF, "range": [-_INF, 1.0]}
    with open_tracker("jsonl", name="r", root=tmp_path, config=config) as tracker:
        tracker.log_summary({"eval/return": _NAN, "train/loss": 0.5})
        tracker.log_artifact(tmp_path / "file", name="file", step=0, metadata={"score": _NAN})
    json.loads((tmp_path / "r" / "run.json").read_bytes(), parse_constant=no_constant)
    run = read_run("r", tmp_path)
    assert repr(run.summary) == repr({"eval/return": _NAN, "train/loss": 0.5})
    assert repr(run.config) == repr(config)
    assert run.records()[0]["metadata"] == {"score": None, "_nonfinite": [["score", "nan"]]}
    with open_tracker("jsonl", name="r", root=tmp_path, config=config) as tracker:  # the config is the same
        tracker.log({"loss": 1.0}, step=0)
    assert math.isnan(read_run("r", tmp_path).summary["eval/return"])
