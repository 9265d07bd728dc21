"""What the W&B backend does when the service, the client or the user fails; the client is the unmodified one."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from hackmatrix.tracking.errors import BackendSetupError, BackendUnreachableError, RunConflictError
from tests.tracking.wandb_cases import CONFIG, ID, NAME, info, rows, steps, wait_for_rows
from tests.wandb_service import WandbService
from tests.wandb_service.fixtures import wandb_service

wandb = pytest.importorskip("wandb", reason="the package wandb is not installed")

from hackmatrix.tracking.backends.wandb import WandbBackend  # noqa: E402 - after the skip

__all__ = ["wandb_service"]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def short_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the server is asked for rows that never arrived."""
    monkeypatch.setattr("hackmatrix.tracking.backends.wandb._CHECK_S", 2.0)


def delivered(tmp_path: Path, first: int, last: int) -> int | None:
    """What a new object confirms after it sent these rows."""
    backend = WandbBackend()
    backend.open(info(tmp_path / "run"), CONFIG)
    backend.write(rows(first, last))
    return backend.close("finished", {}, 20.0)


@pytest.mark.parametrize(
    ("cause", "sentence"),
    [
        ("refused key", r"^W&B refuses the key \(.*user is not logged in\); run `wandb login --relogin`$"),
        ("no key", r"^not logged in to W&B; run `wandb login`, or set WANDB_API_KEY$"),
        (
            "short key",
            r"^WANDB_API_KEY invalid: .* has 3; run `wandb login --relogin`, or set WANDB_API_KEY to a whole",
        ),
        ("no entity", r"^W&B gives user 'ada' no access to entity 'nobody' \(.*\); say `--entity YOU`$"),
        (
            "no permission",
            r"^W&B gives user 'ada' no access to entity 'team' \(permission denied\); say `--entity YOU`$",
        ),
        ("sweep", r"^WANDB_SWEEP_ID is set, and would make another run of this one; unset it$"),
        ("wrong mode", r"^WANDB_MODE is 'sometimes', expected one of online, offline, disabled$"),
    ],
)
def test_what_the_user_must_mend_is_said_in_one_sentence(
    wandb_service, tmp_path, monkeypatch, cause, sentence
) -> None:
    entity = "team"
    if cause == "refused key":
        wandb_service.state.key = "f" * 40
    elif cause == "no key":
        monkeypatch.delenv("WANDB_API_KEY")
        monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    elif cause == "short key":
        monkeypatch.setenv("WANDB_API_KEY", "abc")
    elif cause == "no entity":
        entity = "nobody"
    elif cause == "no permission":
        wandb_service.state.forbidden = {"team"}
    else:
        monkeypatch.setenv(*{"sweep": ("WANDB_SWEEP_ID", "abc")}.get(cause, ("WANDB_MODE", "sometimes")))
    backend = WandbBackend()
    start = time.monotonic()
    with pytest.raises(BackendSetupError, match=sentence):
        backend.open(info(tmp_path / "run", entity=entity), CONFIG)
    assert time.monotonic() - start < 4
    assert backend.close(None, {}, 5.0) is None


def test_a_server_that_is_away_is_no_setup_error_and_its_return_is_noticed(wandb_service, tmp_path) -> None:
    wandb_service.stop()
    backend = WandbBackend()
    with pytest.raises(BackendUnreachableError, match=r"^W&B at http://127\.0\.0\.1:\d+ cannot be reached: "):
        backend.open(info(tmp_path / "run"), CONFIG)
    backend.close(None, {}, 5.0)
    wandb_service.start()
    assert delivered(tmp_path, 0, 20) == 15


@pytest.mark.parametrize("path", ["/graphql", "UpsertBucket"])
def test_a_server_that_fails_while_a_run_is_opened_blocks_nothing_for_later(
    wandb_service, tmp_path, path
) -> None:
    wandb_service.fault("500", path)
    backend = WandbBackend(init_timeout=2.0)
    start = time.monotonic()
    with pytest.raises(BackendUnreachableError, match="W&B does not answer"):
        backend.open(info(tmp_path / "run"), CONFIG)
    assert time.monotonic() - start < 12
    backend.close(None, {}, 5.0)
    wandb_service.heal()
    assert delivered(tmp_path, 0, 20) == 15


