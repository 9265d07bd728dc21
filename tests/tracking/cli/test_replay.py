"""``replay`` as a person meets it: the bar, what is where afterwards, and a folder in which one run is wrong."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import open_tracker, read_run
from hackmatrix.tracking.cli import main
from hackmatrix.tracking.cli.replay import bar_line
from hackmatrix.tracking.errors import MissingPackageError, RunInUseError
from hackmatrix.tracking.protocol import FinishReport
from hackmatrix.tracking.registry import replaced
from hackmatrix.tracking.replaying import replay
from tests.tracking.list_backend import ListBackend
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


class Full(ListBackend):
    """Takes rows, and no artifact."""

    def put_artifact(self, *_: Any) -> None:
        raise OSError("no room")

    def get_artifact(self, *_: Any) -> None:
        raise NotImplementedError


def test_where_only_an_artifact_is_owed_no_steps_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log({"loss": 0.5}, step=1)
        (tmp_path / "model").write_text("m")
        tracker.log_artifact(tmp_path / "model", name="model", step=1)
    with replaced("full", Full):
        assert main(["replay", str(tmp_path / "run"), "--tracker", "full", "--timeout", "1"]) == 1
    told = "full: holds steps up to 1 of 1; is still owed a part: 1 artifacts were not delivered; the same"
    assert capsys.readouterr().out.startswith(told)


@pytest.mark.parametrize(
    ("problem", "code"), [(KeyboardInterrupt(), 130), (MissingPackageError("no package"), 2)]
)
def test_json_has_what_was_delivered_before_the_end(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    problem: BaseException,
    code: int,
) -> None:
    def deliver(folder: Path, *words: Any, **more: Any) -> FinishReport:
        if folder.name == "b":
            raise problem
        return replay(folder, *words, **more)

    monkeypatch.setattr("hackmatrix.tracking.cli.replay.replay", deliver)
    monkeypatch.setattr(logging.getLogger("hackmatrix.tracking"), "level", logging.NOTSET)  # put back
    for name in "abc":
        write_run(tmp_path, ROWS, name=name)
    assert main(["replay", "--all", str(tmp_path), "--tracker", "listing", "--json"]) == code
    assert [held["run"] for held in json.loads(capsys.readouterr().out)] == ["a"]


@pytest.mark.parametrize("word", ["r", "runs/r", "runs/r/.", "."])
def test_a_run_has_one_name_in_json_whatever_it_was_called_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    def refuse(*_: Any, **__: Any) -> FinishReport:
        raise RunInUseError("it is being written")

    folder = write_run(tmp_path / "runs", ROWS, name="r")
    monkeypatch.chdir(folder if word == "." else tmp_path)
    words = ["replay", word, "--tracker", "listing", "--json"]
    assert main(words) == 0
    assert [held["run"] for held in json.loads(capsys.readouterr().out)] == ["r"]
    monkeypatch.setattr("hackmatrix.tracking.cli.replay.replay", refuse)
    assert main(words) == 1
    assert [held["run"] for held in json.loads(capsys.readouterr().out)] == ["r"]
