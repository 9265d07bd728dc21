"""Playing by hand, as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from tests.scripts.ctrl_c import ctrl_c_after, with_endless_jax

SCRIPT = Path(__file__).parents[2] / "scripts" / "play.py"


def start(*arguments, folder, **more):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1", **more}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(*arguments, folder, typed="", code=0):
    process = start(*arguments, folder=folder)
    out, err = process.communicate(typed, timeout=240)
    assert process.returncode == code, out + err
    assert "Traceback" not in out + err
    return out, err


def test_a_game_by_names_and_numbers_until_stopped(tmp_path):
    out, err = run(folder=tmp_path, typed="up\n3\n?\nfly\n99\nsiphon\n-1\n\n" + "9" * 5000 + "\nq\n")
    assert err == ""
    assert f"'{'9' * 40}' is no action" in out
    assert "turn 2" in out
    assert "up: reward +0.04 (step_penalty -0.01, distance_shaping +0.05)" in out
    assert "legal: 0 up, 1 down, 2 left, 3 right" in out
    assert "'fly' is no action" in out
    assert "'99' is no action" in out
    assert "'siphon' is not legal now" in out
    assert out.endswith("Good bye.\n")


def test_the_end_of_input_ends_the_game(tmp_path):
    out, _ = run(folder=tmp_path, typed="up\n")
    assert out.endswith("Good bye.\n")


def test_a_position_is_played_to_its_end(tmp_path):
    position = {"player": {"row": 5, "col": 4, "hp": 1}, "enemies": [{"type": "daemon", "row": 4, "col": 5}]}
    file = tmp_path / "position.json"
    file.write_text(json.dumps(position), encoding="utf-8")
    out, _ = run("--position", file, folder=tmp_path, typed="r\nright\n")
    assert "'r' is no action" in out  # it could be RESET, ROW or REDUC as well
    assert "stage_completion +1.00" in out
    assert out.endswith("The game is over. Score: 0.\n")


@pytest.mark.parametrize(
    ("position", "end"),
    [
        ({"player": {"hp": 0, "score": 3}}, "The game is over. Score: 3.\n"),
        ({"stage": 9, "player": {"score": 21}}, "You have won. Score: 21.\n"),
    ],
)
def test_a_game_that_has_ended_says_at_once_how(tmp_path, position, end):
    file = tmp_path / "position.json"
    file.write_text(json.dumps(position), encoding="utf-8")
    out, err = run("--position", file, folder=tmp_path, typed="up\n")
    assert out.endswith(end)
    assert "action>" not in out
    assert err == ""


def test_who_is_hidden_from_the_player_is_not_drawn(tmp_path):
    enemies = [{"type": "cryptog", "row": 3, "col": 3}, {"type": "glitch", "row": 4, "col": 4}]
    file = tmp_path / "position.json"
    file.write_text(json.dumps({"enemies": enemies}), encoding="utf-8")
    out, _ = run("--position", file, folder=tmp_path, typed="")
    board = out.partition("programs:")[0]
    assert "G2" in board
    assert "C2" not in board


def test_a_furnished_game_goes_by_its_seed(tmp_path):
    boards = [run("--furnished", "--seed", seed, folder=tmp_path, typed="q\n")[0] for seed in (4, 4, 5)]
    assert boards[0] == boards[1] != boards[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"player": {"hp": 7}}', "player.hp is 7, expected 0..3"),
        ("{", "Expecting property name"),
        ("[]", "the position is [], expected a dict"),
        ("[" * 100_000, "nested too deeply"),
        ('{"turn": ' + "9" * 5000 + "}", "a number of thousands of digits"),
        ('{"turn": "' + "9" * 5000 + '"}', "(shortened)"),
        (b"\xff", "it is no JSON"),
        (None, "No such file"),
    ],
    ids=["range", "half", "list", "deep", "digits", "long", "bytes", "none"],
)
def test_a_wrong_position_is_said_in_one_line(tmp_path, content, message):
    file = tmp_path / "position.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    _, err = run("--position", file, folder=tmp_path, code=2)
    assert message in err
    assert "position.json" in err
    assert len(err.splitlines()) == 1
    assert len(err) < 600


WRONG_OPTIONS = [
    *(("--seed", value) for value in ("x", "-1", "4294967296", "9" * 5000)),
    *(("--pause", value) for value in ("inf", "1e12", "nan", "-1", "soon")),
    ("--checkpoint-dir", ""),
]


@pytest.mark.parametrize(("option", "value"), WRONG_OPTIONS, ids=lambda text: text[:12])
def test_a_wrong_value_is_refused_by_name(scripts_on_path, capsys, option, value):
    with pytest.raises(SystemExit) as end:
        import_module("play").parse([option, value])
    said = capsys.readouterr().err.splitlines()[-1]
    assert end.value.code == 2
    assert f"argument {option}: " in said
    assert value[:40] in said
    assert "give " in said
    assert len(said) < 200


@pytest.mark.parametrize("arguments", [["--furnished", "--position", "x"], ["--fast"]])
def test_wrong_options_end_with_2(tmp_path, arguments):
    _, err = run(*arguments, folder=tmp_path, code=2)
    assert "usage:" in err


def test_ctrl_c_ends_the_game(tmp_path):
    process = start(folder=tmp_path)
    process.stdin.write("?\n")
    process.stdin.flush()
    seen = ""
    deadline = time.monotonic() + 120
    while "legal:" not in seen and time.monotonic() < deadline:
        seen += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "\nGood bye.\n"


def test_ctrl_c_while_packages_are_imported_ends_it_too(tmp_path):
    process = start(folder=tmp_path, PYTHONPATH=with_endless_jax(tmp_path / "packages"))
    _, err = ctrl_c_after("importing", process)
    assert process.returncode == 130
    assert err == "\nGood bye.\n"


def test_a_reader_who_has_seen_enough_ends_it_quietly(tmp_path):
    with start(folder=tmp_path) as process:
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write("up\n" * 3)
        process.stdin.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