def test_another_run_of_this_id_is_a_conflict_and_is_left_as_it_is(wandb_service, tmp_path) -> None:
    delivered(tmp_path, 0, 20)
    stranger = WandbBackend()
    with pytest.raises(
        RunConflictError, match=r"holds another run as 'nice.*its run_uid is 'u1', this one's 'u2'"
    ):
        stranger.open(info(tmp_path / "other", uid="u2"), {**CONFIG, "run_uid": "u2"})
    stranger.close(None, {}, 5.0)
    assert wandb_service.config("team", "p", ID) == CONFIG


def test_a_deleted_run_is_a_conflict(wandb_service, tmp_path) -> None:
    wandb_service.delete("team", "p", ID)
    backend = WandbBackend(init_timeout=2.0)
    with pytest.raises(RunConflictError, match="was deleted at W&B"):
        backend.open(info(tmp_path / "run"), CONFIG)


def test_a_machine_that_comes_back_finds_that_another_went_on(wandb_service, tmp_path) -> None:
    delivered(tmp_path, 0, 20)
    wandb_service.run("team", "p", ID).config["attempt"] = {"value": 1}
    backend = WandbBackend()
    with pytest.raises(RunConflictError, match=r"another machine went on .*: attempt 1 there, 0 here"):
        backend.open(info(tmp_path / "run"), CONFIG)


@pytest.mark.parametrize("kind", ["500", "429", "hang", "drop", "drop-answer"])
def test_requests_that_fail_lose_nothing_and_double_nothing(wandb_service, tmp_path, kind) -> None:
    backend = WandbBackend()
    backend.open(info(tmp_path / "run"), CONFIG)
    fault = wandb_service.fault(kind, "file_stream", times=2)
    backend.write(rows(0, 50))
    backend.flush(5.0)
    wait_for_rows(wandb_service, 10)
    backend.write(rows(50, 100))
    assert backend.close("finished", {}, 20.0) == 95
    assert fault.hits == 2
    assert steps(wandb_service) == list(range(0, 100, 5))


def test_a_service_that_dies_and_comes_back_has_each_step_once(wandb_service, tmp_path) -> None:
    backend = WandbBackend()
    backend.open(info(tmp_path / "run"), CONFIG)
    backend.write(rows(0, 50))
    wait_for_rows(wandb_service, 10)
    wandb_service.stop()
    backend.write(rows(50, 100))
    time.sleep(1.5)
    wandb_service.start()
    assert backend.close("finished", {}, 20.0) == 95
    assert steps(wandb_service) == list(range(0, 100, 5))


def test_a_service_that_stays_away_holds_nobody_up(wandb_service, tmp_path) -> None:
    backend = WandbBackend(finish_timeout=2.0)
    backend.open(info(tmp_path / "run"), CONFIG)
    backend.write(rows(0, 50))
    wandb_service.stop()
    backend.write(rows(50, 100))
    start = time.monotonic()
    assert backend.close("finished", {"best": 1.0}, 5.0) is None
    assert time.monotonic() - start < 6
    wandb_service.start()
    again = WandbBackend()
    held = again.open(info(tmp_path / "run"), CONFIG)
    again.write([row for row in rows(0, 100) if row.step > (-1 if held is None else held)])
    assert again.close("finished", {}, 20.0) == 95
    assert steps(wandb_service) == list(range(0, 100, 5))


