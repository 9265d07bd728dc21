"""What is done with a trained checkpoint: whole games are judged, and watched."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.conftest import SCRIPT, Script, run_folders

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
