"""A run is read as it stands, also while it is being written."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import open_tracker, read_run
from hackmatrix.tracking.errors import RunFolderError, RunNotFoundError


def test_a_run_is_read_by_its_folder_or_by_its_name(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="r", root=tmp_path, config={"lr": 0.1}) as tracker:
        tracker.log({"a": 1}, step=0)
        tracker.log({"b": 2.5}, step=0)
        tracker.log({"a": 3}, step=2)
    for reader in (read_run(tmp_path / "r"), read_run("r", tmp_path)):
        assert (reader.name, reader.config, reader.status, len(reader.attempts)) == (
            "r",
            {"lr": 0.1},
            "finished",
            1,
        )
        assert [(row.step, row.metrics) for row in reader.lines()] == [
            (0, {"a": 1}),
            (0, {"b": 2.5}),
            (2, {"a": 3}),
        ]
        assert [(row.step, row.metrics) for row in reader.rows()] == [(0, {"a": 1, "b": 2.5}), (2, {"a": 3})]
    with pytest.raises(RunNotFoundError, match="no run"):
        read_run("other", tmp_path)
    with pytest.raises(RunNotFoundError):
        read_run(tmp_path)


def test_a_run_without_rows_has_none(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="r", root=tmp_path) as tracker:
        reader = read_run("r", tmp_path)
        assert (list(reader.rows()), list(reader.lines()), reader.records()) == ([], [], [])
        assert reader.status == "running"
        assert tracker.run.folder is not None
        (tracker.run.folder / "metrics.jsonl").unlink()
        assert (list(reader.rows()), list(reader.lines())) == ([], [])


def test_reading_in_the_middle_of_a_line_shows_only_whole_rows(tmp_path: Path) -> None:
    with open_tracker("jsonl", name="r", root=tmp_path) as tracker:
        for step in range(5):
            tracker.log({"a": step / 7}, step=step)
    journal = tmp_path / "r" / "metrics.jsonl"
    whole = journal.read_bytes()
    for size in range(len(whole)):
        journal.write_bytes(whole[:size])
        found = [row.step for row in read_run("r", tmp_path).lines()]
        assert found == list(range(whole[:size].count(b"\n")))


def test_rows_read_while_a_run_is_written_are_a_beginning_of_it(tmp_path: Path) -> None:
    wrong: list[Any] = []
    done = threading.Event()
    with open_tracker("jsonl", name="r", root=tmp_path) as tracker:

        def read() -> None:
            while not done.is_set():
                rows = list(read_run("r", tmp_path).rows())
                if [(row.step, row.metrics) for row in rows] != [
                    (i, {"a": i, "b": -i}) for i in range(len(rows))
                ]:
                    wrong.append(rows[-3:])

        thread = threading.Thread(target=read)
        thread.start()
        try:
            for step in range(400):
                tracker.log({"a": step, "b": -step}, step=step)
                if step % 20 == 0:
                    assert tracker.flush()
        finally:
            done.set()
            thread.join()
    assert wrong == []
    assert len(list(read_run("r", tmp_path).rows())) == 400


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("metrics.jsonl", "{]", "malformed"),
        ("metrics.jsonl", '{"a": 1}', "the line is no row: KeyError('_step')"),
        (
            "metrics.jsonl",
            '{"_step": 1, "_timestamp": 1, "_runtime": 1, "a": "b"}',
            "something in it is no number",
        ),
        ("records.jsonl", "{]", "malformed"),
        ("records.jsonl", '{"_step": 1, "_timestamp": 1, "kind": "text", "tag": "a"}', "it lacks data"),
    ],
)
def test_a_line_that_no_tracker_wrote_is_told_with_what_to_do(
    tmp_path: Path, file: str, line: str, told: str
) -> None:
    with open_tracker("jsonl", name="r", root=tmp_path) as tracker:
        tracker.log({"a": 1}, step=0)
        tracker.log_text("t", "text", step=0)
    reader = read_run("r", tmp_path)
    readings: list[Callable[[], Any]]
    readings = [reader.records] if file == "records.jsonl" else [reader.lines, reader.rows, reader.columns]
    for read in readings:
        assert len(list(read())) in (1, 4)
    path = tmp_path / "r" / file
    with path.open("a", encoding="utf-8") as journal:
        journal.write(f"{line}\n")
    hint = f"; see hackmatrix-runs verify {path.parent}"
    sentence = rf"^{re.escape(str(path))} is damaged \(.*{re.escape(told)}.*\){re.escape(hint)}$"
    for read in readings:
        with pytest.raises(RunFolderError, match=sentence):
            list(read())
