"""A machine that vanishes with its disk: the run goes on from the service's artifact, or from a mirror."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import RunInfo, read_run, run_id
from tests.scripts.conftest import Script, run_folders
from tests.scripts.test_killed_and_resumed import OF_THE_CLOCK, rows
from tests.tracking.tensorboard_reader import read_events
from tests.wandb_service import WandbService
from tests.wandb_service.client import client_environment
from tests.wandb_service.fixtures import wandb_service

__all__ = ["wandb_service"]

UPDATES = 900
COMMAND = (
    "--tracker", "wandb,tensorboard", "--entity", "team", "--total-timesteps", str(UPDATES * 8 * 32),
    "--save-interval", "30", "--keep", "2",
)  # fmt: skip
OWN = ("_step", "_timestamp", "_runtime", "_wandb")


def on_a_machine(home: Path, service: WandbService) -> Script:
    """A machine with an empty disk that can reach the service."""
    home.mkdir()
    script = Script(home)
    script.environment |= client_environment(service, home / "wandb-client")
    return script


def plain(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row; at the service a histogram stands among them."""
    mine = {tag: value for tag, value in row.items() if tag not in (*OWN, *OF_THE_CLOCK)}
    return {tag: value for tag, value in mine.items() if not isinstance(value, dict)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the same run, left in peace."""
    script = Script(tmp_path_factory.mktemp("undisturbed"))
    script.run("--total-timesteps", str(UPDATES * 8 * 32))
    (folder,) = run_folders(script.runs)
    return folder


def wait_for(what: Callable[[], object], process: subprocess.Popen[str], timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_run_outlives_its_machine_and_stands_once_everywhere(
    wandb_service: WandbService, undisturbed: Path, tmp_path: Path
) -> None:
    first = on_a_machine(tmp_path / "first", wandb_service)
    process = first.start(*COMMAND, "--resume-run", "auto")

    def uploaded() -> bool:
        return any(first.runs.glob("*/run.json")) and bool(
            wandb_service.artifacts("team", "hackmatrix", f"{run_folders(first.runs)[0].name}-checkpoint")
        )

    wait_for(uploaded, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (lost,) = run_folders(first.runs)
    shutil.rmtree(first.home)

    second = on_a_machine(tmp_path / "second", wandb_service)
    said = second.run(*COMMAND, "--resume-run", "auto")
    assert "going on from update" in said
    (folder,) = run_folders(second.runs)
    assert folder.name == lost.name

    expected = [plain(row) for row in rows(undisturbed)]
    assert [plain(row) for row in rows(folder)] == expected
    history = wandb_service.history("team", "hackmatrix", run_id(folder.name))
    assert [row["_step"] for row in history] == list(range(3, UPDATES + 1, 3))
    assert [plain(row) for row in history] == expected
    run = RunInfo(id="", name=folder.name, uid="", project="", folder=folder)
    shown = read_events(run)
    assert [row.step for row in shown] == list(range(3, UPDATES + 1, 3))
    for row, right in zip(shown, expected, strict=True):
        assert plain(row.metrics) == pytest.approx(right, rel=1e-6)
    assert "has finished already" in second.run(*COMMAND, "--resume-run", "auto")


def test_a_run_goes_on_from_a_mirror(undisturbed: Path, tmp_path: Path) -> None:
    command = (
        "--total-timesteps", str(UPDATES * 8 * 32), "--save-interval", "30", "--mirror", str(tmp_path / "drive"),
        "--resume-run", "auto",
    )  # fmt: skip
    first = Script(tmp_path / "first")
    first.home.mkdir()
    process = first.start(*command)
    wait_for(lambda: list((tmp_path / "drive").glob("*/checkpoints/step-*/manifest.json")), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    shutil.rmtree(first.home)
    second = Script(tmp_path / "second")
    second.home.mkdir()
    assert "going on from update" in second.run(*command)
    (folder,) = run_folders(second.runs)
    assert rows(folder) == rows(undisturbed)


def test_a_server_that_never_comes_back_stops_nothing_and_the_told_command_delivers(
    wandb_service: WandbService, undisturbed: Path, tmp_path: Path
) -> None:
    script = on_a_machine(tmp_path / "machine", wandb_service)
    process = script.start(*COMMAND, "--run-name", "mine")
    wait_for((script.runs / "mine" / "metrics.jsonl").exists, process)
    wandb_service.stop()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    (told,) = {line for line in (out + err).splitlines() if "-m hackmatrix.tracking replay" in line}
    assert rows(script.runs / "mine") == rows(undisturbed)
    last_row = rows_time(script.runs / "mine")
    ended = json.loads((script.runs / "mine" / "run.json").read_text())["attempts"][-1]["ended"]
    assert ended - last_row < 65.0

    wandb_service.start()
    command = shlex.split(told[told.index(sys.executable) :])
    subprocess.run(command, cwd=script.home, env=script.environment, check=True, timeout=120)
    history = wandb_service.history("team", "hackmatrix", run_id("mine"))
    assert [row["_step"] for row in history] == list(range(3, UPDATES + 1, 3))
    assert read_run(script.runs / "mine").identity["report"]["backends"]["wandb"]["pending"] == 0


def rows_time(folder: Path) -> float:
    return float(json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["_timestamp"])
