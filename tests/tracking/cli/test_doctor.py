"""``doctor`` looks around, and tells what each place still lacks."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hackmatrix.tracking import BackendSetupError, BackendUnreachableError, find_run, open_tracker
from hackmatrix.tracking.registry import replaced
from hackmatrix.tracking.replaying import replay, replay_command
from tests.tracking.cli.command import Command, command
from tests.tracking.list_backend import ListBackend
from tests.tracking.runs import write_run

__all__ = ["command"]  # a fixture


class Unreachable(ListBackend):
    def open(self, *_: Any) -> int | None:
        raise BackendUnreachableError("nobody answers")


class Expired(ListBackend):
    def write(self, *_: Any) -> None:
        raise BackendSetupError("the login has expired")


class Full(ListBackend):
    def put_artifact(self, *_: Any) -> None:
        raise OSError("no room")

    def get_artifact(self, *_: Any) -> None:
        raise NotImplementedError


def checks_of(said: str, subject: str) -> list[tuple[str, str]]:
    return [(check["verdict"], check["finding"]) for check in json.loads(said) if check["subject"] == subject]


def commands_of(said: str, subject: str) -> list[str | None]:
    return [check["command"] for check in json.loads(said) if check["subject"] == subject]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process the client's settings, once read, would be those of every later test."""
    monkeypatch.setenv("WANDB_MODE", "offline")


def test_the_doctor_looks_at_everything(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, [(1, {"loss": 1.0})])
    said = command("doctor", tmp_path, "--json")
    checks = {check["subject"]: check for check in json.loads(said.out)}
    assert said.code == 0
    assert {"python", "folder of runs", "file system", "free disk", "clock"} <= checks.keys()
    assert checks["clock"]["verdict"] == "good"


