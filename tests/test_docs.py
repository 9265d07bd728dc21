"""The code in the README and in docs/ runs as it stands there, and links lead somewhere."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<part>[^)\s]+))?\)")
PACKAGES = {"tensorboard": "tensorboard", "mirror": "fsspec", "wandb": "wandb"}
PACKAGES |= {"runs": "pandas polars pyarrow duckdb psutil"}
PACKAGES |= {"numpy": "numpy", "moving": "numpy", "scan": "jax", "flax": "flax", "equinox": "equinox"}
PACKAGES |= {"pytorch": "torch", "stable-baselines3": "stable_baselines3", "hydra-and-argparse": "hydra"}
ELSEWHERE = "docs/game.md"  # its code has tests of its own
# What a page takes for granted: a run, in which one tag begins later than a reader looks by itself.
BEFORE = {
    "runs": """
from hackmatrix.tracking import open_tracker
with open_tracker("jsonl", name="my-run") as tracker:
    for step in range(30_000):
        tracker.log({"train/loss": 1.0, **({"eval/return": 2.0} if step >= 29_990 else {})}, step=step)
"""
}
# What a page says without showing it.
AFTER = {
    "runs": """
assert in_pandas["eval/return"].sum() == in_polars["eval/return"].sum() == 20.0
assert duckdb.sql('select sum("eval/return") from in_duckdb').fetchall() == [(20.0,)]
assert "eval/return" not in polars.read_ndjson(rows)  # the option is needed
assert not run.to_numpy(["eval/return"])["eval/return"].mask[-10:].any()
assert run.to_pandas()["eval/return"].sum() == run.to_polars()["eval/return"].sum() == 20.0
assert run.to_arrow()["eval/return"].null_count == 29_990
"""
}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def pages_with_code() -> list[Path]:
    return [page for page in PAGES if name_of(page) != ELSEWHERE and BLOCK.search(page.read_text("utf-8"))]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text("utf-8")):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        assert target.exists(), f"{link['path']} is not there"
        if link["part"] and target.suffix == ".md":
            assert link["part"] in anchors(target), f"{target.name} has no section {link['part']}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_installed_from_an_index_that_does_not_have_it(page: Path) -> None:
    """From a clone it is ``'.[cli]'``, from elsewhere ``'hackmatrix[cli] @ git+...'``."""
    assert not re.findall(r"'hackmatrix\[[\w,]+\]'|pip install hackmatrix\b", page.read_text("utf-8"))


@pytest.mark.parametrize("page", pages_with_code(), ids=name_of)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """All of a page in one process, in an empty folder; a block marked ``file:`` is a file there."""
    for package in PACKAGES.get(page.stem, "").split():
        pytest.importorskip(package, reason=f"needs {package}")
    program = [BEFORE.get(page.stem, "")]
    for block in BLOCK.finditer(page.read_text("utf-8")):
        if block["mark"] and block["mark"].startswith("file: "):
            (tmp_path / block["mark"].removeprefix("file: ")).write_text(block["code"], "utf-8")
        elif block["code"].startswith(">>>"):
            (tmp_path / "session.txt").write_text(block["code"], "utf-8")
            program.append(
                "import doctest; assert doctest.testfile('session.txt', module_relative=False).failed == 0"
            )
        else:
            program.append(block["code"])
    program.append(AFTER.get(page.stem, ""))
    (tmp_path / "page.py").write_text("\n".join(program), "utf-8")
    run([sys.executable, "page.py"], tmp_path)
    if list(tmp_path.glob("test_*.py")):
        run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."], tmp_path)


def run(command: list[str], folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "HACKMATRIX_"))}
    paths = [os.fspath(folder), *filter(None, [environment.get("PYTHONPATH")])]
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "HOME": os.fspath(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_host_that_the_wandb_client_needs_is_named(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="needs hackmatrix[wandb]")
    (tmp_path / "ask.py").write_text("import wandb; print(wandb.Settings().base_url)", "utf-8")
    host = urlsplit(run([sys.executable, "ask.py"], tmp_path).strip()).hostname
    assert host
    for file in ("README.md", "docs/backends/wandb.md", ".devcontainer/init-firewall.sh"):
        if (ROOT / file).exists():  # the sdist has no container
            assert host in (ROOT / file).read_text("utf-8"), f"{file} does not name {host}"


DOCTESTED = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__").replace("/", ".")
    for path in (ROOT / "hackmatrix").rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


def test_modules_with_examples_are_found() -> None:
    assert {"hackmatrix.tracking", "hackmatrix.purejaxrl"} <= set(DOCTESTED)


@pytest.mark.parametrize("module", DOCTESTED)
def test_the_examples_in_docstrings_hold(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not module.startswith("hackmatrix.tracking"):
        pytest.importorskip("flax", reason="needs hackmatrix[train]")
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(module)).failed == 0
