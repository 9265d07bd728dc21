"""``show`` says what a run is and was, once or while it grows."""

import json
import threading
import time
from pathlib import Path

import pytest

from hackmatrix.tracking import open_tracker
from tests.tracking.cli.command import Command, command
from tests.tracking.runs import write_run

__all__ = ["command"]  # a fixture

np = pytest.importorskip("numpy", reason="the package numpy is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A run of two attempts with an artifact; a config that looks like markup."""
    write_run(
        tmp_path, [(1, {"loss": 2.0}), (2, {"loss": float("nan")})], config={"net": "[bold]"}, tags=["x"]
    )
    (tmp_path / "model.bin").write_bytes(b"x" * 2000)
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0, "eval/return": 3.0}, step=3)
        tracker.log_artifact(tmp_path / "model.bin", name="model", step=3, aliases=["best"])
    return tmp_path


def test_everything_about_a_run_is_on_one_screen(root: Path, command: Command) -> None:
    said = command("show", "run", "--root", root)
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0][:4] == ["run", "finished", "step", "3,"]
    assert ["net", "[bold]"] in lines
    assert ["eval/return", "3.0", "3.0", "3.0", "▄"] in lines
    assert ["model", "model", "3", "2.0", "KB", "best"] in [
        ["model", *line[:1], *line[2:6]] for line in lines if line[:2] == ["model", "file"]
    ]
    attempts = [line for line in lines if line[:1] in (["0"], ["1"])]
    assert [line[-3:-1] for line in attempts] == [["finished", "-"], ["finished", "2"]]


def test_json_is_an_array_of_one_object(root: Path, command: Command) -> None:
    (run,) = json.loads(command("show", "run", "--root", root, "--json", "--metric", "eval/*").out)
    assert (run["step"], run["last"], len(run["attempts"])) == (3, {"eval/return": 3.0}, 2)


def test_a_run_is_found_by_its_id_and_by_its_folder(root: Path, command: Command) -> None:
    (run,) = json.loads(command("show", "run", "--root", root, "--json").out)
    assert json.loads(command("show", run["id"], "--root", root, "--json").out) == [run]
    assert json.loads(command("show", root / "run", "--json").out) == [run]


def test_a_run_without_rows_is_shown(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, [])
    assert "no row yet" in command("show", "run", "--root", tmp_path).out


def test_following_prints_each_new_row_until_the_run_ends(tmp_path: Path, command: Command) -> None:
    tracker = open_tracker("jsonl", name="live", root=tmp_path)
    tracker.log({"loss": 0.0}, step=0)
    assert tracker.flush()

    def go_on() -> None:
        for step in (1, 2):
            time.sleep(0.3)
            tracker.log({"loss": float(step)}, step=step)
        tracker.finish()

    thread = threading.Thread(target=go_on)
    thread.start()
    said = command("show", "live", "--root", tmp_path, "--follow")
    thread.join()
    assert said.code == 0
    assert [line for line in said.out.splitlines() if line] == [
        f"step {step}  loss {step}.0" for step in range(3)
    ]


def test_an_unknown_run_is_told_with_the_closest_name(root: Path, command: Command) -> None:
    said = command("show", "runn", "--root", root)
    assert (said.code, "did you mean 'run'" in said.err) == (2, True)


def test_a_damaged_journal_is_told_with_what_to_do(root: Path, command: Command) -> None:
    with (root / "run" / "metrics.jsonl").open("ab") as file:
        file.write(b"{]\n")
    said = command("show", "run", "--root", root)
    assert (said.code, "hackmatrix-runs verify" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([1.0], "▄"),
        ([0.0, 7.0], "▁█"),
        (list(range(8)), "▁▂▃▄▅▆▇█"),
        ([float("nan")] * 2, "··"),
        ([0.0, float("inf"), 1.0], "▁·█"),
        ([-1e308, 1e308], "▄▄"),
        ([5, 5, 5], "▄▄▄"),
    ],
)
def test_a_sparkline_goes_from_the_least_to_the_greatest(values: list[float], drawn: str) -> None:
    pytest.importorskip("rich", reason="the package rich is not installed")
    from hackmatrix.tracking.cli.sparkline import sparkline

    assert sparkline(np.array(values)) == drawn


def test_a_long_course_is_averaged() -> None:
    from hackmatrix.tracking.cli.sparkline import sparkline

    assert sparkline(np.arange(1000), width=8) == "▁▂▃▄▅▆▇█"


def test_an_alias_that_was_given_twice_stands_once(tmp_path: Path, command: Command) -> None:
    (tmp_path / "model").write_text("m")
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
        aliases = ["latest", "best", "latest"]
        tracker.log_artifact(tmp_path / "model", name="model", step=0, aliases=aliases)
    assert "  latest,best  " in command("show", tmp_path / "run").out


def test_a_glob_that_fits_no_tag_is_told(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, [(1, {"train/loss": 0.5})])
    said = command("show", tmp_path / "run", "--metric", "system/*")
    assert (said.code, said.err) == (0, "no tag is like system/*; there are: train/loss\n")
