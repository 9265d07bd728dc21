"""``replay`` as a person meets it: the bar, what is where afterwards, and a folder in which one run is wrong."""

from pathlib import Path

import pytest

from hackmatrix.tracking import read_run
from hackmatrix.tracking.cli import main
from hackmatrix.tracking.cli.replay import bar_line
from tests.tracking.runs import Said, write_run

ROWS: list[Said] = [(1, {"loss": 0.5}), (2, {"loss": 0.25})]


@pytest.mark.parametrize(
    ("handed", "line"),
    [
        ({"a": None, "b": 9}, "  a  ····  asking what is there"),
        ({"a": 7, "b": 4}, "  b  ━━··  step 4 of 9"),
        ({"a": 9, "b": 9}, "  a  ━━━━  all is sent; waiting until it is confirmed"),
    ],
)
def test_the_bar_shows_who_is_furthest_behind(handed: dict[str, int | None], line: str) -> None:
    assert bar_line(handed, 9, 4) == line


def test_one_run_that_is_refused_holds_no_other_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fsspec", reason="the package fsspec is not installed")
    mirror, option = tmp_path / "mirror", f"mirror.path={tmp_path / 'mirror'}"
    for root in ("one", "other"):
        write_run(tmp_path / root, ROWS, name="a")
    write_run(tmp_path / "other", ROWS, name="b")
    words = ["--tracker", "mirror", "--tracker-option", option]
    (mirror / "a").mkdir(parents=True)  # what a checkpoint of the first would have left there
    (mirror / "a" / "run.json").write_bytes((tmp_path / "one" / "a" / "run.json").read_bytes())
    assert main(["replay", "--all", str(tmp_path / "other"), *words]) == 1
    told = capsys.readouterr()
    assert "[2/2] b\nmirror: holds steps up to 2 of 2\n  " + str(mirror) in told.out
    assert told.out.endswith("1 of 2 runs are delivered; not, or not whole: a\n")
    assert "another run called 'a'" in told.err
    assert "--as NAME" in told.err
    assert read_run(tmp_path / "other" / "b").identity["url"] == str(mirror)
