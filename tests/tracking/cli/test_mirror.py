"""A folder that runs were mirrored to is looked at like any other."""

import json
from pathlib import Path

import pytest

from hackmatrix.tracking import open_tracker
from tests.tracking.cli.command import Command, command

__all__ = ["command"]  # a fixture

pytest.importorskip("fsspec", reason="needs hackmatrix[mirror]")
pytest.importorskip("numpy", reason="the package numpy is not installed")


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A run of seven rows, five of them in a checkpoint."""
    options = {"mirror": {"path": str(tmp_path / "drive")}}
    with open_tracker("mirror", name="r", root=tmp_path / "runs", options=options) as tracker:
        for step in range(7):
            tracker.log({"loss": step / 2}, step=step)
            if step in (2, 4):
                with tracker.checkpoint(step=step) as folder:
                    (folder / "state.txt").write_text(str(step))
    return tmp_path / "drive"


def test_it_is_listed_with_the_newest_row_of_its_checkpoints(drive: Path, command: Command) -> None:
    (run,) = json.loads(command("ls", drive, "--json").out)
    assert (run["name"], run["step"], run["status"]) == ("r", 4, "finished")


def test_it_is_shown_drawn_and_verified(drive: Path, command: Command) -> None:
    assert "5 rows" in command("show", drive / "r").out
    (curve,) = json.loads(command("plot", drive / "r", "--metric", "loss", "--json").out)
    assert curve["y"] == [step / 2 for step in range(5)]
    assert command("verify", drive / "r").code == 0
