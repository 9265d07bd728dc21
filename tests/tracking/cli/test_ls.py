"""``ls`` finds the run that one wants among many."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hackmatrix.tracking import open_tracker
from tests.tracking.cli.command import Command, command
from tests.tracking.runs import write_run

__all__ = ["command"]  # a fixture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three runs that end at returns 1, 2 and 3, and one that is being written."""
    for index in (1, 2, 3):
        write_run(
            tmp_path,
            [(step, {"train/mean_episode_return": float(index), "train/loss": 1.0}) for step in range(5)],
            name=f"run-{index}",
            config={"env": "hackmatrix" if index > 1 else "other", "lr": 10.0**-index},
            tags=["ppo", f"t{index}"],
        )
    return tmp_path


def names(out: str) -> list[str]:
    return [each["name"] for each in json.loads(out)]


def test_a_table_shows_each_run_in_one_line(root: Path, command: Command) -> None:
    said = command("ls", root)
    assert said.code == 0
    head, *lines = said.out.splitlines()
    assert head.split() == ["NAME", "STATUS", "STEP", "RETURN", "STEPS/S", "AGE", "TAGS"]
    assert [line.split()[:4] for line in lines] == [
        [f"run-{index}", "finished", "4", f"{index}.0"] for index in (1, 2, 3)
    ]


def test_json_is_one_array(root: Path, command: Command) -> None:
    (first, *_) = json.loads(command("ls", root, "--json").out)
    assert (first["name"], first["status"], first["step"], first["return"]) == ("run-1", "finished", 4, 1.0)
    assert first["config"] == {"env": "other", "lr": 0.1}
    assert first["summary"]["train/loss"] == 1.0


def test_an_empty_list_is_an_empty_array(root: Path, command: Command) -> None:
    assert json.loads(command("ls", root, "--json", "--where", "step > 100").out) == []


def test_filters_and_order(root: Path, command: Command) -> None:
    where = "config.env == 'hackmatrix' and summary.mean_episode_return > 1"
    assert names(command("ls", root, "--json", "--where", where).out) == ["run-2", "run-3"]
    assert names(command("ls", root, "--json", "--sort", "config.lr").out) == ["run-3", "run-2", "run-1"]
    assert names(command("ls", root, "--json", "--where", "step > 1", "--where", "'t2' in tags").out) == [
        "run-2"
    ]


def test_a_limit_keeps_the_first_of_a_sorted_list_and_else_the_newest(root: Path, command: Command) -> None:
    write_run(root, [(1, {"loss": 1.0})], name="run-0")
    write_run(root, [(1, {"return": float("nan")})], name="run-4")
    assert names(command("ls", root, "--json", "--sort", "-return", "-n", 2).out) == ["run-3", "run-2"]
    assert names(command("ls", root, "--json", "--sort", "return", "-n", 2).out) == ["run-1", "run-2"]
    assert names(command("ls", root, "--json", "-n", 2).out) == ["run-0", "run-4"]
    for sort in ("return", "-return"):
        assert names(command("ls", root, "--json", "--sort", sort).out)[3:] == ["run-0", "run-4"]


def test_the_folder_may_be_given_as_elsewhere(root: Path, command: Command) -> None:
    assert command("ls", "--root", root).out == command("ls", root).out


def test_a_live_run_is_running_and_has_its_newest_figures(root: Path, command: Command) -> None:
    with open_tracker("jsonl", name="live", root=root) as tracker:
        tracker.log({"loss": 0.5}, step=7)
        tracker.log({"train/steps_per_second": 10.0}, step=8)
        assert tracker.flush()
        (live,) = json.loads(command("ls", root, "--json", "--where", "status == 'running'").out)
    assert (live["step"], live["steps_per_second"], live["summary"]["loss"]) == (8, 10.0, 0.5)


