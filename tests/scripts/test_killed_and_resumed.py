"""A killed run goes on as if nothing had happened, to the bit on one machine."""

import json
import signal
from pathlib import Path

from tests.scripts.conftest import Script, run_folders

UPDATES = 600
LONG = ("--total-timesteps", str(UPDATES * 8 * 32), "--save-interval", "60")
OF_THE_CLOCK = ("_timestamp", "_runtime", "train/steps_per_second")


def rows(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in OF_THE_CLOCK} for line in lines]


def test_a_killed_run_resumes_to_the_bit_with_each_step_once(script: Script, tmp_path: Path) -> None:
    undisturbed = Script(tmp_path / "other")
    undisturbed.home.mkdir()
    undisturbed.run(*LONG)

    command = (*LONG, "--resume-run", "auto")
    for enough in ("step-60", "step-180"):
        process = script.start(*command)
        script.stop_when(process, f"checkpoints/{enough}/manifest.json", 1, signal.SIGKILL)
    said = script.run(*command)

    (folder,) = run_folders(script.runs)
    (whole,) = run_folders(undisturbed.runs)
    assert rows(folder) == rows(whole)
    assert [row["_step"] for row in rows(folder)] == list(range(3, UPDATES + 1, 3))
    assert "going on from update" in said
    identity = json.loads((folder / "run.json").read_text())
    assert [attempt["status"] for attempt in identity["attempts"]] == ["lost", "lost", "finished"]
    assert (folder / "checkpoints/step-600/state.safetensors").read_bytes() == (
        whole / "checkpoints/step-600/state.safetensors"
    ).read_bytes()
    assert "has finished already" in script.run(*command)


def test_sigterm_saves_and_the_same_command_goes_on(script: Script) -> None:
    command = ("--total-timesteps", str(4000 * 8 * 32), "--run-name", "mine")
    process = script.start(*command)
    script.stop_when(process, "metrics.jsonl", 3, signal.SIGTERM)
    assert process.returncode == 143
    (folder,) = run_folders(script.runs)
    identity = json.loads((folder / "run.json").read_text())
    assert identity["attempts"][-1]["status"] == "preempted"
    last = rows(folder)[-1]["_step"]
    assert (folder / f"checkpoints/step-{last:.0f}/manifest.json").exists()
    process = script.start(*command)
    script.stop_when(process, "metrics.jsonl", int(last) // 3 + 3, signal.SIGINT)
    assert process.returncode == 130
    steps = [row["_step"] for row in rows(folder)]
    assert steps == sorted(set(steps))
    assert len(steps) > last // 3
