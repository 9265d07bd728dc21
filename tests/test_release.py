"""What is published: sdist and wheel, looked into, and used from the wheel where nothing else is."""

import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.environments import ROOT, Environment, build_wheel, run

BARE = """
import sys
import hackmatrix
from hackmatrix.tracking import MissingPackageError, find_run, open_tracker, read_run

assert sys.prefix in hackmatrix.__file__, hackmatrix.__file__
with open_tracker("jsonl", name="bare", config={"lr": 0.1}) as tracker:
    for step in range(3):
        tracker.log({"train/loss": 1 / (step + 1)}, step=step)
assert [row.step for row in read_run("bare").rows()] == [0, 1, 2]
assert find_run("bare").status == "finished"
try:
    open_tracker("wandb")
except MissingPackageError as problem:
    assert "pip install 'hackmatrix[wandb]'" in str(problem), problem
else:
    raise SystemExit("wandb is here, so this environment is not bare")
assert not {"jax", "numpy", "wandb"} & set(sys.modules)
"""

USER = '''"""A user's module."""

from collections.abc import Mapping, Sequence

from hackmatrix.tracking import Backend, FoundRun, Row, RunInfo, Tracker, find_run, open_tracker, read_run, register
from hackmatrix.tracking.protocol import Config, Number, Precision, Status
from hackmatrix.tracking.testing import Case


@register("typed")
class Typed:
    precision: Precision = "float64"
    url: str | None = None

    def __init__(self, *, path: str = "x") -> None:
        self.path = path

    def open(self, run: RunInfo, config: Config) -> int | None:
        return None

    def discard_after(self, step: int | None) -> bool:
        return True

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            print(row.step, row.metrics)

    def flush(self, timeout: float) -> None: ...

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        return None


def made() -> Backend:
    return Typed()


def train(tracker: Tracker, found: FoundRun | None) -> int:
    for step in range(tracker.run.next_step, 3):
        tracker.log({"train/loss": 0.5}, step=step)
        with tracker.checkpoint(step=step) as folder:
            (folder / "state.txt").write_text("saved")
    tracker.log_series({"a/b": [1.0, 2.0]}, steps=[3, 4])
    return found.step or 0 if found is not None else 0


def main() -> None:
    found = find_run("a")
    with open_tracker(["jsonl"], name="a", resume=found or "allow", tags=["x"]) as tracker:
        train(tracker, found)
    losses: list[int | float | None] = read_run("a").columns(["train/loss"])["train/loss"]
    rows: list[Row] = list(read_run("a").rows())
    print(losses, rows, Case(name="typed", read=lambda run: rows))
'''

WRONG = '''"""Mistakes that a type checker finds."""

from hackmatrix.tracking import open_tracker

tracker = open_tracker("jsonl", resume="maybe")
tracker.log({"train/loss": 0.5})
tracker.finish("done")
'''


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "hackmatrix",
        wheel.name.split("-py3")[0] + ".dist-info",
    }
    assert "hackmatrix/py.typed" in names
    assert "hackmatrix/tracking/cli/page.html" in names  # data that the code reads
    assert not [name for name in names if "test_" in name or name.endswith((".pyc", ".ipynb"))]
    in_checkout = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hackmatrix").rglob("*.py")}
    assert in_checkout <= set(names)


