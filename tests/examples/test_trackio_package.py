"""The example of a third-party backend: built, installed into a new environment, used by its name."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.environments import ROOT, Environment, build_wheel

FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROJECT = ROOT / "examples" / "hackmatrix-trackio"
READ = "from trackio.sqlite_storage import SQLiteStorage as s; print([r['step'] for r in s.get_logs('{}', '{}')])"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    pytest.importorskip("trackio", reason="the package trackio is not installed")
    folder = tmp_path_factory.mktemp("trackio")
    page = new(folder / "page")
    for name, text in FILE.findall((ROOT / "docs" / "writing-a-backend.md").read_text("utf-8")):
        (page / name).write_text(text, "utf-8")
    projects = {"ours": ROOT, "theirs": PROJECT, "page's": page}
    wheels = [build_wheel(project, new(folder / name)) for name, project in projects.items()]
    yield Environment.make(folder / "environment", *wheels, shared=True)
    shutil.rmtree(folder)


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_stranger_s_tracker_is_used_by_its_name_from_the_command_line(
    installed: Environment, tmp_path: Path
) -> None:
    pytest.importorskip("jax", reason="needs hackmatrix[train]")
    place = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    small = (
        "--env", "gymnax:CartPole-v1", "--num-envs", "8", "--num-steps", "32", "--num-minibatches", "2",
        "--hidden-dim", "16", "--log-interval", "3", "--total-timesteps", "3072", "--no-compile-cache",
    )  # fmt: skip
    script = ROOT / "scripts" / "train_purejaxrl.py"
    told = installed.run(
        script, *small, "--run-name", "one", "--tracker", "trackio", "--tracker-option", "trackio.project=cart",
        cwd=tmp_path, **place,
    )  # fmt: skip
    assert "update 12/12" in told
    assert installed.run("-c", READ.format("cart", "one"), cwd=tmp_path, **place).strip() == "[3, 6, 9, 12]"


def test_the_script_of_its_page_runs_as_the_page_says(installed: Environment, tmp_path: Path) -> None:
    place = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HOME": str(tmp_path)}
    (command,) = re.findall(
        r"^python (train\.py .*?) +#", (PROJECT / "README.md").read_text("utf-8"), re.MULTILINE
    )
    script, *flags = command.split()
    installed.run(PROJECT / script, *flags, cwd=tmp_path, **place)
    (run,) = (path.parent.name for path in (tmp_path / "runs").glob("*/run.json"))
    assert installed.run("-c", READ.format("hackmatrix", run), cwd=tmp_path, **place).strip() == str(
        [*range(100)]
    )


OLD = """
from hackmatrix.tracking import open_tracker
with open_tracker("jsonl", name="old", project="replayed") as tracker:
    for step in range(3):
        tracker.log({"a/value": 1.0}, step=step)
"""


def test_the_package_of_the_page_is_one(installed: Environment, tmp_path: Path) -> None:
    installed.run("-c", OLD, cwd=tmp_path, HOME=str(tmp_path))
    command = ("-m", "hackmatrix.tracking", "replay", "runs/old", "--tracker", "sqlite")
    installed.run(*command, "--tracker-option", "sqlite.path=rows.db", cwd=tmp_path, HOME=str(tmp_path))
    with closing(sqlite3.connect(tmp_path / "rows.db")) as base:
        assert base.execute("select step from rows").fetchall() == [(0,), (1,), (2,)]


def test_an_older_run_is_replayed_to_it(installed: Environment, tmp_path: Path) -> None:
    place = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HOME": str(tmp_path)}
    installed.run("-c", OLD, cwd=tmp_path, **place)
    command = ("-m", "hackmatrix.tracking", "replay", "runs/old", "--tracker", "trackio")
    installed.run(*command, cwd=tmp_path, **place)
    assert installed.run("-c", READ.format("replayed", "old"), cwd=tmp_path, **place).strip() == "[0, 1, 2]"


def test_a_wrong_option_names_the_right_ones(installed: Environment, tmp_path: Path) -> None:
    program = """
from hackmatrix.tracking import BackendOptionError, open_tracker
try:
    open_tracker("trackio", options={"trackio": {"projekt": "x"}})
except BackendOptionError as problem:
    print(problem)
"""
    told = installed.run("-c", program, cwd=tmp_path, HOME=str(tmp_path))
    assert "Did you mean 'project'?" in told


@pytest.mark.skipif(
    "HACKMATRIX_LONG_CHECKS" not in os.environ, reason="takes long; set HACKMATRIX_LONG_CHECKS=1"
)
def test_it_keeps_every_guarantee(installed: Environment, tmp_path: Path) -> None:
    """Its own conformance run, where neither package is a checkout."""
    shutil.copytree(PROJECT / "tests", tmp_path / "tests")
    told = installed.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=tmp_path, HOME=str(tmp_path)
    )
    assert "passed" in told
    assert "failed" not in told


def test_the_backend_is_no_longer_than_promised() -> None:
    lines = (PROJECT / "hackmatrix_trackio" / "backend.py").read_text("utf-8").splitlines()
    assert len(lines) <= 150
