"""What the training script's flags do, seen from outside."""

import json
import os
from pathlib import Path

import pytest

from hackmatrix.tracking import RunInfo, read_run
from hackmatrix.tracking.naming import run_id
from hackmatrix.tracking.protocol import Row
from hackmatrix.tracking.testing import Case, expected_rows
from hackmatrix.tracking.testing.cases import compare, found_rows
from tests.scripts.conftest import Script, run_folders
from tests.tracking.test_guarantees_wandb import read_history
from tests.wandb_service import WandbService
from tests.wandb_service.client import client_environment
from tests.wandb_service.fixtures import wandb_service

pytest.importorskip("flax", reason="needs hackmatrix[train]")

__all__ = ["wandb_service"]  # a fixture

UPDATES = 10
TOTAL = ("--total-timesteps", str(UPDATES * 8 * 32))


def whole_run(folder: Path) -> RunInfo:
    identity = json.loads((folder / "run.json").read_text())
    name = identity["name"]
    return RunInfo(
        id=run_id(name), name=name, uid=identity["uid"], project=identity["project"],
        entity=identity["entity"], folder=folder,
    )  # fmt: skip


def rows_of(folder: Path) -> list[Row]:
    return list(read_run(folder).rows())


def numbers_of(row: Row) -> Row:
    """Without the histograms, which W&B shows in the row of their step."""
    return row._replace(
        metrics={tag: value for tag, value in row.metrics.items() if not isinstance(value, dict)}
    )


def test_help_states_the_exit_codes_and_every_default(script: Script) -> None:
    said = " ".join(script.run("--help", small=False).split())
    for code, meaning in {"0": "finished", "1": "failed", "2": "the command line is wrong"}.items():
        assert f"{code} {meaning}" in said
    assert "130 Ctrl-C" in said
    assert "143 SIGTERM" in said
    assert "--num-minibatches X [minibatches per epoch]. Default: 4." in said


def test_a_pipe_gets_plain_lines_a_curve_and_where_to_look(script: Script) -> None:
    said = script.run(*TOTAL, "--run-suffix", "words")
    assert "\x1b" not in said
    assert "\r" not in said
    (folder,) = run_folders(script.runs)
    assert folder.name.endswith("-1-words")
    shown = [line for line in said.splitlines() if line.startswith("update ")]
    assert [line.split()[1] for line in shown] == ["3/10", "6/10", "9/10", "10/10"]
    assert "env steps 2,560" in shown[-1]
    assert said.index("compiling") < said.index("compiled in") < said.index(shown[0])
    for what in (
        f"run {folder.name}",
        "mean episode return",
        "env steps; the best row has",
        f"{folder.name}/metrics.jsonl",
        "read_run(",
    ):
        assert what in said


def test_a_row_per_update_holds_what_each_update_gave(script: Script) -> None:
    script.run(*TOTAL, "--log-every", "update", "--run-name", "each")
    assert [row.step for row in rows_of(script.runs / "each")] == list(range(1, UPDATES + 1))


def test_wandb_tensorboard_and_the_journal_hold_the_same_numbers(
    script: Script, wandb_service: WandbService, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard", reason="needs TensorBoard's own reader")
    from tests.tracking.tensorboard_reader import read_events

    script.environment |= client_environment(wandb_service, tmp_path / "client")
    said = script.run(
        *TOTAL, "--tracker", "wandb,tensorboard", "--entity", "team", "--project", "tried",
        "--tags", "ppo,small", "--group", "together", "--notes", "a note", "--no-artifact",
    )  # fmt: skip
    (folder,) = run_folders(script.runs)
    run = whole_run(folder)
    said_rows = [(row.step, row.metrics) for row in rows_of(folder)]
    assert [step for step, _ in said_rows] == [3, 6, 9, 10]
    assert {"train/total_loss", "train/env_steps", "train/steps_per_second"} <= said_rows[0][1].keys()
    cases = (
        Case(
            name="wandb",
            read=lambda run: [numbers_of(row) for row in read_history(wandb_service, run)],
            precision="json",
        ),
        Case(name="tensorboard", read=read_events, precision="float32"),
    )
    for case in cases:
        compare(case, found_rows(case, run), expected_rows(case, said_rows))

    held = wandb_service.run("team", "tried", run.id)
    assert (held.state, held.group, held.notes, sorted(held.tags)) == (
        "finished", "together", "a note", ["ppo", "small"],
    )  # fmt: skip
    config = wandb_service.config("team", "tried", run.id)
    assert (config["num_envs"], config["seed"], config["backend"]) == (8, 0, "cpu")
    assert not wandb_service.artifacts("team", "tried", f"{run.name}-checkpoint"), "--no-artifact was given"
    assert (folder / "checkpoints" / "step-10" / "manifest.json").exists()
    assert f"/team/tried/runs/{run.id}" in said
    assert f"tensorboard --logdir {folder.parent.name}" in said


def test_wandb_offline_needs_no_account_and_keeps_a_run_to_sync(script: Script) -> None:
    pytest.importorskip("wandb", reason="needs hackmatrix[wandb]")
    script.run(*TOTAL, "--wandb", "--tracker-option", "wandb.mode=offline", "--run-name", "off")
    folder = script.runs / "off"
    assert list(folder.rglob("offline-run-*/*.wandb"))
    assert [row.step for row in rows_of(folder)] == [3, 6, 9, 10]


def test_what_the_machine_did_and_where_the_numbers_come_from_are_kept(script: Script) -> None:
    pytest.importorskip("psutil", reason="the package psutil is not installed")
    # Long enough for many ticks: one that finds no open step waits for the next.
    script.run("--total-timesteps", str(2000 * 8 * 32), "--run-name", "watched", "--system-metrics", "0.1")
    rows = rows_of(script.runs / "watched")
    assert any("system/process_memory_mb" in row.metrics for row in rows)
    records = read_run(script.runs / "watched").records()
    (provenance,) = [record for record in records if record.get("name") == "provenance"]
    assert (script.runs / "watched" / provenance["place"] / "packages.txt").exists()
    histograms = [record for record in records if record["kind"] == "histogram"]
    assert [record["_step"] for record in histograms] == [*range(3, 2000, 3), 2000]
    assert sum(histograms[0]["data"]["counts"]) == 3 * 8 * 32


def test_null_keeps_nothing(script: Script) -> None:
    said = script.run(*TOTAL, "--tracker", "null")
    assert "update 10/10" in said
    assert not script.runs.exists()


def test_the_folder_of_runs_may_come_from_the_environment(script: Script) -> None:
    script.environment["HACKMATRIX_DIR"] = os.fspath(script.home / "elsewhere")
    script.run(*TOTAL, "--run-name", "there")
    assert (script.home / "elsewhere" / "there" / "metrics.jsonl").exists()
    assert not script.runs.exists()
