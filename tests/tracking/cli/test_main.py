"""The program as a whole: exit codes, help, and what it does without its packages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hackmatrix
from hackmatrix.tracking import read_run
from hackmatrix.tracking.cli import main
from tests.tracking.cli.command import Command, command
from tests.tracking.runs import write_run

__all__ = ["command"]  # a fixture

WITHOUT = "import sys; sys.modules['click'] = None; sys.modules['rich'] = None; sys.modules['numpy'] = None\n"
SETUP = "import tests.tracking.list_backend\n"
RUN = "from hackmatrix.tracking.cli import main\nsys.exit(main(sys.argv[1:]))"


def run_without_packages(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + SETUP + RUN, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_its_packages_the_command_says_which_install_helps() -> None:
    done = run_without_packages("ls")
    assert done.returncode == 2
    assert "pip install 'hackmatrix[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_replay_works_without_further_packages(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [(1, {"loss": 0.5}), (2, {"loss": 0.25})])
    done = run_without_packages("replay", folder, "--tracker", "listing")
    assert (done.returncode, done.stdout) == (0, "listing: holds steps up to 2 of 2\n")
    assert len((folder / "listing.txt").read_text().splitlines()) == 2


def test_replay_delivers_every_run_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tests.tracking.list_backend  # noqa: F401 - registers the backend

    folders = [write_run(tmp_path, [(1, {"loss": 0.5})], name=name) for name in ("a", "b")]
    assert main(["replay", "--all", str(tmp_path), "--tracker", "listing"]) == 0
    assert all(len((folder / "listing.txt").read_text().splitlines()) == 1 for folder in folders)
    assert capsys.readouterr().out.startswith("[1/2] a\n")
    assert read_run(folders[0]).identity["report"]["backends"]["listing"]["confirmed"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "--tracker", "listing"],
        ["replay", "x", "--all", "y", "--tracker", "listing"],
        ["replay", "nowhere", "--tracker", "listing"],
        ["replay", "--all", "nowhere", "--tracker", "listing"],
        ["replay", "nowhere", "--tracker", "lsiting"],
    ],
)
def test_a_wrong_replay_is_told_in_a_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    import tests.tracking.list_backend  # noqa: F401 - registers the backend

    assert main(words) == 2
    assert "error: " in capsys.readouterr().err


def test_help_lists_every_subcommand(command: Command) -> None:
    said = command("--help")
    assert said.code == 0
    for name in ("ls", "show", "plot", "compare", "export", "verify", "doctor", "replay"):
        assert f"\n  {name} " in said.out


@pytest.mark.parametrize("words", [["nonsense"], ["ls", "--nonsense"], ["plot"]])
def test_wrong_usage_is_two(words: list[str], command: Command) -> None:
    assert command(*words).code == 2


@pytest.mark.parametrize("defect", [ValueError, KeyError])
def test_a_defect_of_ours_keeps_its_traceback(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, defect: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise defect("ours")

    monkeypatch.setattr("hackmatrix.tracking.cli.ls.list_runs", fail)
    with pytest.raises(defect, match="ours"):
        command("ls", tmp_path)


def test_the_version_is_that_of_the_package(command: Command) -> None:
    assert command("--version").out == f"{hackmatrix.__version__}\n"


@pytest.mark.parametrize(
    "words", [["show", "run"], ["ls", "--json"], ["compare", "run", "run"], ["plot", "run"]]
)
def test_what_the_terminal_cannot_show_is_no_failure(tmp_path: Path, words: list[str]) -> None:
    for package in ("click", "rich", "numpy", "plotext"):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    write_run(tmp_path, [(1, {"日本": 0.5}), (2, {"日本": 1.0})], config={"名": "é"}, notes="ü")
    done = subprocess.run(
        [sys.executable, "-m", "hackmatrix.tracking", *words, "--root", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if "--json" in words:
        assert json.loads(done.stdout.decode("ascii"))[0]["config"] == {"名": "é"}


def test_the_package_itself_is_the_command_too() -> None:
    pytest.importorskip("click", reason="the package click is not installed")
    pytest.importorskip("rich", reason="the package rich is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "hackmatrix.tracking", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("Usage: hackmatrix-runs")


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    pytest.importorskip("click", reason="the package click is not installed")
    pytest.importorskip("rich", reason="the package rich is not installed")
    write_run(tmp_path, [(1, {"loss": 0.5})])
    shell = f"{sys.executable} -m hackmatrix.tracking ls {tmp_path} --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
