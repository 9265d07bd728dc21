"""Each attempt says where its numbers come from, and nobody waits for it."""

import json
import subprocess
from pathlib import Path

import pytest

from hackmatrix.tracking import open_tracker, read_run
from hackmatrix.tracking.provenance import Provenance, gather


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org"]
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        pytest.skip("git is not installed")
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one file, which was changed after its commit."""
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "train.py").write_text("lr = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    (folder / "train.py").write_text("lr = 2\n")
    (folder / "new.py").write_text("")
    return folder


def test_commit_and_changes_are_found(checkout: Path) -> None:
    found = gather(checkout / "train.py")
    assert found.facts["commit"] == git(checkout, "rev-parse", "HEAD")
    assert found.facts["dirty"]
    assert found.facts["untracked"] == ["new.py"]
    assert b"-lr = 1\n+lr = 2\n" in found.files["diff.patch"]


def test_the_diff_gives_the_changes_back(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "diff.patch").write_bytes(gather(checkout).files["diff.patch"])
    git(checkout, "checkout", "train.py")
    git(checkout, "apply", str(tmp_path / "diff.patch"))
    assert (checkout / "train.py").read_text() == "lr = 2\n"


def test_a_clean_checkout_has_no_diff(checkout: Path) -> None:
    git(checkout, "checkout", "train.py")
    found = gather(checkout)
    assert not found.facts["dirty"]
    assert "diff.patch" not in found.files


def test_packages_are_listed_with_their_versions(tmp_path: Path) -> None:
    lines = gather(tmp_path).files["packages.txt"].decode().splitlines()
    assert any(line.startswith("msgspec==") for line in lines)


def test_what_is_no_checkout_has_no_commit(tmp_path: Path) -> None:
    assert "commit" not in gather(tmp_path).facts


def test_each_attempt_keeps_its_own(checkout: Path, tmp_path: Path) -> None:
    for attempt in range(2):
        with open_tracker("jsonl", name="run", root=tmp_path) as tracker, Provenance(tracker, checkout):
            tracker.log({"loss": 1.0}, step=attempt)
    records = read_run(tmp_path / "run").records()
    assert [(record["name"], record["aliases"]) for record in records] == [
        ("provenance", ["attempt-0"]),
        ("provenance", ["attempt-1"]),
    ]
    facts = json.loads((tmp_path / "run" / records[0]["place"] / "provenance.json").read_text())
    assert facts["commit"] == git(checkout, "rev-parse", "HEAD") == records[0]["metadata"]["commit"]


def test_a_run_that_is_over_before_it_is_known_ends_in_peace(checkout: Path, tmp_path: Path) -> None:
    tracker = open_tracker("jsonl", name="run", root=tmp_path)
    provenance = Provenance(tracker, checkout)
    assert tracker.finish().complete
    provenance.close()


def test_a_null_tracker_asks_nobody(checkout: Path) -> None:
    with open_tracker("null") as tracker, Provenance(tracker, checkout) as provenance:
        assert provenance._thread.ident is None


def test_a_command_line_that_is_no_text_is_kept_escaped(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["train.py", "caf\udce9.txt"])  # a byte that UTF-8 does not know
    with open_tracker("jsonl", name="run", root=tmp_path) as tracker, Provenance(tracker, checkout):
        tracker.log({"loss": 1.0}, step=0)
    run = read_run(tmp_path / "run")
    command = ["train.py", "caf\\xe9.txt"]
    assert run.attempts[0]["command"] == run.records()[0]["metadata"]["command"] == command
