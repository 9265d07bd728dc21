"""The W&B backend, with the unmodified client, against the stand-in of the service."""

import pytest

from hackmatrix.tracking import open_tracker
from tests.tracking.wandb_cases import CONFIG, ID, NAME, info, rows, steps
from tests.wandb_service.fixtures import wandb_service

wandb = pytest.importorskip("wandb", reason="the package wandb is not installed")

from hackmatrix.tracking.backends.wandb import WandbBackend  # noqa: E402 - after the skip

__all__ = ["wandb_service"]


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


def test_the_runs_of_several_seeds_in_one_process_do_not_mix(wandb_service, tmp_path) -> None:
    trackers = [
        open_tracker("wandb", root=tmp_path, name=f"group-s{seed}", group="group", project="p", entity="team")
        for seed in range(2)
    ]
    for step in range(20):
        for seed, tracker in enumerate(trackers):
            tracker.log({"loss": 100.0 * seed + step}, step=step)
    for tracker in reversed(trackers):
        assert tracker.finish(timeout=60.0).complete
    for seed, tracker in enumerate(trackers):
        run_id = tracker.run.id
        assert wandb_service.run("team", "p", run_id).group == "group"
        assert [row["loss"] for row in wandb_service.history("team", "p", run_id)] == [
            100.0 * seed + step for step in range(20)
        ]