@pytest.mark.parametrize(
    ("variables", "verdict", "told"),
    [
        ({"WANDB_API_KEY": "secret" * 7}, "good", "for https://in.settings"),
        ({"WANDB_BASE_URL": "https://in.variable"}, "bad", "no key for https://in.variable"),
        ({"NETRC": "{config}/netrc"}, "good", "for https://in.settings is in the netrc file"),
        ({"WANDB_BASE_URL": "secret"}, "bad", "cannot be used"),
        ({}, "bad", "no key for https://in.settings"),
    ],
)
def test_the_doctor_asks_the_client_itself_for_server_and_key_and_prints_no_secret(
    tmp_path: Path, variables: dict[str, str], verdict: str, told: str
) -> None:
    for package in ("click", "rich", "wandb"):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    (tmp_path / "settings").write_text("[default]\nbase_url = https://in.settings\n")
    (tmp_path / "netrc").write_text(f"machine in.settings login user password {'secret' * 7}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "NETRC"))}
    given = {name: value.format(config=tmp_path) for name, value in variables.items()}
    done = subprocess.run(
        [sys.executable, "-m", "hackmatrix.tracking", "doctor", str(tmp_path), "--json"],
        env={**clean, "HOME": str(tmp_path), "WANDB_CONFIG_DIR": str(tmp_path), **given},
        capture_output=True,
        text=True,
        check=True,
    )
    ((found, finding),) = checks_of(done.stdout, "W&B login")
    assert (found, told in finding) == (verdict, True), finding
    assert "secret" not in done.stdout + done.stderr


def owing(root: Path, backend: str, **report: Any) -> Path:
    folder = write_run(root, [(1, {"loss": 1.0})])
    identity = json.loads((folder / "run.json").read_text())
    identity["report"]["backends"][backend] = {"pending": 1, "problem": "no answer", **report}
    (folder / "run.json").write_text(json.dumps(identity))
    return folder


def test_the_doctor_says_what_is_owed_and_how_to_deliver_it(tmp_path: Path, command: Command) -> None:
    folder = owing(tmp_path / "my runs", "wandb")
    said = command("doctor", folder.parent).out
    assert not said.startswith("\n")
    assert said.splitlines()[-1] == f"deliver it: {replay_command(folder, 'wandb', {})}"
    assert f"'{folder}'" in said


def test_a_command_for_a_mirror_has_its_path_or_the_place_for_it(tmp_path: Path, command: Command) -> None:
    then = replay_command(Path("moved/since"), "mirror", {"path": "/mnt/my drive"})
    for root, report, path in (("a", {}, "DIR"), ("b", {"command": then}, "/mnt/my drive")):
        folder = owing(tmp_path / root, "mirror", **report)
        (told,) = commands_of(command("doctor", folder.parent, "--json").out, "mirror")
        assert told == replay_command(folder, "mirror", {"path": path})


def await_checks(command: Command, root: Path, expected: dict[str, list[tuple[str, str]]]) -> None:
    """The process notes how far it has come once in a while."""
    deadline = time.monotonic() + 20.0
    while True:
        said = command("doctor", root, "--json").out
        found = {subject: checks_of(said, subject) for subject in expected}
        if found == expected or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert found == expected


@pytest.fixture(autouse=True)
def failing() -> Iterator[None]:
    """Backends that fail, each in its way, known by name."""
    with replaced("unreachable", Unreachable), replaced("expired", Expired), replaced("full", Full):
        yield


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hackmatrix.tracking.standing.EVERY_S", 0.05)


def test_the_doctor_tells_what_each_place_of_a_living_run_lacks(
    tmp_path: Path, command: Command, often: None
) -> None:
    with open_tracker("listing,unreachable", name="live", root=tmp_path) as tracker:
        for step in range(5):
            tracker.log({"loss": 1.0}, step=step)
        assert not tracker.flush(), "one of the places does not answer"
        await_checks(command, tmp_path, {
            "running": [("good", "live, at step 4")],
            "listing": [("good", "was given all steps of live")],
            "unreachable": [("note", "was given all but 5 steps of live; nobody answers")],
        })  # fmt: skip
        tracker.finish(timeout=5.0)
    assert checks_of(command("doctor", tmp_path, "--json").out, "listing") == []
    assert not (tmp_path / "live" / "followers").exists()


def test_the_doctor_says_which_place_gave_up_for_good(tmp_path: Path, command: Command, often: None) -> None:
    with open_tracker("expired", name="live", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=0)
        tracker.log({"loss": 1.0}, step=1)
        told = "was given all but 2 steps of live; the login has expired"
        await_checks(command, tmp_path, {"expired": [("note", told)]})
        tracker.finish(timeout=5.0)


def test_the_doctor_says_which_place_refuses_artifacts(tmp_path: Path, command: Command, often: None) -> None:
    with open_tracker("full", name="live", root=tmp_path) as tracker:
        with tracker.checkpoint(step=0) as folder:
            (folder / "state").write_text("0")
        told = "was given all steps of live; lacks 1 artifact; did not take artifact 'checkpoint' (no room)"
        await_checks(command, tmp_path, {"full": [("note", told)]})
        tracker.finish(timeout=1.0)


def test_the_doctor_says_what_a_mirror_holds(tmp_path: Path, command: Command, often: None) -> None:
    pytest.importorskip("fsspec", reason="needs hackmatrix[mirror]")
    options = {"mirror": {"path": str(tmp_path / "drive")}}
    with open_tracker("mirror", name="live", root=tmp_path / "runs", options=options) as tracker:
        tracker.log({"loss": 1.0}, step=3)
        (tmp_path / "notes.txt").write_text("no checkpoint")
        tracker.log_artifact(tmp_path / "notes.txt", name="notes", step=3)
        assert tracker.flush()
        await_checks(
            command, tmp_path / "runs", {"mirror": [("good", "holds no new checkpoint of live yet")]}
        )
        with tracker.checkpoint(step=3) as folder:
            (folder / "state").write_text("3")
        await_checks(command, tmp_path / "runs", {"mirror": [("good", "holds live up to step 3")]})


def test_what_a_place_held_before_a_resume_is_not_missing(
    tmp_path: Path, command: Command, often: None
) -> None:
    with open_tracker("listing", name="live", root=tmp_path) as tracker:
        for step in range(9):
            tracker.log({"loss": 1.0}, step=step)
        with tracker.checkpoint(step=8) as folder:
            (folder / "state").write_text("8")
    with open_tracker("listing", resume=find_run("live", root=tmp_path), root=tmp_path):
        # The newest step is taken back and given again once it is whole.
        await_checks(command, tmp_path, {"listing": [("good", "was given all but the newest step of live")]})


KILLED = """
import os, signal, sys, time
from pathlib import Path
import tests.tracking.list_backend
from hackmatrix.tracking import open_tracker
tracker = open_tracker("listing", name="live", root=sys.argv[1])
tracker.log({"loss": 1.0}, step=7)
assert tracker.flush()
told = Path(sys.argv[1], "live", "followers", "listing.json")
while not told.exists() or '"handed_over": 7' not in told.read_text():
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_doctor_says_of_a_killed_run_what_it_cannot_know(tmp_path: Path, command: Command) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=120)
    said = command("doctor", tmp_path, "--json").out
    ((verdict, finding),) = checks_of(said, "listing")
    assert verdict == "note"
    assert "live was killed after listing had been given step 7" in finding
    assert commands_of(said, "listing") == [replay_command(tmp_path / "live", "listing", {})]
    identity = json.loads((tmp_path / "live" / "run.json").read_text())
    identity["report"] = {"backends": {"listing": {"confirmed": 7}}}  # as a replay leaves it
    (tmp_path / "live" / "run.json").write_text(json.dumps(identity))
    assert checks_of(command("doctor", tmp_path, "--json").out, "listing") == []


KILLED_BESIDE_A_MIRROR = """
import os, signal, sys
from hackmatrix.tracking import open_tracker
options = {"mirror": {"path": sys.argv[2]}}
tracker = open_tracker("mirror", name="live", root=sys.argv[1], options=options)
for step in range(9):
    tracker.log({"loss": 1.0}, step=step)
    if step == 4 and "checkpoint" in sys.argv:
        with tracker.checkpoint(step=step) as folder:
            (folder / "state").write_text("4")
assert tracker.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["checkpoint", "none"])
def test_a_mirror_that_was_replayed_to_has_all_of_a_killed_run(
    tmp_path: Path, command: Command, kind: str
) -> None:
    pytest.importorskip("fsspec", reason="needs hackmatrix[mirror]")
    drive, runs = tmp_path / "drive", tmp_path / "runs"
    words = [sys.executable, "-c", KILLED_BESIDE_A_MIRROR, str(runs), str(drive), kind]
    subprocess.run(words, check=False, timeout=120)
    folder = runs / "live"
    standing = folder / "followers" / "mirror.json"
    said = json.loads(standing.read_text())
    standing.write_text(json.dumps({**said, "takes_rows": False}))  # told once in a while
    assert len(checks_of(command("doctor", runs, "--json").out, "mirror")) == 1
    assert replay(folder, "mirror", options={"mirror": {"path": str(drive)}}).complete
    assert checks_of(command("doctor", runs, "--json").out, "mirror") == []
    if kind == "none":
        return
    standing.unlink()
    assert checks_of(command("doctor", runs, "--json").out, "mirror") == []
    identity = json.loads((folder / "run.json").read_text())
    identity["report"]["backends"]["mirror"]["confirmed"] = 3  # a checkpoint that was taken before
    (folder / "run.json").write_text(json.dumps(identity))
    assert len(checks_of(command("doctor", runs, "--json").out, "mirror")) == 1


