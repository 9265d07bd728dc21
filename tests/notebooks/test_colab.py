"""The Colab notebook goes on where a lost machine stopped; its text and its stored form are one."""

import json
import os
from pathlib import Path

import pytest

from tests.wandb_service import WandbService
from tests.wandb_service.client import client_environment
from tests.wandb_service.fixtures import wandb_service

__all__ = ["wandb_service"]

for package in ("ipykernel", "matplotlib", "jax"):
    pytest.importorskip(package, reason=f"the package {package} is not installed")
jupytext = pytest.importorskip("jupytext", reason="the package jupytext is not installed")
nbformat = pytest.importorskip("nbformat", reason="the package nbformat is not installed")
running = pytest.importorskip("tests.notebooks.running", reason="the package nbclient is not installed")

environment, lose_and_go_on, outputs_of = running.environment, running.lose_and_go_on, running.outputs_of
NOTEBOOK, ROOT, SOURCE = running.NOTEBOOK, running.ROOT, running.SOURCE

SMALL = '''"--env gymnax:CartPole-v1 --num-envs 8 --num-steps 32 --num-minibatches 2 --hidden-dim 16
--total-timesteps 204800 --save-interval 20 --no-compile-cache"'''.replace("\n", " ")
PARAMETERS = {"ROOT": f"Path({str(ROOT)!r})", "FLAGS": SMALL}


def check(said: str) -> None:
    assert "going on from update" in said, said
    assert "exit code 0" in said, said
    assert "finished, 80 rows, up to update 800" in said, said


@pytest.mark.skipif("HACKMATRIX_LONG_CHECKS" not in os.environ, reason="HACKMATRIX_LONG_CHECKS=1")
def test_on_a_drive_it_goes_on_after_kernel_and_disk_are_lost(tmp_path: Path) -> None:
    def is_safe() -> bool:
        return any((tmp_path / "mirror").glob("*/checkpoints/step-*/manifest.json"))

    with environment(tmp_path):
        done = lose_and_go_on(tmp_path, PARAMETERS, is_safe)
    check(outputs_of(done))
    images = [
        output
        for cell in done.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert len(images) == 1


def test_at_weights_and_biases_it_goes_on_after_kernel_and_disk_are_lost(
    wandb_service: WandbService, tmp_path: Path
) -> None:
    def is_safe() -> bool:
        names = [path.parent.name for path in (tmp_path / "runs").glob("*/run.json")]
        return bool(names) and bool(wandb_service.artifacts("ada", "hackmatrix", f"{names[0]}-checkpoint"))

    parameters = {**PARAMETERS, "KEEP_AT": '"wandb"', "ENTITY": '"ada"'}
    with environment(tmp_path, **client_environment(wandb_service, tmp_path / "kernel")):
        done = lose_and_go_on(tmp_path, parameters, is_safe)
    check(outputs_of(done))
    (run,) = (path.parent.name for path in (tmp_path / "runs").glob("*/run.json"))
    from hackmatrix.tracking import run_id

    steps = [row["_step"] for row in wandb_service.history("ada", "hackmatrix", run_id(run))]
    assert steps == list(range(10, 801, 10))


def test_the_stored_notebook_is_the_text(tmp_path: Path) -> None:
    stored, text = nbformat.read(NOTEBOOK, as_version=4), jupytext.read(SOURCE)
    how = "run python -m tests.notebooks.running, which writes it"
    assert [cell.source for cell in stored.cells] == [cell.source for cell in text.cells], how
    nbformat.validate(stored)


def test_the_stored_outputs_are_those_of_a_second_life() -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    said = outputs_of(stored)
    assert "going on from update" in said
    assert "attempt 1: finished" in said
    assert "Traceback" not in json.dumps(stored)
    assert str(Path.home()) not in json.dumps(stored) or str(Path.home()) == "/"
