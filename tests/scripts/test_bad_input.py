"""What the training script refuses: one sentence, exit code 2, before any compute, and no run is left behind."""

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.scripts.conftest import SCRIPT, SMALL, Script

pytest.importorskip("flax", reason="needs hackmatrix[train]")

TOTAL = ("--total-timesteps", "768")


@pytest.fixture
def train_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """The script as a module, in an empty folder; its training fails the test."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    for name in ("HACKMATRIX_DIR", "WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    module = import_module("train_purejaxrl")
    monkeypatch.setattr(module, "train", lambda *_, **__: pytest.fail("it went on to train"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    logger = logging.getLogger("hackmatrix.tracking")
    told = list(logger.handlers)
    yield module
    logger.handlers[:] = told
    for number, handler in handlers.items():
        signal.signal(number, handler)


def refusal(module: ModuleType, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence that these arguments are refused with."""
    try:
        code = module.main([*SMALL, *TOTAL, *arguments])
    except SystemExit as end:
        code = end.code
    said = capfd.readouterr()
    assert code == 2, f"exit code {code}\n{said.out}\n{said.err}"
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("error: ")
    assert len(lines[0]) < 500, "a long value is shown in full"
    return lines[0]


HYPERPARAMETERS = [
    *((flag, value) for flag in ("--gamma", "--gae-lambda") for value in ("-0.1", "1.5", "nan", "inf", "much")),
    *((f"--{name}", value)
      for name in ("learning-rate", "clip-eps", "max-grad-norm") for value in ("0", "-1", "nan", "inf", "fast")),
    *((f"--{name}", value) for name in ("vf-coef", "ent-coef") for value in ("-0.1", "nan", "inf", "x")),
    *((f"--{name}", value)
      for name in ("num-envs", "num-steps", "total-timesteps", "num-minibatches", "update-epochs", "hidden-dim",
                   "num-layers", "log-interval", "num-shards", "max-episode-steps")
      for value in ("0", "-1", "1.5", "nan", "inf", "some", "9" * 5000)),
    *(("--seed", value) for value in ("-1", "0.5", "4294967296", "lucky")),
    ("--log-every", "second"),
    ("--save-interval", "0"),
    ("--save-interval", "often"),
    ("--total-timesteps", "255"),  # less than one update
    ("--num-minibatches", "5"),
    ("--num-shards", "3"),
]  # fmt: skip


@pytest.mark.parametrize(("flag", "value"), HYPERPARAMETERS, ids=lambda text: text[:20])
def test_a_hyperparameter_out_of_range_or_no_number_is_refused_by_name(
    train_script: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path, flag: str, value: str
) -> None:
    message = refusal(train_script, capfd, flag, value)
    assert flag in message or flag.removeprefix("--").replace("-", "_") in message
    assert not any(tmp_path.iterdir())


NOT_A_NAME = (
    "../../x", "/etc/x", "", "two\nlines", "bell\a", ".", "..", "...", "a/b", "a b", "é", "x" * 5000,
    "ends.", "-x", "nul", "a\\b",
)  # fmt: skip