def test_where_only_an_artifact_is_owed_no_steps_are(tmp_path: Path, command: Command) -> None:
    folder = owing(tmp_path, "mirror", pending=0, problem="1 artifacts were not delivered")
    told = ("note", "is still owed a part of run: 1 artifacts were not delivered")
    assert checks_of(command("doctor", folder.parent, "--json").out, "mirror") == [told]


def test_a_client_that_cannot_be_asked_for_its_key_is_told(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="the package wandb is not installed")
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setitem(sys.modules, "wandb.sdk.lib.wbauth", None)
    said = command("doctor", tmp_path, "--json")
    ((verdict, finding),) = checks_of(said.out, "W&B login")
    assert (said.code, verdict) == (0, "note")
    assert "could not be looked up" in finding
    assert "wandb.sdk.lib.wbauth" in finding


def test_a_folder_called_as_a_package_is_none(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorboardY").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    backends = (("tensorboard", "tensorboardY"),)
    monkeypatch.setattr("hackmatrix.tracking.cli.doctor._BACKENDS", backends)
    said = command("doctor", tmp_path, "--json")
    ((verdict, finding),) = checks_of(said.out, "tensorboard")
    assert (said.code, verdict, finding.startswith("not installed")) == (0, "note", True)


def test_a_report_that_no_tracker_wrote_is_told(tmp_path: Path, command: Command) -> None:
    folder = owing(tmp_path, "wandb")
    identity = json.loads((folder / "run.json").read_text())
    del identity["report"]["backends"]["wandb"]["pending"]
    (folder / "run.json").write_text(json.dumps(identity))
    said = command("doctor", tmp_path, "--json")
    told = f"{folder / 'run.json'} lacks what is owed to wandb; restore it or move it away"
    assert (said.code, checks_of(said.out, "run.json")) == (0, [("bad", told)])


def test_damaged_rows_of_a_living_run_are_told(tmp_path: Path, command: Command, often: None) -> None:
    with open_tracker("listing", name="live", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=0)
        assert tracker.flush()
        await_checks(command, tmp_path, {"listing": [("good", "was given all steps of live")]})
        with (tmp_path / "live" / "metrics.jsonl").open("ab") as file:
            file.write(b"{]\n")
        said = command("doctor", tmp_path, "--json")
        ((verdict, finding),) = checks_of(said.out, "listing")
        assert (said.code, verdict, "see hackmatrix-runs verify" in finding) == (0, "bad", True)


def test_the_doctor_tells_what_a_place_kept_from_an_earlier_attempt(tmp_path: Path, command: Command) -> None:
    with open_tracker("jsonl", name="done", root=tmp_path) as tracker:
        tracker.log({"loss": 1.0}, step=0)
    identity = json.loads((tmp_path / "done" / "run.json").read_text())
    identity["report"]["backends"]["wandb"] = {"pending": 0, "problem": None, "kept": [3, 9]}
    (tmp_path / "done" / "run.json").write_text(json.dumps(identity))
    assert "steps 3 to 9 of done are an earlier attempt's there" in command("doctor", tmp_path).out


def test_the_doctor_needs_no_folder(tmp_path: Path, command: Command) -> None:
    assert "does not exist yet" in command("doctor", tmp_path / "nowhere").out
