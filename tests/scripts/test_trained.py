"""What is done with a trained checkpoint: whole games are judged, and watched."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hackmatrix.purejaxrl import checkpoint
from tests.scripts.conftest import SCRIPT, Script, run_folders
from tests.scripts.ctrl_c import ctrl_c_after, with_endless_jax

TINY = (
    "--num-envs", "8", "--num-steps", "16", "--num-minibatches", "2", "--update-epochs", "1", "--hidden-dim", "16",
    "--log-interval", "2", "--total-timesteps", "512",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Script:
    """A machine with one short run of the game, trained without naming an environment."""
    script = Script(tmp_path_factory.mktemp("trained"))
    script.run(*TINY, "--run-name", "short", "--max-episode-steps", "50", small=False)
    return script


def other(script: Script, name: str, *arguments: str, code: int = 0) -> str:
    """Run another script of the folder."""
    command = [sys.executable, str(SCRIPT.with_name(name)), *arguments]
    done = subprocess.run(
        command,
        cwd=script.home,
        env=script.environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_game_is_the_default_environment_and_its_rewards_are_logged(trained: Script) -> None:
    row = json.loads((trained.runs / "short" / "metrics.jsonl").read_text().splitlines()[-1])
    rewards = {tag: value for tag, value in row.items() if tag.startswith("reward/")}
    assert len(rewards) == 15
    assert sum(rewards.values()) == pytest.approx(row["train/mean_reward"], abs=1e-6)
    assert {"actions/move_frac", "stats/highest_stage", "stats/mean_score", "stats/win_rate"} <= row.keys()


def test_an_evaluation_is_a_run_of_its_own_in_the_same_group(trained: Script) -> None:
    before = (trained.runs / "short" / "metrics.jsonl").read_bytes()
    said = other(trained, "evaluate.py", "short", "--games", "16", "--policy", "random")
    assert "episode_return" in said
    (folder,) = [folder for folder in run_folders(trained.runs) if folder.name != "short"]
    identity = json.loads((folder / "run.json").read_text())
    assert (identity["job_type"], identity["group"]) == ("eval", "short")
    row = json.loads((folder / "metrics.jsonl").read_text())
    for name in ("episode_return", "mean_score", "highest_stage", "win_rate"):
        assert row[f"eval/{name}_low"] <= row[f"eval/{name}"] <= row[f"eval/{name}_high"]
    assert (trained.runs / "short" / "metrics.jsonl").read_bytes() == before


def test_a_checkpoint_plays_before_ones_eyes(trained: Script) -> None:
    said = other(
        trained, "play.py", "--watch", "short", "--pause", "0", "--position", str(almost_over(trained.home))
    )
    assert "The game is over" in said


def almost_over(home: Path) -> Path:
    """A position that ends soon: hardly any hp, and viruses all around."""
    file = home / "position.json"
    enemies = [{"type": "virus", "row": row, "col": 5} for row in (2, 3, 4)]
    file.write_text(json.dumps({"player": {"hp": 1, "row": 3, "col": 3}, "enemies": enemies}))
    return file


def test_what_cannot_be_judged_is_told_in_one_sentence(trained: Script) -> None:
    assert "no run 'nobody'" in other(trained, "evaluate.py", "nobody", code=2)
    assert "no whole checkpoint of step 3" in other(trained, "evaluate.py", "short", "--step", "3", code=2)
    assert "no run 'nobody'" in other(trained, "play.py", "--watch", "nobody", code=2)


def test_a_renamed_folder_is_judged_by_what_it_holds(trained: Script) -> None:
    """Also where the original is still there; it must not be loaded in its place."""
    elsewhere = trained.home / "elsewhere"
    shutil.copytree(trained.runs / "short", elsewhere / "renamed")
    shutil.copytree(trained.runs / "short", elsewhere / "short")
    shutil.rmtree(elsewhere / "short" / "checkpoints")
    said = other(
        trained,
        "evaluate.py",
        "renamed",
        "--games",
        "2",
        "--checkpoint-dir",
        "elsewhere",
        "--tracker",
        "null",
    )
    assert "renamed at update 4" in said
    assert "rows:" not in said  # null keeps none
    assert sorted(path.name for path in elsewhere.iterdir()) == ["renamed", "short"]


def test_a_tracker_that_is_none_is_told_before_any_game_is_played(trained: Script) -> None:
    said = other(trained, "evaluate.py", "short", "--games", "1000000", "--tracker", "jsonnl", code=2)
    assert "Did you mean 'jsonl'?" in said
    assert len(said.splitlines()) == 1


ENDLESS_GAMES = f"""
import sys
sys.path.insert(0, {str(SCRIPT.parent)!r})
import evaluate
import jax
import judging
import numpy as np