def test_the_metadata_says_what_an_index_shows(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = wheel.name.split("-py3")[0] + ".dist-info"
        said = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
        points = archive.read(f"{folder}/entry_points.txt").decode()
        licences = [name for name in archive.namelist() if name.endswith("LICENSE")]
    import hackmatrix

    assert (said["Name"], said["Version"]) == ("hackmatrix", hackmatrix.__version__)
    assert re.fullmatch(r"\d+\.\d+\.\d+", said["Version"])
    assert said["Requires-Python"] == ">=3.11"
    assert said["License-Expression"] == "MIT"
    assert licences
    assert said["Description-Content-Type"] == "text/markdown"
    assert said["Summary"]
    assert said["Author"]
    needed = [each for each in said.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert [re.match(r"[\w-]+", each)[0] for each in needed] == ["msgspec"]
    extras = set(said.get_all("Provides-Extra", []))
    assert {"wandb", "tensorboard", "mirror", "train", "cuda", "tpu", "all", "docs", "integrations"} <= extras
    assert "hackmatrix-runs = hackmatrix.tracking.cli.main:main" in points


def test_the_workflow_runs_what_is_skipped_elsewhere_and_tests_the_wheel() -> None:
    workflow = ROOT / ".github" / "workflows" / "ci.yml"
    if not workflow.exists():
        pytest.skip("the sdist has no workflow")
    text = workflow.read_text("utf-8")
    sections = re.findall(
        r"^([a-z]+)\(\) \{", (ROOT / "scripts" / "long_checks").read_text("utf-8"), re.MULTILINE
    )
    (named,) = re.findall(r"section: \[(.*)\]", text)
    assert {"others", "build"} <= set(named.split(", ")) <= set(sections)
    assert 'NO_SKIPS: "1"' in text
    assert not re.search(r"pip install \"?\.", text)


def description(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        said = archive.read(wheel.name.split("-py3")[0] + ".dist-info/METADATA").decode()
    return Parser().parsestr(said).get_payload()


def test_the_description_has_no_link_that_an_index_cannot_follow(wheel: Path) -> None:
    assert "# HackMatrix" in description(wheel)
    assert not re.findall(r"\]\((?!https?:)[^)]*\)", description(wheel))


def test_the_description_s_code_runs_from_the_wheel(wheel: Path, bare: Environment, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", description(wheel), re.MULTILINE | re.DOTALL)
    bare.run("-I", "-c", code, cwd=tmp_path)


def test_the_sdist_has_what_a_wheel_and_its_tests_need(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="needs hatchling, which hackmatrix[dev] brings")
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)], ROOT)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
        file.extractall(tmp_path / "unpacked", filter="data")
    wanted = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "hackmatrix/py.typed",
        "tests/conftest.py",
    }
    assert wanted <= names
    assert {
        "scripts/train_purejaxrl.py",
        "docs/design.md",
        "examples/tpu/start.sh",
        "notebooks/colab.ipynb",
    } <= names
    assert not [
        name for name in names if "__pycache__" in name or name.startswith((".git/", "runs/", "wandb/"))
    ]
    (project,) = (tmp_path / "unpacked").iterdir()
    (tmp_path / "again").mkdir()
    assert build_wheel(project, tmp_path / "again").stat().st_size > 100_000


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The standard library, msgspec, and the wheel."""
    import msgspec

    made = Environment.make(tmp_path_factory.mktemp("bare") / "environment", wheel, shared=False)
    (made.packages / "msgspec").symlink_to(Path(msgspec.__file__).parent, target_is_directory=True)
    return made


def test_tracking_works_from_the_wheel_where_there_is_nothing_else(bare: Environment, tmp_path: Path) -> None:
    bare.run("-I", "-c", BARE, cwd=tmp_path)


def test_a_users_module_is_typed_under_mypy_strict(bare: Environment, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="needs hackmatrix[dev]")
    (tmp_path / "user.py").write_text(USER, "utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, "utf-8")
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--cache-dir",
        "cache",
        "--python-executable",
        str(bare.python),
    ]
    assert "Success" in run([*mypy, "user.py"], tmp_path)
    done = subprocess.run(
        [*mypy, "wrong.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.stdout.count("error:") == 3, done.stdout


def test_a_users_module_is_typed_under_pyright_strict(bare: Environment, tmp_path: Path) -> None:
    pytest.importorskip("pyright", reason="the package pyright is not installed")
    (tmp_path / "user.py").write_text(USER, "utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, "utf-8")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}', "utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", str(bare.python)]
    done = subprocess.run(
        [*command, "user.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
    )
    if "error" in done.stderr.lower() and "0 errors" not in done.stdout:
        pytest.skip(f"pyright's program could not be fetched: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stdout
    done = subprocess.run(
        [*command, "wrong.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200
    )
    assert len(re.findall(r"- error:", done.stdout)) == 3, done.stdout
