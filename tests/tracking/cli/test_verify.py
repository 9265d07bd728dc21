"""``verify`` tells damage by its exit code."""

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