def say(turn):
    print("playing", flush=True)
    return turn

def play(turn):
    turn = jax.pure_callback(say, turn, turn)  # so that it is said by the compiled program
    return jax.lax.while_loop(lambda turn: turn >= 0, lambda turn: turn ^ 1, turn)

judging.play_games = lambda *_, **__: np.asarray(jax.jit(play)(0))
sys.exit(evaluate.main())
"""


@pytest.mark.parametrize("phase", ["importing", "playing"])
def test_ctrl_c_leaves_no_run(trained: Script, tmp_path: Path, phase: str) -> None:
    before = run_folders(trained.runs)
    command, environment = ["-c", ENDLESS_GAMES], trained.environment
    if phase == "importing":
        command = [str(SCRIPT.with_name("evaluate.py"))]
        environment = {**environment, "PYTHONPATH": with_endless_jax(tmp_path / "packages")}
    process = subprocess.Popen(
        [sys.executable, *command, "short", "--games", "2"],
        cwd=trained.home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = ctrl_c_after(phase, process)
    assert (process.returncode, out, err) == (130, "", "\nInterrupted; nothing was logged.\n")
    assert run_folders(trained.runs) == before


@pytest.fixture
def arguments(tmp_path: Path) -> argparse.Namespace:
    return argparse.Namespace(
        tracker="jsonl",
        tracker_option=[],
        checkpoint_dir=str(tmp_path),
        games=2,
        policy="greedy",
        seed=0,
    )


def test_ctrl_c_while_it_is_logged_marks_the_run(
    scripts_on_path: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: argparse.Namespace
) -> None:
    judging = import_module("judging")
    open_tracker = judging.open_tracker

    def interrupted(*names: Any, **options: Any) -> Any:
        tracker = open_tracker(*names, **options)
        os.kill(os.getpid(), signal.SIGINT)
        return tracker

    monkeypatch.setattr(judging, "open_tracker", interrupted)
    found = SimpleNamespace(folder=tmp_path / "judged", project="hackmatrix", entity=None, identity=None)
    figures = {"win_rate": {"": 0.0, "_low": 0.0, "_high": 0.5}}
    assert judging.log(arguments, judging.Judged(found, "hackmatrix", 7, figures)) == 130
    (folder,) = run_folders(tmp_path)
    identity = json.loads((folder / "run.json").read_text())
    assert identity["attempts"][-1]["status"] == "interrupted"
    assert json.loads((folder / "metrics.jsonl").read_text())["eval/win_rate_high"] == 0.5


def test_only_shares_have_the_interval_of_shares(scripts_on_path: None) -> None:
    """A score of 0 in both of two games says nothing about how often it is 0."""
    judging = import_module("judging")
    none = np.zeros(2, np.float32)
    games = judging.Games(none, none.astype(np.int32), {"stats/mean_score": none, "stats/win_rate": none})
    figures = judging.summarise(games)
    assert figures["mean_score"] == figures["episode_return"] == {"": 0.0, "_low": 0.0, "_high": 0.0}
    assert figures["win_rate"] == {"": 0.0, "_low": 0.0, "_high": pytest.approx(0.6576, abs=1e-4)}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_envs": 8, "width": 3, "depth": 4}, "a config with 'depth', 'width', which this version"),
        (None, "says nothing about its config"),
    ],
)
def test_a_checkpoint_of_another_version_is_told_in_one_sentence(
    scripts_on_path: None, tmp_path: Path, config: Any, message: str
) -> None:
    trained = import_module("trained")
    header = {"format_version": checkpoint.FORMAT_VERSION, "config": config}
    (tmp_path / checkpoint.HEADER).write_text(json.dumps(header))
    with pytest.raises(trained.CheckpointError, match=message):
        trained._config(tmp_path)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--seed", value) for value in ("99999999999999999999", "-1", "x")),
        *(("--games", value) for value in ("x", "1", "1000001")),
        ("--step", "-1"),
        ("--checkpoint-dir", ""),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    scripts_on_path: None, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    with pytest.raises(SystemExit) as end:
        import_module("evaluate").main(["short", option, value])
    said = capsys.readouterr().err.splitlines()[-1]
    assert end.value.code == 2
    assert f"argument {option}: " in said
    assert value in said
    assert "give " in said