@pytest.mark.parametrize("value", NOT_A_NAME, ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("flag", ["--run-name", "--run-suffix", "--project", "--resume-run"])
def test_what_is_no_name_is_refused(
    train_script: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path, flag: str, value: str
) -> None:
    if (flag, value) == ("--run-suffix", "nul"):
        pytest.skip("a suffix never stands alone, so it may be called like a device")
    message = refusal(train_script, capfd, f"{flag}={value}")
    assert flag in message or flag[2:].replace("-", " ").split()[-1] in message or "run name" in message
    assert not any(tmp_path.iterdir())


def process_of(coordinator: str, count: int, number: int) -> tuple[str, ...]:
    return ("--coordinator", coordinator, "--num-processes", str(count), "--process-id", str(number))


OTHERS = {
    "a sample every zero seconds": (("--system-metrics", "0"), "--system-metrics"),
    "an option with a slip": (("--learning-rte", "0.1"), "--learning-rate"),
    "an option that is none": (("--zzz",), "--zzz"),
    "a word without an option": (("cartpole",), "cartpole"),
    "a flag without its value": (("--project",), "--project"),
    "an unknown tracker": (("--tracker", "tensorbord"), "Did you mean 'tensorboard'?"),
    "an unknown tracker, looking for a run": (("--tracker", "zz", "--resume-run", "x"), "Known: jsonl"),
    "no tracker": (("--tracker", ""), "names no tracker"),
    "half a list of trackers": (("--tracker", "jsonl,"), "names no tracker"),
    "a tracker twice": (("--tracker", "tensorboard,tensorboard"), "twice"),
    "null beside another": (("--tracker", "null,tensorboard"), "nothing stands beside it"),
    "wandb against tracker": (("--wandb", "--tracker", "tensorboard"), "--tracker tensorboard"),
    "wandb against an empty tracker": (("--wandb", "--tracker", ""), "--wandb"),
    "null with a run to resume": (("--tracker", "null", "--resume-run", "x"), "--resume-run"),
    "a name and a run to resume": (("--run-name", "x", "--resume-run", "x"), "--resume-run"),
    "a name and a suffix": (("--run-name", "x", "--run-suffix", "x"), "--run-suffix"),
    "a run to resume and a suffix": (("--resume-run", "x", "--run-suffix", "x"), "--run-suffix"),
    "an option of no form": (("--tracker-option", "fast"), "tracker.option=value"),
    "an option without a value": (("--tracker-option", "jsonl.fsync"), "tracker.option=value"),
    "an option twice": (("--tracker-option", "jsonl.fsync=never") * 2, "twice"),
    "an unknown option": (("--tracker-option", "jsonl.fsink=never"), "Did you mean 'fsync'?"),
    "an option's value": (("--tracker-option", "jsonl.fsync=sometimes"), "'never' or 'second' or 'always'"),
    "an option of a tracker not in use": (("--tracker-option", "wandb.mode=offline"), "not in use"),
    "an unknown environment": (("--env", "cartpole"), "gymnax:CartPole-v1"),
    "an environment without a name": (("--env", ""), "'hackmatrix' would be one"),
    "a Gymnax id with a slip": (("--env", "gymnax:CartPole-v2"), "CartPole-v1"),
    "continuous actions": (("--env", "gymnax:Pendulum-v1"), "continuous actions"),
    "a run that is not there": (("--resume-run", "no-such-run"), "'runs'"),
    "a folder without a name": (("--checkpoint-dir", ""), "--checkpoint-dir"),
    "a folder below a file": (("--checkpoint-dir", f"{__file__}/runs"), "cannot be written"),
    "a benchmark of a run to resume": (("--benchmark", "--resume-run", "x"), "--resume-run"),
    "a benchmark's flag alone": (("--max-overhead", "1%"), "--benchmark"),
    "a benchmark of no chunk": (("--benchmark", "--benchmark-chunks", "0"), "at least 1"),
    "more seeds than there is room for": (("--num-seeds", "99999999999"), "at most 10000"),
    "half an address": (process_of("nonsense", 2, 0), "10.0.0.2:1234"),
    "no such port": (process_of("localhost:99999", 1, 0), "'localhost:99999'"),
    "a process too many": (process_of("a:1", 2, 5), "give 0 to N - 1"),
    "no process": (process_of("a:1", 0, 0), "give 0 to N - 1"),
    "a coordinator alone": (("--coordinator", "a:1"), "belong together"),
    "alone, with a coordinator": (("--no-distributed", *process_of("a:1", 2, 0)), "trains alone"),
    "a limit without its unit": (("--benchmark", "--max-overhead", "1"), "1% or 0.01"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "hint"), OTHERS.values(), ids=OTHERS.keys())
def test_a_wrong_command_line_is_refused_with_what_would_do(
    train_script: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path,
    arguments: tuple[str, ...], hint: str,
) -> None:  # fmt: skip
    assert hint in refusal(train_script, capfd, *arguments)
    assert not any(tmp_path.glob("**/run.json")), "a run was left behind"
    assert not any(tmp_path.glob("runs/*"))


def test_an_environment_that_cannot_fetch_its_data_is_refused(
    train_script: ModuleType, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gymnax = pytest.importorskip("gymnax", reason="needs hackmatrix[train]")

    def fail(name: str) -> None:
        raise OSError(f"{name}: no network")

    monkeypatch.setattr(gymnax, "make", fail)
    assert "from the network" in refusal(train_script, capfd, "--env", "gymnax:CartPole-v1")


@pytest.mark.parametrize("option", ["wandb.mode=sideways", "wandb.mod=offline", "wandb.init_timeout=soon"])
def test_an_option_that_wandb_does_not_take_is_refused(
    train_script: ModuleType, capfd: pytest.CaptureFixture[str], tmp_path: Path, option: str
) -> None:
    pytest.importorskip("wandb", reason="needs hackmatrix[wandb]")
    message = refusal(train_script, capfd, "--tracker", "wandb", "--tracker-option", option)
    assert option.partition("=")[0].removeprefix("wandb.") in message
    assert not any(tmp_path.glob("runs/*"))


def test_a_folder_that_the_system_keeps_is_refused(
    train_script: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("this system has no /proc, which not even root may write to")
    assert "cannot be written" in refusal(train_script, capfd, "--checkpoint-dir", "/proc/runs")


def test_a_run_of_another_config_is_refused_with_the_flag_that_differs(script: Script) -> None:
    script.run(*TOTAL, "--run-name", "mine")
    before = (script.runs / "mine" / "run.json").read_bytes()
    for name in ("--run-name", "--resume-run"):
        said = script.run(*TOTAL, name, "mine", "--gamma", "0.5", code=2)
        assert "--gamma: 0.99 then, 0.5 now" in said
        assert "Traceback" not in said
    assert (script.runs / "mine" / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("tracker", "package", "extra"),
    [
        ("wandb", "wandb", "wandb"),
        ("tensorboard", "tensorboardX", "tensorboard"),
        ("mirror", "fsspec", "mirror"),
    ],
)
def test_a_tracker_that_is_not_installed_says_what_brings_it(
    script: Script, tracker: str, package: str, extra: str
) -> None:
    program = (
        f"import runpy, sys; sys.modules[{package!r}] = None; sys.argv = sys.argv[1:]; "
        "sys.path.insert(0, sys.argv[0].rpartition('/')[0]); runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(SCRIPT), *SMALL, *TOTAL, "--tracker", tracker],
        cwd=script.home, env=script.environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"pip install 'hackmatrix[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(script.runs.glob("*"))


def test_other_processes_that_nobody_names_are_asked_for(script: Script) -> None:
    said = script.run("--distributed", code=2)
    assert "give --coordinator HOST:PORT, --num-processes N and --process-id I" in said
    assert "Traceback" not in said


def test_the_whole_process_says_one_sentence(script: Script) -> None:
    process = script.start("--gamma", "2")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert out == ""
    assert err == "error: gamma = 2.0 must be in [0, 1]\n"
    assert not script.runs.exists()