def test_a_damaged_description_is_told_and_hides_no_other_run(root: Path, command: Command) -> None:
    (root / "run-2" / "run.json").write_text("{")
    said = command("ls", root, "--json")
    assert (said.code, names(said.out)) == (0, ["run-1", "run-3"])
    assert "run-2" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--where", "step ="], "write '=='"),
        (["--where", "statu == 'running'"], "Did you mean 'status'"),
        (["--sort", "retrun"], "Did you mean 'return'"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_question_is_told_in_a_sentence(
    root: Path, command: Command, words: list[str], told: str
) -> None:
    said = command("ls", root, *words)
    assert said.code == 2
    assert told in said.err


def test_a_description_that_lacks_something_is_told_by_every_command(root: Path, command: Command) -> None:
    path = root / "run-2" / "run.json"
    identity = json.loads(path.read_text())
    for damage in ({"config": None}, {"attempts": []}, {"attempts": [{}]}, {"summary": 1}):
        path.write_text(json.dumps({**identity, **damage}))
        for words in (["show"], ["plot"], ["compare", "run-1"], ["export", "-o", "x.csv"]):
            said = command(*words, "run-2", "--root", root)
            assert (said.code, f"{path} lacks" in said.err) == (2, True), words
        said = command("ls", root, "--json")
        assert (said.code, names(said.out), "warning: " in said.err) == (0, ["run-1", "run-3"], True)
    del identity["group"]
    path.write_text(json.dumps(identity))
    said = command("replay", "run-2", "--root", root, "--tracker", "tensorboard")
    assert (said.code, "lacks group; restore it or move it away" in said.err) == (2, True)


def test_a_wide_table_is_narrowed_on_a_terminal_only(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{'long-' * 19}s1"
    write_run(tmp_path, [(1, {"loss": 1.0})], name=name, tags=["a-tag-of-many-letters", "bell\a"])
    assert f"{name} " in command("ls", tmp_path).out
    assert "bell\\x07" in command("ls", tmp_path).out
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich: standard output is a terminal
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    said = command("ls", tmp_path).out
    assert "\x1b[32m" in said
    lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
    assert max(map(len, lines)) <= 70
    assert re.match("long-long…-long-s1  finished ", lines[1])


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_switched_off(
    root: Path, command: Command, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(variable, value)
    for words in (["ls", root], ["plot", "run-1", "--root", root]):
        assert "\x1b" not in command(*words).out


def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path: Path, command: Command) -> None:
    said = command("ls", tmp_path / "nowhere")
    assert (said.code, "there is no folder" in said.err) == (2, True)


def test_a_key_that_no_run_has_is_told_with_the_closest(root: Path, command: Command) -> None:
    for asked, close in (
        ("config.enw == 'x'", "config.env"),
        ("summary.mean_return > 1", "mean_episode_return"),
    ):
        told = command("ls", root, "--where", f"step > 0 and {asked}").err
        assert f"none has {asked.split()[0]!r}; did you mean" in told
        assert close in told
    assert command("ls", root, "--where", "config.lr > 1").err == f"no run in {root} matches\n"


def test_a_copied_folder_is_listed_by_its_own_name_and_escaped(root: Path, command: Command) -> None:
    run = json.loads(command("show", "run-2", "--root", root, "--json").out)[0]
    for name in ("a", "b", "c", "run-2-copy", "y\x1b", "z"):
        shutil.copytree(root / "run-2", root / name)
    listed = names(command("ls", root, "--json", "--where", f"id == '{run['id']}'").out)
    assert listed == ["a", "b", "c", "run-2", "run-2-copy", "y\x1b", "z"]
    for name in listed:
        (found,) = json.loads(command("show", name, "--root", root, "--json").out)
        assert Path(found["folder"]).name == name
    assert json.loads(command("show", run["id"], "--root", root, "--json").out) == [run]
    out = command("ls", root).out
    assert ["y\\x1b", "finished"] in [line.split()[:2] for line in out.splitlines()]
    assert "\x1b" not in out
    shutil.rmtree(root / "run-2")
    (found,) = json.loads(command("show", run["id"], "--root", root, "--json").out)
    assert Path(found["folder"]).name == "a"


def test_a_table_is_as_wide_as_it_is_printed() -> None:
    pytest.importorskip("rich", reason="the package rich is not installed")
    from hackmatrix.tracking.cli.output import width_of

    assert width_of(("A", "B"), [("bell\a", "x")]) == len("bell\\x07") + 2 + 1
