"""What a journal's damage means for its replay; what replay delivers is in the backends' and the command's tests."""

from pathlib import Path

import pytest

from hackmatrix.tracking import RunFolderError, open_tracker, replay
from tests.tracking import list_backend  # noqa: F401 - registers its name


def ten_rows(root: Path) -> Path:
    with open_tracker("jsonl", name="r", root=root) as tracker:
        for step in range(10):
            tracker.log({"a": 1.0}, step=step)
    return root / "r" / "metrics.jsonl"


def test_rows_behind_a_damaged_one_are_not_lost_in_silence(tmp_path: Path) -> None:
    journal = ten_rows(tmp_path)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:4], b"what is this\n", *lines[4:]]))
    with pytest.raises(RunFolderError, match=r"damaged at byte \d+, after 4 rows.*verify"):
        replay("r", "listing", root=tmp_path)


def test_a_row_that_a_kill_tore_holds_nothing_back(tmp_path: Path) -> None:
    journal = ten_rows(tmp_path)
    with journal.open("ab") as file:
        file.write(b'{"_step": 10, "a"')
    report = replay("r", "listing", root=tmp_path)
    assert report.backends["listing"].confirmed == 9


def test_a_journal_that_lost_rows_does_not_pass_for_whole(tmp_path: Path) -> None:
    journal = ten_rows(tmp_path)
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    with pytest.raises(RunFolderError, match=r"lacks rows that the run had.*--repair"):
        replay("r", "listing", root=tmp_path)
    journal.unlink()
    with pytest.raises(RunFolderError, match="lacks rows that the run had"):
        replay("r", "listing", root=tmp_path)
