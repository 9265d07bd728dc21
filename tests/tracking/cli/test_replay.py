"""``replay`` as a person meets it: the bar, what is where afterwards, and a folder in which one run is wrong."""

import json
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
    assert "[2/2] b\nmirror: holds " in told.out
    assert told.out.endswith("1 of 2 runs are delivered; not, or not whole: a\n")
    assert "another run called 'a'" in told.err
    assert "--as NAME" in told.err
    assert read_run(tmp_path / "other" / "b").identity["url"] == str(mirror)


def test_json_is_one_array_of_what_each_tracker_holds_of_each_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import tests.tracking.list_backend  # noqa: F401 - registers the backend

    for name in "ab":
        write_run(tmp_path, ROWS, name=name)
    (tmp_path / "b" / "run.json").write_text("{")
    assert main(["replay", "--all", str(tmp_path), "--tracker", "listing", "--json"]) == 1
    held, refused = json.loads(capsys.readouterr().out)
    assert [held[key] for key in ("run", "backend", "last_step", "confirmed", "pending")] == [
        "a",
        "listing",
        2,
        2,
        0,
    ]
    assert (refused["run"], refused["backend"], "cannot be read" in refused["problem"]) == ("b", None, True)


def test_a_run_may_be_named_by_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tests.tracking.list_backend  # noqa: F401 - registers the backend

    run = read_run(write_run(tmp_path, ROWS))
    write_run(tmp_path, ROWS, name="damaged")
    (tmp_path / "damaged" / "run.json").write_text("{")
    assert main(["replay", run.identity["id"], "--root", str(tmp_path), "--tracker", "listing"]) == 0
    assert capsys.readouterr().out == "listing: holds steps up to 2 of 2\n"


@pytest.mark.parametrize("timeout", ["-1", "0", "nan", "soon"])
def test_a_timeout_is_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str], timeout: str) -> None:
    folder = write_run(tmp_path, ROWS)
    assert main(["replay", str(folder), "--tracker", "listing", "--timeout", timeout]) == 2
    assert f"{timeout!r} is no number of seconds above 0" in capsys.readouterr().err
