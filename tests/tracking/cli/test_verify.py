"""``verify`` tells damage by its exit code, and ``doctor`` looks around."""

import json
from pathlib import Path

import pytest

from hackmatrix.tracking import open_tracker
from tests.tracking.cli.command import Command, command
from tests.tracking.runs import write_run

__all__ = ["command"]  # a fixture


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    folder = write_run(tmp_path, [(1, {"loss": 1.0})])
    with (folder / "metrics.jsonl").open("ab") as file:
        file.write(b'{"_step')
    return folder


def test_a_sound_run_is_zero(tmp_path: Path, command: Command) -> None:
    said = command("verify", write_run(tmp_path, [(1, {"loss": 1.0})]))
    assert (said.code, said.out.startswith("sound")) == (0, True)


def test_damage_is_one_until_it_is_mended(torn: Path, command: Command) -> None:
    said = command("verify", torn)
    assert (said.code, "7 bytes of an unfinished row" in said.out, "--repair" in said.out) == (1, True, True)
    said = command("verify", torn, "--repair")
    assert (said.code, said.out.startswith("mended")) == (0, True)
    assert command("verify", torn).code == 0


def test_json_is_one_array_of_findings(torn: Path, command: Command) -> None:
    (finding,) = json.loads(command("verify", torn, "--json").out)
    assert (finding["file"], finding["mended"]) == ("metrics.jsonl", False)
    (finding,) = json.loads(command("verify", torn, "--json", "--repair").out)
    assert finding["mended"]
    assert json.loads(command("verify", torn, "--json").out) == []


def test_a_run_whose_description_is_broken_can_be_verified(torn: Path, command: Command) -> None:
    (torn / "run.json").write_text("{")
    assert command("verify", torn).code == 1
    (torn / "run.json").unlink()
    said = command("verify", torn, "--repair")
    assert (said.code, "run.json: it is missing" in said.out) == (1, True)


def test_a_run_that_is_being_written_is_not_repaired(tmp_path: Path, command: Command) -> None:
    with open_tracker("jsonl", name="live", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=1)
        assert tracker.flush()
        with (tmp_path / "live" / "metrics.jsonl").open("ab") as file:
            file.write(b"{]\n")
        said = command("verify", tmp_path / "live", "--repair")
    assert (said.code, "is being written" in said.err) == (2, True)


def test_what_is_no_run_is_wrong_usage(tmp_path: Path, command: Command) -> None:
    assert command("verify", tmp_path / "nowhere").code == 2


def test_the_doctor_looks_at_everything_and_prints_no_secret(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "very-secret-key")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    write_run(tmp_path, [(1, {"loss": 1.0})])
    said = command("doctor", tmp_path, "--json")
    checks = {check["subject"]: check for check in json.loads(said.out)}
    assert said.code == 0
    assert {"python", "folder of runs", "file system", "free disk", "clock"} <= checks.keys()
    assert checks["clock"]["verdict"] == "good"
    assert "very-secret-key" not in said.out


def test_the_doctor_says_what_is_owed_and_how_to_deliver_it(tmp_path: Path, command: Command) -> None:
    folder = write_run(tmp_path, [(1, {"loss": 1.0})])
    identity = json.loads((folder / "run.json").read_text())
    identity["report"]["backends"]["wandb"] = {"pending": 1, "problem": "no answer"}
    (folder / "run.json").write_text(json.dumps(identity))
    assert f"hackmatrix-runs replay {folder} --tracker wandb" in command("doctor", tmp_path).out


def test_the_doctor_tells_how_far_tensorboard_is_behind(tmp_path: Path, command: Command) -> None:
    pytest.importorskip("tensorboardX", reason="the package tensorboardX is not installed")
    with open_tracker("tensorboard", name="live", root=tmp_path) as tracker:
        for step in range(5):
            tracker.log({"loss": 1.0}, step=step)
        assert tracker.flush()
        said = command("doctor", tmp_path, "--json")
    checks = [check for check in json.loads(said.out) if "live" in check["finding"]]
    assert [check["finding"] for check in checks] == ["live, at step 4", "0 steps behind live"]


def test_the_doctor_says_of_what_it_cannot_see_that_it_cannot(tmp_path: Path, command: Command) -> None:
    with open_tracker("jsonl", name="live", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=0)
        (tmp_path / "live" / "wandb").mkdir()
        assert "what has arrived of live is known to its own process" in command("doctor", tmp_path).out
    identity = json.loads((tmp_path / "live" / "run.json").read_text())
    identity["report"]["backends"]["wandb"] = {"pending": 0, "problem": None, "kept": [3, 9]}
    (tmp_path / "live" / "run.json").write_text(json.dumps(identity))
    assert "steps 3 to 9 of live are an earlier attempt's there" in command("doctor", tmp_path).out
    identity["attempts"][-1]["status"] = None  # as a kill leaves it
    (tmp_path / "live" / "run.json").write_text(json.dumps(identity))
    assert "live was killed" in command("doctor", tmp_path).out
    assert f"hackmatrix-runs replay {tmp_path / 'live'} --tracker wandb" in command("doctor", tmp_path).out
    identity["report"]["backends"]["wandb"]["confirmed"] = 0  # as a replay leaves it
    (tmp_path / "live" / "run.json").write_text(json.dumps(identity))
    assert "was killed" not in command("doctor", tmp_path).out


def test_the_doctor_needs_no_folder(tmp_path: Path, command: Command) -> None:
    assert "does not exist yet" in command("doctor", tmp_path / "nowhere").out
