"""Several processes train one run; one that goes away ends the others, and the same command goes on."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.scripts.conftest import Script, run_folders
from tests.scripts.test_killed_and_resumed import LONG  # whose program is compiled already
from tests.scripts.test_killed_and_resumed import UPDATES as LONG_UPDATES

UPDATES = 48
COMMAND = (
    "--num-envs", "16", "--num-steps", "16", "--num-shards", "4", "--total-timesteps", str(UPDATES * 256),
    "--save-interval", "6", "--run-name", "many",
)  # fmt: skip
OF_THE_CLOCK = ("_timestamp", "_runtime", "train/steps_per_second")
AGAIN = "start the same command again on every host"
at_length = pytest.mark.skipif("HACKMATRIX_LONG_CHECKS" not in os.environ, reason="HACKMATRIX_LONG_CHECKS=1")


def start(script: Script, count: int, *more: str) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    many = ("--coordinator", address, "--num-processes", str(count), *more)
    return [script.start(*COMMAND, *many, "--process-id", str(number)) for number in range(count)]


def wait_for_a_checkpoint(script: Script, processes: Sequence[subprocess.Popen[str]]) -> None:
    saved = script.runs / "many/checkpoints/step-6/manifest.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not saved.exists():
        assert all(process.poll() is None for process in processes), ends(processes)
        time.sleep(0.01)


def ends(processes: Sequence[subprocess.Popen[str]], timeout: float = 240) -> list[tuple[int, str]]:
    found = [(process.communicate(timeout=timeout), process) for process in processes]
    return [(process.returncode, out + err) for (out, err), process in found]


def state(script: Script) -> bytes:
    return (script.runs / f"many/checkpoints/step-{UPDATES}/state.safetensors").read_bytes()


def rows(script: Script) -> list[dict[str, float]]:
    lines = (script.runs / "many" / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in OF_THE_CLOCK} for line in lines]


def status(script: Script) -> str:
    return str(json.loads((script.runs / "many/run.json").read_text())["attempts"][-1]["status"])


def trained_alone(home: Path) -> Script:
    alone = Script(home)
    alone.home.mkdir()
    alone.run(*COMMAND)
    return alone


def test_two_processes_are_one_to_the_bit_and_survive_the_loss_of_one(script: Script, tmp_path: Path) -> None:
    first, second = start(script, 2)
    wait_for_a_checkpoint(script, [first, second])
    second.send_signal(signal.SIGKILL)
    ((code, said),) = ends([first], timeout=60)
    second.communicate()
    assert code == 3, said
    assert f"process 1 went away; {AGAIN}" in said
    assert status(script) == "failed"

    (code, said), (other_code, other_said) = ends(start(script, 2))
    assert (code, other_code) == (0, 0), said + other_said
    assert "going on from update" in said
    assert "update" not in other_said, "one process talks"
    assert run_folders(script.runs) == [script.runs / "many"]
    alone = trained_alone(tmp_path / "alone")
    assert rows(script) == rows(alone)
    assert state(script) == state(alone)


def test_four_processes_are_one_to_the_bit_and_name_the_one_that_went(script: Script, tmp_path: Path) -> None:
    processes = start(script, 4)
    wait_for_a_checkpoint(script, processes)
    processes[2].send_signal(signal.SIGKILL)
    for number, (code, said) in enumerate(ends(processes, timeout=60)):
        assert code == (-signal.SIGKILL if number == 2 else 3), said
        assert number == 2 or f"process 2 went away; {AGAIN}" in said

    found = ends(start(script, 2))  # half as many go on
    assert [code for code, _ in found] == [0] * 2, found
    assert "going on from update" in found[0][1]
    alone = trained_alone(tmp_path / "alone")
    assert rows(script) == rows(alone)
    assert state(script) == state(alone)


@at_length
@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_hangs_ends_the_other(script: Script, victim: int) -> None:
    processes = start(script, 2, "--total-timesteps", str(10**9))
    wait_for_a_checkpoint(script, processes)
    processes[victim].send_signal(signal.SIGSTOP)
    ((code, said),) = ends([processes[1 - victim]], timeout=60)
    processes[victim].kill()
    processes[victim].communicate()
    assert code == 3, said
    assert f"process {victim} did not answer for 10 s; {AGAIN}" in said
    assert victim == 0 or status(script) == "failed"


def test_the_group_of_several_seeds_goes_on_together(script: Script) -> None:
    command = (*LONG, "--resume-run", "auto", "--num-seeds", "2", "--seed", "7")
    process = script.start(*command)
    deadline = time.monotonic() + 120
    while len(list(script.runs.glob("*/checkpoints/step-60/manifest.json"))) < 2:  # a step that both have
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    said = script.run(*command)
    folders = run_folders(script.runs)
    assert [folder.name[-3:] for folder in folders] == ["-s7", "-s8"]
    group = folders[0].name.removesuffix("-s7")
    for folder, seed in zip(folders, (7, 8), strict=True):
        identity = json.loads((folder / "run.json").read_text())
        assert (identity["group"], identity["config"]["seed"]) == (group, seed)
        assert [attempt["status"] for attempt in identity["attempts"]] == ["lost", "finished"]
        assert f"of {folder.name}" in said
        steps = [json.loads(line)["_step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert steps == list(range(3, LONG_UPDATES + 1, 3))
    assert "has finished already" in script.run(*command)

    script.run(*LONG, "--seed", "8", "--run-name", "alone")
    last = f"checkpoints/step-{LONG_UPDATES}/state.safetensors"
    assert (folders[1] / last).read_bytes() == (script.runs / "alone" / last).read_bytes()
