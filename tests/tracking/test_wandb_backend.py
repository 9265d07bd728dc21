"""The W&B backend, with the unmodified client, against the stand-in of the service."""

from pathlib import Path

import pytest

from tests.wandb_service import WandbService
from tests.wandb_service.fixtures import wandb_service

wandb = pytest.importorskip("wandb", reason="the package wandb is not installed")

from hackmatrix.tracking.backends.wandb import WandbBackend  # noqa: E402 - after the skip
from hackmatrix.tracking.naming import run_id  # noqa: E402 - after the skip
from hackmatrix.tracking.protocol import Row, RunInfo  # noqa: E402 - after the skip

__all__ = ["wandb_service"]

NAME = "nice-jan25-26-1"
ID = run_id(NAME)
CONFIG = {"lr": 0.5, "layers": [64, 64], "run_uid": "u1", "config_digest": "d1", "attempt": 0}


def info(folder: Path, **changes) -> RunInfo:
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "id": ID,
        "name": NAME,
        "uid": "u1",
        "project": "p",
        "entity": "team",
        "folder": folder,
        **changes,
    }
    return RunInfo(**given)


def rows(first: int, last: int) -> list[Row]:
    return [Row(step, 1000.0 + step, 5.0, {"train/loss": step / 2}) for step in range(first, last, 5)]


def steps(service: WandbService) -> list[int]:
    return [row["_step"] for row in service.history("team", "p", ID)]


def test_rows_reach_the_service_and_come_back_through_the_clients_own_reader(wandb_service, tmp_path) -> None:
    backend = WandbBackend()
    run = info(tmp_path / "run", group="g", job_type="j", tags=("a", "b"), notes="n")
    assert backend.open(run, CONFIG) is None
    assert backend.url == f"{wandb_service.base_url}/team/p/runs/{ID}"
    assert backend.native.name == NAME
    backend.write(rows(0, 50))
    backend.flush(5.0)
    assert backend.close("finished", {"best": 1.5}, 20.0) == 45
    assert steps(wandb_service) == list(range(0, 50, 5))
    assert wandb_service.history("team", "p", ID)[2]["_timestamp"] == 1010
    held = wandb_service.run("team", "p", ID)
    assert (held.state, held.group, held.job_type, held.tags, held.notes) == (
        "finished",
        "g",
        "j",
        ["a", "b"],
        "n",
    )
    assert held.summary["best"] == 1.5
    assert wandb_service.config("team", "p", ID) == CONFIG
    read = wandb.Api().run(f"team/p/{ID}").scan_history(keys=["_step", "train/loss"])
    assert [(row["_step"], row["train/loss"]) for row in read] == [(n, n / 2) for n in range(0, 50, 5)]


def test_a_resumed_run_says_what_is_held_and_drops_what_is_sent_again(wandb_service, tmp_path) -> None:
    first = WandbBackend()
    first.open(info(tmp_path / "run"), CONFIG)
    first.write(rows(0, 50))
    assert first.close("failed", {}, 20.0) == 45
    assert wandb_service.run("team", "p", ID).state == "failed"
    second = WandbBackend()
    assert second.open(info(tmp_path / "run", attempt=1), {**CONFIG, "attempt": 1}) == 45
    assert not second.discard_after(20)
    second.write(rows(25, 80))
    assert second.close("preempted", {}, 20.0) == 75
    assert steps(wandb_service) == list(range(0, 80, 5))
    assert wandb_service.config("team", "p", ID)["attempt"] == 1
    assert wandb_service.run("team", "p", ID).state == "preempted"
