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


@at_length
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
    assert status(script) == "failed"

    (code, said), (other_code, other_said) = ends(start(script, 2))  # half as many go on
    assert (code, other_code) == (0, 0), said + other_said
    assert "going on from update" in said
    assert "update" not in other_said, "one process talks"
    assert run_folders(script.runs) == [script.runs / "many"]
    alone = trained_alone(tmp_path / "alone")
    assert rows(script) == rows(alone)
    assert state(script) == state(alone)


@pytest.mark.parametrize("told", [pytest.param(0, marks=at_length), 1])
def test_a_signal_that_reaches_one_process_ends_all_alike(script: Script, told: int) -> None:
    processes = start(script, 2, "--total-timesteps", str(10**9))
    wait_for_a_checkpoint(script, processes)
    processes[told].send_signal(signal.SIGTERM)
    for code, said in ends(processes, timeout=60):
        assert code == 143, said
    assert status(script) == "preempted"


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