def test_a_client_that_gives_up_in_silence_is_found_out(wandb_service, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("WANDB__FILE_STREAM_RETRY_MAX", "1")
    backend = WandbBackend()
    backend.open(info(tmp_path / "run"), CONFIG)
    backend.write(rows(0, 50))
    wait_for_rows(wandb_service, 10)
    wandb_service.fault("500", "file_stream")
    backend.write(rows(50, 80))
    time.sleep(2.5)
    wandb_service.heal()
    backend.write(rows(80, 100))
    assert backend.close("finished", {}, 20.0) == 45
    again = WandbBackend()
    assert again.open(info(tmp_path / "run"), CONFIG) == 45
    again.write(rows(50, 100))
    assert again.close("finished", {}, 20.0) == 95
    assert steps(wandb_service) == list(range(0, 100, 5))


def client_process() -> int:
    """The process that the client started from this one."""
    here = str(os.getpid())
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            words = (place / "cmdline").read_bytes().decode().split("\0")
            if words[0].endswith("wandb-core") and here in words:
                return int(place.name)
    pytest.fail("the client has no process")


def kill_client() -> None:
    """SIGKILL, and what an owner does for a dead child: else its ``Popen`` complains in some later test."""
    pid = client_process()
    os.kill(pid, signal.SIGKILL)
    owners = [thing for thing in gc.get_objects() if type(thing) is subprocess.Popen and thing.pid == pid]
    for owner in owners:
        owner.wait(5)
    time.sleep(0.3)  # until this process has noticed


# The client's threads end with a traceback.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.skipif(not Path("/proc").exists(), reason="the client's process is looked up in /proc")
@pytest.mark.parametrize("noticed_by", ["write", "flush", "close", "open"])
def test_a_client_whose_process_was_killed_is_started_anew(wandb_service, tmp_path, noticed_by) -> None:
    backend = WandbBackend()
    backend.open(info(tmp_path / "run"), CONFIG)
    backend.write(rows(0, 50))
    wait_for_rows(wandb_service, 10)
    kill_client()
    if noticed_by == "write":
        with pytest.raises(BackendUnreachableError, match="W&B's client has died"):
            backend.write(rows(50, 60))
    elif noticed_by == "flush":
        with pytest.raises(BackendUnreachableError, match="W&B's client has died"):
            backend.flush(5.0)
    elif noticed_by == "close":
        with pytest.raises(BackendUnreachableError, match="W&B's client has died"):
            backend.close("finished", {"best": 1.0}, 10.0)
    start = time.monotonic()
    backend.close(None, {}, 5.0)
    assert time.monotonic() - start < 5
    again = WandbBackend()
    assert again.open(info(tmp_path / "run"), CONFIG) == 45
    again.write(rows(50, 100))
    assert again.close("finished", {}, 20.0) == 95
    assert steps(wandb_service) == list(range(0, 100, 5))


def test_runs_of_one_process_do_not_end_each_other(wandb_service, tmp_path) -> None:
    first, second = WandbBackend(), WandbBackend(init_timeout=2.0)
    first.open(info(tmp_path / "run"), CONFIG)
    first.write(rows(0, 50))
    other = info(tmp_path / "other", id="other", name="other", uid="u2")
    wandb_service.fault("500", "UpsertBucket")
    for _ in range(2):
        with pytest.raises(BackendUnreachableError):
            second.open(other, {**CONFIG, "run_uid": "u2"})
        second.close(None, {}, 5.0)
    wandb_service.heal()
    first.write(rows(50, 100))
    assert first.close("finished", {}, 20.0) == 95
    third = WandbBackend()
    assert third.open(other, {**CONFIG, "run_uid": "u2"}) is None
    third.write(rows(0, 20))
    assert third.close("finished", {}, 20.0) == 15


def test_a_thrown_away_object_makes_way_for_the_next(wandb_service, tmp_path) -> None:
    backend = WandbBackend(finish_timeout=3.0)
    backend.open(info(tmp_path / "run"), CONFIG)
    wandb_service.stop()
    backend.write(rows(0, 50))
    start = time.monotonic()
    assert backend.close(None, {}, 5.0) is None
    assert time.monotonic() - start < 2
    wandb_service.start()
    again = WandbBackend()
    held = again.open(info(tmp_path / "run"), CONFIG)
    again.write([row for row in rows(0, 50) if held is None or row.step > held])
    assert again.close("finished", {}, 20.0) == 45
    assert steps(wandb_service) == list(range(0, 50, 5))


@pytest.mark.parametrize("granted", [True, False])
def test_a_rewind_cuts_the_history_where_it_is_granted(
    wandb_service, tmp_path, granted, caplog, monkeypatch
) -> None:
    monkeypatch.setattr("hackmatrix.tracking.backends._wandb_client._told", set())
    delivered(tmp_path, 0, 50)
    wandb_service.state.rewind = granted
    backend = WandbBackend(rewind=True)
    assert backend.open(info(tmp_path / "run"), CONFIG) == 45
    assert backend.discard_after(20) is granted
    assert steps(wandb_service) == (list(range(0, 25, 5)) if granted else list(range(0, 50, 5)))
    changed = [row._replace(metrics={"train/loss": -1.0}) for row in rows(25, 80)]
    backend.write(changed)
    assert backend.close("finished", {}, 20.0) == 75
    assert steps(wandb_service) == list(range(0, 80, 5))
    assert wandb_service.history("team", "p", ID)[6]["train/loss"] == (-1 if granted else 15)
    assert wandb_service.config("team", "p", ID) == CONFIG
    told = [record.getMessage() for record in caplog.records if record.name == "hackmatrix.tracking"]
    assert len(told) == (0 if granted else 1)


def test_variables_of_the_client_never_name_the_run(wandb_service, tmp_path, monkeypatch) -> None:
    said = {"RUN_ID": "stolen", "NAME": "stolen", "RESUME": "must", "ENTITY": "ada", "PROJECT": "q"}
    for name, value in said.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    for name, value in {"RUN_GROUP": "g", "JOB_TYPE": "j", "TAGS": "a, b", "NOTES": "n"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    assert WandbBackend().run_defaults() == {
        "entity": "ada",
        "project": "q",
        "group": "g",
        "job_type": "j",
        "tags": ("a", "b"),
        "notes": "n",
    }
    assert delivered(tmp_path, 0, 20) == 15
    assert wandb_service.run("team", "p", ID).display_name == NAME
    assert len(wandb_service.state.runs) == 1


def test_offline_rows_lie_in_the_runs_folder_and_nobody_is_asked(
    wandb_service, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    backend = WandbBackend()
    assert backend.open(info(tmp_path / "run"), CONFIG) is None
    backend.write(rows(0, 50))
    backend.flush(5.0)
    assert backend.close("finished", {"best": 1.0}, 20.0) == 45
    assert WandbBackend().find(NAME, None, "p", "team") is None
    assert WandbBackend(mode="online").find(NAME, None, "p", "team") is None
    (log,) = (tmp_path / "run").glob("wandb/offline-run-*/run-*.wandb")
    assert log.stat().st_size > 0
    assert not [path for path, _ in wandb_service.requests if "file_stream" in path]


def test_of_several_attempts_offline_only_the_newest_is_left_to_sync(
    wandb_service, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    delivered(tmp_path, 0, 50)
    delivered(tmp_path, 0, 100)
    (newest,) = (tmp_path / "run").glob("wandb/offline-run-*")
    assert len(list((tmp_path / "run").glob("wandb/superseded/offline-run-*"))) == 1
    sync = [sys.executable, "-m", "wandb", "sync", str(newest)]
    environment = {**os.environ, "WANDB_MODE": "online"}
    subprocess.run(sync, check=True, capture_output=True, env=environment, timeout=60)
    assert steps(wandb_service) == list(range(0, 100, 5))


def test_disabled_is_a_run_that_goes_nowhere(wandb_service, tmp_path) -> None:
    backend = WandbBackend(mode="disabled")
    assert backend.open(info(tmp_path / "run"), CONFIG) is None
    backend.write(rows(0, 50))
    backend.flush(5.0)
    assert backend.close("finished", {"best": 1.0}, 20.0) == 45
    assert wandb_service.requests == []


def serve(folder: Path, port: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.wandb_service", "--port", str(port), "--state", str(folder)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    return process


def test_a_service_that_is_killed_comes_back_with_what_it_held(wandb_service, tmp_path) -> None:
    wandb_service.stop()  # a process of its own takes its place
    port, folder = wandb_service.port, tmp_path / "service"
    with serve(folder, port) as first:
        backend = WandbBackend()
        backend.open(info(tmp_path / "run"), CONFIG)
        backend.write(rows(0, 50))
        time.sleep(1.5)
        first.kill()
    backend.write(rows(50, 100))
    with serve(folder, port) as second:
        assert backend.close("finished", {}, 20.0) == 95
        second.kill()
    held = WandbService(folder)
    assert steps(held) == list(range(0, 100, 5))
    assert held.unknown == []


def test_a_killed_process_is_resumed_with_each_step_once(wandb_service, tmp_path) -> None:
    script = """
        import sys, time
        from pathlib import Path
        from hackmatrix.tracking.backends.wandb import WandbBackend
        from tests.tracking.wandb_cases import CONFIG, info, rows
        backend = WandbBackend()
        held = backend.open(info(Path(sys.argv[1])), CONFIG)
        for row in rows(0, 10_000):
            if held is None or row.step > held - 20:  # more than is needed, in order
                backend.write([row])
                time.sleep(0.01)
                print(row.step, flush=True)
    """
    held = -1
    for wait_s in (1.3, 2.0):
        code = textwrap.dedent(script)
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "run")],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait_s)
            process.kill()
        now = steps(wandb_service)
        assert now == list(range(0, now[-1] + 5, 5))
        assert now[-1] > held
        held = now[-1]
    assert delivered(tmp_path, 0, held + 50) == held + 45
    assert steps(wandb_service) == list(range(0, held + 50, 5))
