"""``compare`` tells in what runs differ, and where they part."""

import json
from pathlib import Path
from typing import Any

from hackmatrix.tracking import open_tracker
from tests.tracking.cli.command import Command, command
from tests.tracking.runs import Said, write_run

__all__ = ["command"]  # a fixture

ROWS: list[Said] = [(step, {"loss": 1.0 / step, "x/steps_per_second": 10.0}) for step in range(1, 6)]


def differences(command: Command, root: Path, *words: object) -> list[dict[str, Any]]:
    said = command("compare", "a", "b", "--root", root, "--json", *words)
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


def of_kind(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in found if each["kind"] == kind]


def test_equal_runs_differ_in_nothing(tmp_path: Path, command: Command) -> None:
    for name in "ab":
        write_run(tmp_path, ROWS, name=name, config={"lr": 1.0})
    assert differences(command, tmp_path) == []
    assert "equal in all 5 steps" in command("compare", "a", "b", "--root", tmp_path).out


def test_config_and_attempt_are_compared_key_by_key(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, ROWS, name="a", config={"lr": 1.0, "old": 1}, attempt={"jax": "0.6"})
    write_run(tmp_path, ROWS, name="b", config={"lr": 2.0}, attempt={"jax": "0.7"})
    found = differences(command, tmp_path)
    assert [(each["key"], each["a"], each["b"]) for each in of_kind(found, "config")] == [
        ("lr", 1.0, 2.0),
        ("old", 1, None),
    ]
    assert [(each["key"], each["a"], each["b"]) for each in of_kind(found, "attempt")] == [
        ("jax", "0.6", "0.7")
    ]


def test_the_first_step_at_which_they_part_is_found(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, ROWS, name="a")
    other = [(step, {**metrics, "x/steps_per_second": 99.0}) for step, metrics in ROWS]
    other[3] = (4, {**other[3][1], "loss": 7.0})
    write_run(tmp_path, other, name="b")
    (parting,) = of_kind(differences(command, tmp_path), "parting")
    assert (parting["step"], parting["key"], parting["a"], parting["b"]) == (4, "loss", 0.25, 7.0)
    assert "part at step 4: loss is 0.25 and 7.0" in command("compare", "a", "b", "--root", tmp_path).out
    assert of_kind(differences(command, tmp_path, "--ignore", "loss"), "parting") == []


def test_a_tag_that_one_of_them_lacks_at_a_step_is_a_difference_and_nan_is_none(
    tmp_path: Path, command: Command
) -> None:
    nan = float("nan")
    write_run(tmp_path, [(1, {"loss": nan}), (2, {"loss": 1.0, "eval": 1.0})], name="a")
    write_run(tmp_path, [(1, {"loss": nan}), (2, {"loss": 1.0}), (3, {"loss": 1.0, "eval": 1.0})], name="b")
    (parting,) = of_kind(differences(command, tmp_path), "parting")
    assert (parting["step"], parting["key"], parting["a"], parting["b"]) == (2, "eval", 1.0, None)


def test_runs_without_a_common_step_are_told_so(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, [(1, {"loss": 1.0})], name="a")
    write_run(tmp_path, [(2, {"loss": 1.0})], name="b")
    assert "no step and tag stands in both" in command("compare", "a", "b", "--root", tmp_path).out


def keep_provenance(tmp_path: Path, name: str, packages: str, **facts: Any) -> None:
    """A run whose attempt says where it comes from, as ``Provenance`` keeps it."""
    place = tmp_path / f"provenance-of-{name}"
    place.mkdir()
    (place / "provenance.json").write_text(json.dumps(facts))
    (place / "packages.txt").write_text(packages)
    (place / "diff.patch").write_text(name)
    with open_tracker("jsonl", name=name, root=tmp_path, attempt={"device": "cpu"}) as tracker:
        aliases = [f"attempt-{tracker.run.attempt}"]
        tracker.log_artifact(place, name="provenance", type="provenance", step=0, aliases=aliases)


def test_packages_commit_and_platform_are_compared_where_both_recorded_them(
    tmp_path: Path, command: Command
) -> None:
    keep_provenance(tmp_path, "a", "jax==0.6\nnumpy==2.0\nold==1\n", commit="abc", platform="Linux-6.1")
    keep_provenance(tmp_path, "b", "jax==0.7\nnumpy==2.0\n", commit="abd", platform="Linux-6.1")
    found = differences(command, tmp_path)
    assert [(each["key"], each["a"], each["b"]) for each in of_kind(found, "package")] == [
        ("jax", "0.6", "0.7"),
        ("old", "1", None),
    ]
    assert [each["key"] for each in of_kind(found, "attempt")] == ["commit", "diff"]
    assert "packages\n" in command("compare", "a", "b", "--root", tmp_path).out


def test_a_run_compared_with_itself_is_named_once(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path, ROWS, name="a")
    assert "packages  not recorded by a\n" in command("compare", "a", "a", "--root", tmp_path).out


def test_packages_that_one_of_them_did_not_record_are_no_difference(tmp_path: Path, command: Command) -> None:
    keep_provenance(tmp_path, "a", "jax==0.6\n", commit="abc")
    write_run(tmp_path, ROWS, name="b", attempt={"device": "cpu"})
    assert {each["kind"] for each in differences(command, tmp_path)} <= {"result"}
    assert "packages  not recorded by b" in command("compare", "a", "b", "--root", tmp_path).out
