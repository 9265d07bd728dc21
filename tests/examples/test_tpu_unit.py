"""The systemd unit for a spot TPU VM: its very command, stopped as a preemption stops it, and started again."""

import configparser
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hackmatrix.tracking import read_run
from tests.environments import ROOT

FOLDER = ROOT / "examples" / "tpu"
FLAGS = (
    "--env gymnax:CartPole-v1 --num-envs 8 --num-steps 32 --num-minibatches 2 --hidden-dim 16 --log-interval 5 "
    "--total-timesteps 204800 --save-interval-minutes 60"
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


def unit() -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # systemd's names have capitals
    parsed.read(FOLDER / "hackmatrix.service", encoding="utf-8")
    return parsed


class Machine:
    """A VM with its disk: starts what the unit starts, in the unit's folder and environment."""

    def __init__(self, disk: Path, mirror: Path) -> None:
        disk.mkdir()
        self.disk = disk
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "HACKMATRIX_"))},
            "HACKMATRIX_HOME": str(ROOT),
            "HACKMATRIX_PYTHON": sys.executable,
            "JAX_PLATFORMS": "cpu",
            "HOME": str(disk),
            "MIRROR": str(mirror),
            "FLAGS": FLAGS,
        }

    def boot(self) -> subprocess.Popen[str]:
        command = unit()["Service"]["ExecStart"].replace("/opt/hackmatrix", str(ROOT))
        return subprocess.Popen(
            [command], cwd=self.disk, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def preempt(self, process: subprocess.Popen[str], after_update: int) -> tuple[str, float]:
        """SIGTERM to the main process, as ``KillMode=mixed`` sends it; what it said, and how long it took."""
        said = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("update ") and int(line.split()[1].split("/")[0]) >= after_update:
                break
        began = time.monotonic()
        process.send_signal(getattr(signal, unit()["Service"]["KillSignal"]))
        rest, _ = process.communicate(timeout=120)
        return "".join(said) + rest, time.monotonic() - began


def test_the_unit_is_stopped_started_and_goes_on_until_it_is_finished(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="needs hackmatrix[train]")
    pytest.importorskip("fsspec", reason="needs hackmatrix[mirror]")
    service = unit()["Service"]
    mirror = tmp_path / "bucket"
    first = Machine(tmp_path / "first", mirror)

    process = first.boot()
    said, seconds = first.preempt(process, after_update=100)
    assert str(process.returncode) in service["SuccessExitStatus"].split(), said
    assert seconds < float(service["TimeoutStopSec"]), said

    process = first.boot()  # the same disk
    said, seconds = first.preempt(process, after_update=300)
    assert "going on from update" in said, said
    assert process.returncode == 143, said

    shutil.rmtree(first.disk)
    second = Machine(tmp_path / "second", mirror)  # a new VM: what is left is the bucket
    process = second.boot()
    said, _ = process.communicate(timeout=240)
    assert "going on from update" in said, said
    assert process.returncode == 0, said

    process = second.boot()  # a boot after the end
    said, _ = process.communicate(timeout=240)
    assert "has finished already" in said, said
    assert process.returncode == 0, said

    (folder,) = (path.parent for path in (second.disk / "runs").glob("*/run.json"))
    run = read_run(folder)
    assert [row.step for row in run.rows()] == list(range(5, 801, 5))
    assert run.status == "finished"
    assert len(run.attempts) == 3


NOTICE_S = 30.0  # of a preemption, in Google's documentation


def test_the_training_ends_before_systemd_kills_it_and_systemd_before_the_machine_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from stopping import TERMINATE_S

    assert TERMINATE_S < float(unit()["Service"]["TimeoutStopSec"]) < NOTICE_S


def test_a_wrong_command_line_is_not_started_again(tmp_path: Path) -> None:
    pytest.importorskip("jax", reason="needs hackmatrix[train]")
    machine = Machine(tmp_path / "disk", tmp_path / "bucket")
    machine.environment["FLAGS"] = "--num-env 8"
    process = machine.boot()
    said, _ = process.communicate(timeout=120)
    assert "Did you mean '--num-envs'" in said, said
    assert str(process.returncode) in unit()["Service"]["RestartPreventExitStatus"].split()


def test_without_a_mirror_it_says_what_to_give(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "disk", tmp_path / "bucket")
    del machine.environment["MIRROR"]
    said, _ = machine.boot().communicate(timeout=60)
    assert "/etc/hackmatrix/environment" in said


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    text = (FOLDER / "hackmatrix.service").read_text("utf-8")
    copy = tmp_path / "hackmatrix.service"
    copy.write_text(text.replace("/opt/hackmatrix/examples", f"{ROOT}/examples"), "utf-8")  # it must exist
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "hackmatrix.service" not in done.stderr


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    shellcheck = shutil.which("shellcheck") or shutil.which(str(Path(sys.executable).parent / "shellcheck"))
    if shellcheck is None:
        pytest.skip("there is no shellcheck")
    done = subprocess.run(
        [shellcheck, *map(str, sorted(FOLDER.glob("*.sh")))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


GCLOUD = """#!/usr/bin/env bash
# Answers from a file of states; notes what it was asked.
echo "$4 $5" >>"$PLACE/asked"
state=$(cat "$PLACE/state")
case $4 in
    describe) [ "$state" != NONE ] && echo "$state" ;;
    create) printf '%s\\n' "$@" >"$PLACE/flags"; echo ACTIVE >"$PLACE/state" ;;
    delete) echo NONE >"$PLACE/state" ;;
esac
"""


def test_a_tpu_that_was_taken_away_is_asked_for_again(tmp_path: Path) -> None:
    program = tmp_path / "gcloud"
    program.write_text(GCLOUD, "utf-8")
    program.chmod(0o755)
    state, asked = tmp_path / "state", tmp_path / "asked"
    state.write_text("NONE", "utf-8")
    asked.touch()
    environment = {
        **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PLACE": str(tmp_path), "EVERY_S": "0.05",
        "NAME": "hm", "ZONE": "z", "TYPE": "v4-8", "VERSION": "v", "REPOSITORY": "r", "MIRROR": "gs://b/runs",
        "FLAGS": "--num-envs 8 --seed 1", "WANDB_API_KEY": "key",
    }  # fmt: skip
    process = subprocess.Popen(
        [FOLDER / "keep.sh"], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: state.read_text("utf-8").strip() == "ACTIVE")
        state.write_text("SUSPENDED", "utf-8")
        wait_for(lambda: asked.read_text("utf-8").count("create hm") == 2)
        wait_for(lambda: state.read_text("utf-8").strip() == "ACTIVE")  # it has been created
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = [line for line in asked.read_text("utf-8").splitlines() if not line.startswith("describe")]
    assert done[:3] == ["create hm", "delete hm", "create hm"]
    said = (tmp_path / "flags").read_text("utf-8")
    assert "|hackmatrix-flags=--num-envs 8 --seed 1|hackmatrix-wandb-key=key\n" in said


def wait_for(what) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
