"""Playing by hand, as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "play.py"


def start(*arguments, folder):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONUNBUFFERED": "1"}
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
    out, err = run(folder=tmp_path, typed="up\n3\n?\nfly\n99\nsiphon\n-1\n\nq\n")
    assert err == ""
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


def test_a_furnished_game_goes_by_its_seed(tmp_path):
    boards = [run("--furnished", "--seed", seed, folder=tmp_path, typed="q\n")[0] for seed in (4, 4, 5)]
    assert boards[0] == boards[1] != boards[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"player": {"hp": 7}}', "player.hp is 7, expected 0..3"),
        ("{", "Expecting property name"),
        ("[]", "the position is [], expected a dict"),
        (None, "No such file"),
    ],
)
def test_a_wrong_position_is_said_in_one_line(tmp_path, content, message):
    file = tmp_path / "position.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    _, err = run("--position", file, folder=tmp_path, code=2)
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [["--seed", "x"], ["--seed", "-1"], ["--furnished", "--position", "x"], ["--fast"]]
)
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
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.endswith("Good bye.\n")
    assert "Traceback" not in err
