"""``export`` writes what the rows say, to the last bit."""

import csv
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given

from hackmatrix.tracking.cli import main
from tests.tracking.cli.command import Command, command
from tests.tracking.runs import Said, folded, histories, same, write_run

__all__ = ["command"]  # a fixture


def packages(*names: str) -> None:
    for name in ("click", "rich", "numpy", *names):
        pytest.importorskip(name, reason=f"the package {name} is not installed")


@given(said=histories())
def test_csv_gives_every_row_back(said: list[Said]) -> None:
    packages()
    with TemporaryDirectory() as root:
        target = Path(root) / "run.csv"
        assert main(["export", str(write_run(Path(root), said)), "-o", str(target)]) == 0
        with target.open(newline="") as file:
            rows = list(csv.DictReader(file))
        expected = folded(said)
        assert [int(row["_step"]) for row in rows] == list(expected)
        for row, metrics in zip(rows, expected.values(), strict=True):
            found = {tag: float(text) for tag, text in row.items() if text and not tag.startswith("_")}
            assert found.keys() == metrics.keys()
            assert all(same(found[tag], float(metrics[tag])) for tag in found)


@given(said=histories())
def test_parquet_gives_every_row_back(said: list[Said]) -> None:
    packages("pyarrow")
    import pyarrow.parquet as pq

    with TemporaryDirectory() as root:
        target = Path(root) / "run.parquet"
        assert main(["export", str(write_run(Path(root), said)), "-o", str(target)]) == 0
        table = pq.read_table(target)
        expected = folded(said)
        assert table["_step"].to_pylist() == list(expected)
        for tag in set(table.column_names) - {"_step", "_timestamp", "_runtime"}:
            values = table[tag].to_pylist()
            whole = all(type(metrics.get(tag, 0)) is int for metrics in expected.values())
            assert all(type(value) is int for value in values if value is not None) == whole or not whole
            for value, metrics in zip(values, expected.values(), strict=True):
                assert same(value, metrics.get(tag) if whole or tag not in metrics else float(metrics[tag]))


def test_whole_numbers_stay_whole_in_csv(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, [(1, {"count": 2**53 + 1, "loss": math.nan})])
    assert command("export", tmp_path / "run", "-o", tmp_path / "x.csv", "--metric", "*").code == 0
    line = (tmp_path / "x.csv").read_text().splitlines()[1]
    assert line.endswith(f",{2**53 + 1},nan")


def test_json_is_an_array_of_what_was_written_and_the_suffix_may_be_in_capitals(
    tmp_path: Path, command: Command
) -> None:
    write_run(tmp_path, [(1, {"loss": 1.0}), (2, {"loss": 1.0})])
    said = command("export", tmp_path / "run", "-o", tmp_path / "x.CSV", "--json")
    columns = ["_step", "_timestamp", "_runtime", "loss"]
    assert json.loads(said.out) == [{"file": str(tmp_path / "x.CSV"), "rows": 2, "columns": columns}]
    assert (tmp_path / "x.CSV").read_text().startswith("_step,")


@pytest.mark.parametrize(
    ("target", "told"), [("x.xls", ".csv, .parquet"), ("nowhere/x.csv", "there is no folder")]
)
def test_what_cannot_be_written_is_told(tmp_path: Path, command: Command, target: str, told: str) -> None:
    write_run(tmp_path, [(1, {"loss": 1.0})])
    said = command("export", tmp_path / "run", "-o", tmp_path / target)
    assert (said.code, told in said.err) == (2, True)
    assert not list(tmp_path.glob("*x.*"))
