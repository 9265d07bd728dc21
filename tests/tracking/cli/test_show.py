"""``show`` says what a run is and was, once or while it grows."""

import json
import re
import threading
import time
from collections.abc import Callable
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


_LACKS = "a line is no record: it lacks _step, _timestamp, "


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        ("{]\n", "JSON is malformed"),
        ('{"kind": "artifact"}\n', f"{_LACKS}name, type, digest, aliases, metadata, place, keep, upload"),
        ("{}\n", f"{_LACKS}kind, tag, data"),
    ],
)
def test_damaged_records_are_told_with_what_to_do(
    root: Path, command: Command, damaged: str, told: str
) -> None:
    (root / "run" / "records.jsonl").write_text(damaged)
    for words in (["show", "run"], ["compare", "run", "run"]):
        said = command(*words, "--root", root)
        assert (said.code, f"records.jsonl is damaged ({told}" in said.err) == (2, True), words
        assert said.err.endswith(f"); see hackmatrix-runs verify {root / 'run'}\n")


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


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Make standard output a terminal of so many columns and lines, as rich sees it."""

    def make(columns: int, lines: int) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))

    return make


def screen_of(said: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said).splitlines()


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A run with usual tags and large figures."""
    tags = ("train/mean_episode_return", "train/fraction_of_variance", "eval/mean_episode_length")
    write_run(tmp_path, [(step, dict.fromkeys(tags, 1e6 + step)) for step in range(99)])
    return tmp_path / "run"


@pytest.mark.parametrize(("columns", "figures"), [(100, True), (80, True), (60, False), (50, False)])
def test_each_metric_has_one_line_however_narrow_the_terminal(
    wide: Path, command: Command, terminal: Callable[[int, int], None], columns: int, figures: bool
) -> None:
    terminal(columns, 24)
    lines = screen_of(command("show", wide).out)
    title = lines.index("metrics") + 1
    assert ("MIN" in lines[title]) == figures
    assert [line.split()[0] for line in lines[title + 1 : title + 4]] == [
        "train/mean_episode_return",
        "train/fraction_of_variance",
        "eval/mean_episode_length",
    ]
    assert all(line.rstrip().endswith("█") for line in lines[title + 1 : title + 4])
    attempts = lines.index("attempts")
    assert re.match(r"0  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", lines[attempts + 2])
    assert max(map(len, lines)) <= columns


def test_following_says_how_many_metrics_find_no_room(
    tmp_path: Path, command: Command, terminal: Callable[[int, int], None]
) -> None:
    tags = [f"train/a_rather_long_name_of_a_metric_{index}" for index in range(18)]
    write_run(tmp_path, [(1, dict.fromkeys(tags, 0.5))])
    terminal(80, 24)
    drawn = screen_of(command("show", tmp_path / "run", "--follow").out)
    lines = [line.rstrip() for line in drawn]
    lines = lines[-1 - lines[::-1].index(drawn[0].rstrip()) :]  # it is drawn once more at the end
    shown = [line for line in lines if line.startswith("train/")]
    assert f"{18 - len(shown)} more: hackmatrix-runs show RUN" in lines
    assert len(shown) >= 10
    assert "attempts" in lines
    assert len(lines) <= 24
    terminal(80, 60)
    assert "more:" not in command("show", tmp_path / "run", "--follow").out


def test_a_killed_attempt_ran_at_least_until_its_last_row(tmp_path: Path, command: Command) -> None:
    for step in (1, 2):
        with open_tracker("jsonl", name="run", root=tmp_path) as tracker:
            tracker.log({"loss": 1.0}, step=step)
    journal, described = tmp_path / "run" / "metrics.jsonl", tmp_path / "run" / "run.json"
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    identity = json.loads(described.read_text())
    for index, attempt in enumerate(identity["attempts"]):
        attempt.update(started=1e9 + 1000 * index, status="lost" if index == 0 else None)
        del attempt["ended"]
        rows[index]["_timestamp"] = attempt["started"] + 12 + index
    described.write_text(json.dumps(identity))
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def told() -> list[str]:
        lines = command("show", tmp_path / "run").out.split("\nattempts\n")[1].splitlines()
        return [re.sub(r"^(\d)  \S+ \S+ +(.*?) +lost .*", r"\1 \2", line) for line in lines[1:3]]

    assert told() == ["0 >= 12s", "1 <= 16m   >= 13s"]
    identity["attempts"][1]["from_step"] = None  # the second one took every row back
    described.write_text(json.dumps(identity))
    assert told() == ["0 ?", "1 ?   >= 13s"]


def test_what_a_terminal_would_obey_is_escaped(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, [(1, {"red\x9b31m": 1.0})], notes="bell\a", config={"a\rb": "\x1b[31m\n"})
    for words in ([], ["--follow"], ["--metric", "x"]):
        said = command("show", tmp_path / "run", *words)
        assert "red\\x9b31m" in said.out + said.err
        assert not {"\x1b", "\x9b", "\a", "\r"} & set(said.out + said.err)
    out = command("show", tmp_path / "run").out
    assert "notes bell\\x07" in out
    assert re.search(r"a\\rb +\\x1b\[31m\\n\n", out)


def test_a_piped_table_has_no_trailing_blanks(root: Path, command: Command) -> None:
    for words in (["show", "run"], ["compare", "run", "run"]):
        assert not re.search(r" \n", command(*words, "--root", root).out)


def test_an_array_that_never_ends_is_refused(root: Path, command: Command) -> None:
    said = command("show", "run", "--root", root, "--follow", "--json")
    assert (said.code, "do not go together" in said.err) == (2, True)
