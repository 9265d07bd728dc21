"""Several processes train one run; one that goes away ends the others, and the same command goes on."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.scripts.conftest import Script, run_folders

UPDATES = 240
COMMAND = (
    "--num-envs", "16", "--num-steps", "16", "--num-shards", "4", "--total-timesteps", str(UPDATES * 256),
    "--save-interval", "30", "--run-name", "many",
)  # fmt: skip
OF_THE_CLOCK = ("_timestamp", "_runtime", "train/steps_per_second")


def start(script: Script, count: int) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    many = ("--coordinator", address, "--num-processes", str(count))
    return [script.start(*COMMAND, *many, "--process-id", str(number)) for number in range(count)]


def ends(processes: Sequence[subprocess.Popen[str]], timeout: float = 240) -> list[tuple[int, str]]:
    found = [(process.communicate(timeout=timeout), process) for process in processes]
    return [(process.returncode, out + err) for (out, err), process in found]


def state(script: Script) -> bytes:
    return (script.runs / f"many/checkpoints/step-{UPDATES}/state.safetensors").read_bytes()


def rows(script: Script) -> list[dict[str, float]]:
    lines = (script.runs / "many" / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in OF_THE_CLOCK} for line in lines]


def test_two_processes_are_one_to_the_bit_and_survive_the_loss_of_one(script: Script, tmp_path: Path) -> None:
    alone = Script(tmp_path / "alone")
    alone.home.mkdir()
    alone.run(*COMMAND)

    first, second = start(script, 2)
    saved = script.runs / "many/checkpoints/step-30/manifest.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and first.poll() is None and not saved.exists():
        time.sleep(0.01)
    second.send_signal(signal.SIGKILL)
    ((code, said),) = ends([first], timeout=60)
    second.communicate()
    assert code == 3, said
    assert "process 1 went away; start the same command again on every host" in said
    identity = json.loads((script.runs / "many/run.json").read_text())
    assert identity["attempts"][-1]["status"] == "failed"

    (code, said), (other_code, other_said) = ends(start(script, 2))
    assert (code, other_code) == (0, 0), said + other_said
    assert "going on from update" in said
    assert "update" not in other_said, "one process talks"
    assert run_folders(script.runs) == [script.runs / "many"]
    assert rows(script) == rows(alone)
    assert state(script) == state(alone)


def test_the_group_of_several_seeds_goes_on_together(script: Script) -> None:
    seeds = ("--num-seeds", "3", "--seed", "7")
    command = ("--total-timesteps", str(300 * 8 * 32), "--save-interval", "30", "--resume-run", "auto")
    process = script.start(*command, *seeds)
    script.stop_when(process, "checkpoints/step-60/manifest.json", 1, signal.SIGKILL)
    said = script.run(*command, *seeds)
    folders = run_folders(script.runs)
    assert [folder.name[-3:] for folder in folders] == ["-s7", "-s8", "-s9"]
    group = folders[0].name.removesuffix("-s7")
    for folder, seed in zip(folders, (7, 8, 9), strict=True):
        identity = json.loads((folder / "run.json").read_text())
        assert (identity["group"], identity["config"]["seed"]) == (group, seed)
        assert [attempt["status"] for attempt in identity["attempts"]] == ["lost", "finished"]
        assert f"of {folder.name}" in said
        steps = [json.loads(line)["_step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert steps == list(range(3, 301, 3))
    assert "has finished already" in script.run(*command, *seeds)

    script.run("--total-timesteps", str(300 * 8 * 32), "--seed", "8", "--run-name", "alone")
    together, alone = (folder / "checkpoints/step-300" for folder in (folders[1], script.runs / "alone"))
    assert (together / "state.safetensors").read_bytes() == (alone / "state.safetensors").read_bytes()
