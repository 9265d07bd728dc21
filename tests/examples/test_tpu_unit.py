"""The systemd unit for a spot TPU VM: its very command, stopped as a preemption stops it, and started again."""

import configparser
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
# Keeps one resource in a file. A call for which a file of errors lies ready fails once.
echo "$4 $5" >>"$PLACE/asked"
fail() { echo "ERROR: (gcloud.compute.tpus.queued-resources.$1) $2" >&2; exit 1; }
if [ -e "$PLACE/fails-$4" ]; then
    error=$(cat "$PLACE/fails-$4")
    rm "$PLACE/fails-$4"
    fail "$4" "$error"
fi
case $4 in
    describe) [ -e "$PLACE/state" ] || fail describe "NOT_FOUND: Resource '$5' was not found"
        echo "WARNING: a newer gcloud is there" >&2
        cat "$PLACE/state" ;;
    create) [ -e "$PLACE/state" ] && fail create "ALREADY_EXISTS: Resource '$5' already exists"
        printf '%s\\n' "$@" >"$PLACE/flags"
        echo ACTIVE >"$PLACE/new" && mv "$PLACE/new" "$PLACE/state" ;;
    delete) rm "$PLACE/state" ;;
esac
"""


class Cloud:
    """A program ``gcloud`` with one resource, and ``keep.sh`` beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        program = place / "gcloud"
        program.write_text(GCLOUD, "utf-8")
        program.chmod(0o755)

    @contextmanager
    def kept(self) -> Iterator[subprocess.Popen[bytes]]:
        environment = {
            **os.environ, "PATH": f"{self.place}:{os.environ['PATH']}", "PLACE": str(self.place), "EVERY_S": "0.05",
            "NAME": "hm", "ZONE": "z", "TYPE": "v4-8", "VERSION": "v", "REPOSITORY": "r", "MIRROR": "gs://b/runs",
            "FLAGS": "--num-envs 8 --seed 1", "WANDB_API_KEY": "key",
        }  # fmt: skip
        with (self.place / "said").open("wb") as said:
            process = subprocess.Popen(
                [FOLDER / "keep.sh"], env=environment, stdout=said, stderr=said, start_new_session=True
            )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def becomes(self, state: str) -> None:
        (self.place / "new-state").write_text(state + "\n", "utf-8")
        (self.place / "new-state").rename(self.place / "state")

    def is_active(self) -> bool:
        return self.read("state").strip() == "ACTIVE"

    def fails_once(self, call: str, error: str) -> None:
        (self.place / f"fails-{call}").write_text(error, "utf-8")

    def asked(self) -> list[str]:
        """What was asked, but for how it is."""
        return [line for line in self.read("asked").splitlines() if not line.startswith("describe")]

    def read(self, name: str) -> str:
        try:
            return (self.place / name).read_text("utf-8")
        except FileNotFoundError:
            return ""


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


def test_a_tpu_that_was_taken_away_is_asked_for_again(cloud: Cloud) -> None:
    with cloud.kept():
        wait_for(cloud.is_active)
        cloud.becomes("SUSPENDED")
        wait_for(lambda: cloud.asked().count("create hm") == 2)
        wait_for(cloud.is_active)  # it has been created
    assert cloud.asked() == ["create hm", "delete hm", "create hm"]
    assert "|hackmatrix-flags=--num-envs 8 --seed 1|hackmatrix-wandb-key=key\n" in cloud.read("flags")


def test_a_look_that_fails_is_no_answer(cloud: Cloud) -> None:
    cloud.becomes("ACTIVE")
    cloud.fails_once("describe", "UNAVAILABLE: the service is not available now")
    with cloud.kept() as process:
        wait_for(lambda: "hm: ACTIVE" in cloud.read("said"))
        assert process.poll() is None
    assert cloud.asked() == []
    assert "UNAVAILABLE" in cloud.read("said")
    assert "state not known" in cloud.read("said")


def test_what_fails_is_told_and_tried_again(cloud: Cloud) -> None:
    cloud.becomes("SUSPENDED")
    cloud.fails_once("delete", "UNAVAILABLE: connection reset")
    cloud.fails_once("create", "RESOURCE_EXHAUSTED: quota exceeded")
    with cloud.kept() as process:
        wait_for(cloud.is_active)
        assert process.poll() is None
    assert cloud.asked() == ["delete hm", "delete hm", "create hm", "create hm"]
    said = cloud.read("said")
    for each in ("connection reset", "not deleted", "quota exceeded", "not created"):
        assert each in said, said


def wait_for(what) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
