"""Tensors of PyTorch are values like any other; skipped where it is absent."""

from pathlib import Path

import pytest

from hackmatrix.tracking import MetricValueError, open_tracker, read_run

torch = pytest.importorskip("torch", reason="the package torch is not installed")


def logged(folder: Path) -> list[object]:
    return read_run("torch", folder).columns(["a/value"])["a/value"]


def test_a_tensor_is_taken_as_it_is_at_the_call(tmp_path: Path) -> None:
    value = torch.tensor(0.1, requires_grad=True)
    with open_tracker("jsonl", name="torch", root=tmp_path) as tracker:
        tracker.log({"a/value": value}, step=0)
        with torch.no_grad():
            value += 1.0
        tracker.log({"a/value": value}, step=1)
    assert logged(tmp_path) == [torch.tensor(0.1).item(), torch.tensor(1.1).item()]


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16", "float16", "int64", "bool"])
def test_a_column_of_any_dtype_is_taken(kind: str, tmp_path: Path) -> None:
    column = torch.tensor([0.0, 1.0, 0.1]).to(getattr(torch, kind))
    with open_tracker("jsonl", name="torch", root=tmp_path) as tracker:
        tracker.log_series({"a/value": column}, steps=range(3))
    assert logged(tmp_path) == [float(number) for number in column]
    assert read_run("torch", tmp_path).status == "finished"


def test_a_packed_tensor_is_taken(tmp_path: Path) -> None:
    packed = torch.arange(6, dtype=torch.bfloat16, requires_grad=False).reshape(3, 2)
    with open_tracker("jsonl", name="torch", root=tmp_path) as tracker:
        tracker.log_series(packed, tags=["a/value", "b/value"], steps=range(3))
    assert logged(tmp_path) == [0.0, 2.0, 4.0]


def test_a_tensor_of_several_numbers_is_refused(tmp_path: Path) -> None:
    with (
        open_tracker("jsonl", name="torch", root=tmp_path) as tracker,
        pytest.raises(MetricValueError, match=r"shape \(4,\)"),
    ):
        tracker.log({"a/value": torch.ones(4)}, step=0)
