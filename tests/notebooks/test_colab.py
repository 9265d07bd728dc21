"""The Colab notebook goes on where a lost machine stopped; its text and its stored form are one."""

import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

import hackmatrix
from tests.notebooks.colab_machine import ColabMachine
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
NOTEBOOK, SOURCE = running.NOTEBOOK, running.SOURCE

SMALL = '''"--env gymnax:CartPole-v1 --num-envs 8 --num-steps 32 --num-minibatches 2 --hidden-dim 16
--total-timesteps 204800 --save-interval 20 --no-compile-cache"'''.replace("\n", " ")


@pytest.fixture
def colab(tmp_path: Path) -> ColabMachine:
    pytest.importorskip("hatchling", reason="needs hatchling, which hackmatrix[dev] brings")
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    (tmp_path / "colab").mkdir()
    return ColabMachine(tmp_path / "colab")


def parameters(colab: ColabMachine, folder: Path, **more: str) -> dict[str, str]:
    return {
        "ROOT": f"Path({str(folder / 'hackmatrix')!r})",
        "REPOSITORY": repr(f"file://{colab.repository}"),
        "DRIVE": f"Path({str(folder / 'drive')!r})",
        "FLAGS": SMALL,
        **more,
    }


def check(said: str) -> None:
    assert "going on from update" in said, said
    assert "exit code 0" in said, said
    assert "finished, 80 rows, up to update 800" in said, said


def check_install(colab: ColabMachine, folder: Path) -> None:
    assert colab.installed() == hackmatrix.__version__
    pinned = (folder / "constraints.txt").read_text("utf-8").splitlines()
    assert pinned == [f"{package}=={version(package)}" for package in ("jax", "jaxlib")]


def images_of(notebook) -> int:
    return sum(
        "image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ())
    )


@pytest.mark.skipif("HACKMATRIX_LONG_CHECKS" not in os.environ, reason="HACKMATRIX_LONG_CHECKS=1")
def test_on_a_drive_it_goes_on_after_kernel_and_disk_are_lost(colab: ColabMachine, tmp_path: Path) -> None:
    mirror = tmp_path / "drive" / "MyDrive" / "hackmatrix-runs"

    def is_safe() -> bool:
        return any(mirror.glob("*/checkpoints/step-*/manifest.json"))

    with environment(tmp_path, colab.python, **colab.environment):
        done = lose_and_go_on(tmp_path, parameters(colab, tmp_path), is_safe)
        after_the_end = running.go_on_elsewhere(tmp_path, parameters(colab, tmp_path))
    check_install(colab, tmp_path)
    said = outputs_of(done)
    assert f"Mounted at {tmp_path / 'drive'}" in said
    check(said)
    said = outputs_of(after_the_end)
    assert "has finished already" in said
    assert "finished, 80 rows, up to update 800" in said, said
    assert images_of(done) == images_of(after_the_end) == 1


def test_at_weights_and_biases_it_goes_on_after_kernel_and_disk_are_lost(
    wandb_service: WandbService, colab: ColabMachine, tmp_path: Path
) -> None:
    def is_safe() -> bool:
        names = [path.parent.name for path in (tmp_path / "runs").glob("*/run.json")]
        return bool(names) and bool(wandb_service.artifacts("ada", "hackmatrix", f"{names[0]}-checkpoint"))

    client = client_environment(wandb_service, tmp_path / "kernel")
    client["COLABS_SECRET_WANDB_API_KEY"] = client.pop("WANDB_API_KEY")
    at_wandb = parameters(colab, tmp_path, KEEP_AT='"wandb"', ENTITY='"ada"')
    with environment(tmp_path, colab.python, **colab.environment, **client):
        done = lose_and_go_on(tmp_path, at_wandb, is_safe)
    check_install(colab, tmp_path)
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
