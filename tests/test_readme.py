"""The README is short, and the pages that it leaves the details to say what the code does."""

import dataclasses
import re
from pathlib import Path

import pytest

from tests.scripts.conftest import SCRIPT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
HYPERPARAMETERS = (ROOT / "docs" / "hyperparameters.md").read_text("utf-8")


def between(text: str, begin: str, end: str) -> str:
    return text.split(begin, 1)[1].split(end, 1)[0]


def test_the_readme_is_the_first_minute_and_links() -> None:
    assert len(README.splitlines()) <= 160
    for page in (
        "hyperparameters",
        "command-line",
        "claims",
        "writing-a-backend",
        "runs",
        "tpu",
        "scaling",
        "index",
    ):
        assert f"(docs/{page}.md" in README


def test_the_tests_of_the_claims_are_there() -> None:
    claims = (ROOT / "docs" / "claims.md").read_text("utf-8")
    paths = re.findall(r"`(tests/[\w/*]+\.py)`", claims)
    assert len(paths) > 10
    assert [path for path in paths if not list(ROOT.glob(path))] == []


def test_the_table_of_hyperparameters_is_that_of_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax", reason="needs hackmatrix[train]")
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from arguments import _field_docs

    from hackmatrix.purejaxrl import TrainConfig

    says = _field_docs()
    lines = ["| name | default | [unit] meaning |", "|---|--:|---|"]
    for field in dataclasses.fields(TrainConfig):
        default = "the number of devices" if field.name == "num_shards" else f"`{field.default}`"
        meaning = says[field.name].replace("|", "\\|").replace("``", "`")
        lines.append(f"| `{field.name}` | {default} | {meaning} |")
    expected = "\n".join(lines)
    found = between(HYPERPARAMETERS, "prints this table) -->", "<!-- hyperparameters: end -->").strip()
    assert found == expected, f"put this into docs/hyperparameters.md:\n{expected}"


def test_the_sizes_of_the_words_are_those_of_the_defaults() -> None:
    pytest.importorskip("jax", reason="needs hackmatrix[train]")
    from hackmatrix.purejaxrl import TrainConfig

    config = TrainConfig()
    table = between(COMMAND_LINE, "## Words", "## Exit codes")
    assert f"{config.num_envs} x {config.num_steps} = {config.batch_size:,} env steps" in table
    chunk = config.log_interval * config.batch_size
    assert f"{config.log_interval} updates = {chunk:,} env steps" in table
    rows = -(-config.num_updates // config.log_interval)
    assert f"{rows} for a run of {config.num_updates} updates" in table


def test_the_exit_codes_are_those_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax", reason="needs hackmatrix[train]")
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from arguments import EXIT_CODES

    stated = re.findall(r"^  (\d+) +(.+)$", EXIT_CODES, re.MULTILINE)
    table = re.findall(r"^\| (\d+) \| (.+) \|$", COMMAND_LINE.split("## Exit codes", 1)[1], re.MULTILINE)
    assert table == stated
    assert len(stated) == 6
