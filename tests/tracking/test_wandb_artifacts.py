"""Artifacts and look-ups of the W&B backend, with the unmodified client, against the stand-in of the service."""

import hashlib
import math
from pathlib import Path

import pytest

from hackmatrix.tracking.errors import RunNotFoundError
from hackmatrix.tracking.protocol import ArtifactRecord, MediaRecord, RemoteRun
from tests.tracking.wandb_cases import CONFIG, ID, NAME, info, rows, steps
from tests.wandb_service.fixtures import wandb_service

wandb = pytest.importorskip("wandb", reason="the package wandb is not installed")

from hackmatrix.tracking.backends.wandb import WandbBackend  # noqa: E402 - after the skip

__all__ = ["wandb_service"]
COLLECTION = f"{NAME}-checkpoint"
REMOTE = RemoteRun(
    name=NAME, uid="u1", project="p", entity="team", config=CONFIG, status="running", attempts=1, steps=()
)


def checkpoint(folder: Path, step: int, *aliases: str) -> tuple[ArtifactRecord, dict[str, Path]]:
    """Two files, one of which is the same in every checkpoint."""
    place = folder / f"step-{step}"
    place.mkdir(parents=True, exist_ok=True)
    contents = {f"step-{step}/state.bin": b"state %d" % step * 1000, "pieces/0.jsonl": b"the same in all"}
    files = {}
    for name, content in contents.items():
        files[name] = place / name.replace("/", "-")
        files[name].write_bytes(content)
    digest = hashlib.sha256(repr(sorted(contents.items())).encode()).hexdigest()
    record = ArtifactRecord(
        name="checkpoint",
        type="model",
        step=step,
        digest=digest,
        aliases=("latest", f"checkpoint-{step}", *aliases),
        metadata={"episode_return": 3.5},
    )
    return record, files


def opened(tmp_path: Path, **options: object) -> WandbBackend:
    backend = WandbBackend(**options)
    backend.open(info(tmp_path / "run"), CONFIG)
    return backend


def test_a_checkpoint_comes_back_on_an_empty_disk_without_a_run(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path)
    record, files = checkpoint(tmp_path, 20, "best")
    backend.put_artifact(record, files, None)
    backend.close("finished", {}, 20.0)
    (version,) = wandb_service.artifacts("team", "p", COLLECTION)
    assert (version.type, version.state) == ("model", "COMMITTED")
    assert version.metadata == {"episode_return": 3.5, "digest": record.digest, "step": 20}
    assert set(version.aliases) == {"latest", "checkpoint-20", "best"}
    for place, wanted in (("a", 20), ("b", "best"), ("c", "latest")):
        into = tmp_path / "empty" / place
        into.mkdir(parents=True)
        WandbBackend().get_artifact(REMOTE, "checkpoint", wanted, into)
        got = {
            path.relative_to(into).as_posix(): path.read_bytes() for path in into.rglob("*") if path.is_file()
        }
        assert got == {name: path.read_bytes() for name, path in files.items()}


def test_what_is_not_there_is_said_to_be_not_there(wandb_service, tmp_path) -> None:
    with pytest.raises(RunNotFoundError, match=r"no artifact team/p/nice-jan25-26-1-checkpoint:checkpoint-7"):
        WandbBackend().get_artifact(REMOTE, "checkpoint", 7, tmp_path)


def test_putting_the_same_again_changes_nothing_but_the_names(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path)
    record, files = checkpoint(tmp_path, 20)
    backend.put_artifact(record, files, 3)
    uploads = list(wandb_service.uploads)
    backend.put_artifact(record, files, 3)
    better, _ = checkpoint(tmp_path, 20, "best")
    backend.put_artifact(better, files, 3)
    backend.close(None, {}, 5.0)
    again = opened(tmp_path)
    again.put_artifact(better, files, 3)
    again.close("finished", {}, 20.0)
    (version,) = wandb_service.artifacts("team", "p", COLLECTION)
    assert set(version.aliases) == {"latest", "checkpoint-20", "best"}
    assert [path for path in wandb_service.uploads if "content" in path] == [
        p for p in uploads if "content" in p
    ]


def test_what_is_beyond_keep_is_deleted_but_not_the_best(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path)
    for step in (10, 20, 30, 40, 50):
        record, files = checkpoint(tmp_path, step, *(("best",) if step == 20 else ()))
        backend.put_artifact(record, files, 2)
    backend.close("finished", {}, 20.0)
    held = wandb_service.artifacts("team", "p", COLLECTION)
    assert [version.metadata["step"] for version in held] == [50, 40, 20]
    shared = hashlib.md5(b"the same in all").hexdigest()
    assert wandb_service.uploads.count(f"content/{shared}") == 1


def test_everything_is_kept_at_the_server_if_that_is_wanted(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path, keep_remote_all=True)
    for step in (10, 20, 30):
        backend.put_artifact(*checkpoint(tmp_path, step), 1)
    backend.close("finished", {}, 20.0)
    assert len(wandb_service.artifacts("team", "p", COLLECTION)) == 3


def test_an_upload_that_fails_is_told_and_can_be_put_again(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path, artifact_timeout=2.0)
    record, files = checkpoint(tmp_path, 20)
    wandb_service.fault("hang", "CommitArtifact", times=1, seconds=4)
    with pytest.raises(ConnectionError, match="artifact 'checkpoint' is not at W&B after 2 s"):
        backend.put_artifact(record, files, 3)
    backend.put_artifact(record, files, 3)
    backend.write(rows(0, 30))
    assert backend.close("finished", {}, 20.0) == 25
    assert len(wandb_service.artifacts("team", "p", COLLECTION)) == 1


def test_a_run_is_found_by_name_by_id_and_by_its_config(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path)
    backend.write(rows(0, 30))
    for step in (20, 10):
        backend.put_artifact(*checkpoint(tmp_path, step), None)
    backend.close("failed", {}, 20.0)
    asked = WandbBackend()
    found = asked.find(NAME, None, "p", "team")
    assert found is not None
    assert (found.name, found.uid, found.project, found.entity) == (NAME, "u1", "p", "team")
    assert (found.status, found.attempts, found.steps) == ("failed", 1, (10, 20))
    assert found.config == CONFIG
    assert asked.find(ID, None, "p", "team") == found
    assert asked.find(None, "d1", "p", "team") == found
    for name, digest, project in (
        ("other", None, "p"),
        (None, "d2", "p"),
        (NAME, None, "q"),
        (None, "d1", "q"),
    ):
        assert asked.find(name, digest, project, "team") is None
    assert asked.taken(NAME, "p", "team")
    assert not asked.taken("other", "p", "team")


def test_who_cannot_be_asked_counts_as_free_and_is_told_once(wandb_service, caplog, monkeypatch) -> None:
    monkeypatch.setattr("hackmatrix.tracking.backends._wandb_client._told", set())
    wandb_service.stop()
    backend = WandbBackend()
    with pytest.raises(ConnectionError, match="cannot be reached"):
        backend.find(NAME, None, "p", "team")
    assert not backend.taken(NAME, "p", "team")
    assert not backend.taken(NAME, "p", "team")
    told = [record for record in caplog.records if record.name == "hackmatrix.tracking"]
    assert len(told) == 1


def test_media_stand_in_the_row_of_their_step(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path)
    backend.write(rows(0, 10))
    data = {
        "counts": [1, 2, 1],
        "edges": [0.0, 1.0, 2.0, 3.0],
        "min": 0.5,
        "max": 2.5,
        "sum": 6.0,
        "sum_squares": 10.0,
    }
    assert backend.write_media(
        MediaRecord(kind="histogram", tag="w", step=10, timestamp=1.0, data=data), None
    )
    text = MediaRecord(kind="text", tag="t", step=10, timestamp=1.0, data={"text": "a < b"})
    assert backend.write_media(text, None)
    backend.write(rows(10, 20))
    late = MediaRecord(kind="text", tag="t", step=10, timestamp=1.0, data={"text": "late"})
    assert not backend.write_media(late, None)
    assert backend.close("finished", {}, 20.0) == 15
    assert steps(wandb_service) == [0, 5, 10, 15]
    row = wandb_service.history("team", "p", ID)[2]
    assert row["train/loss"] == 5
    assert row["w"]["values"] == [1, 2, 1]
    assert row["t"]["_type"] == "html-file"


def test_numbers_that_json_lacks_come_back_through_the_clients_reader(wandb_service, tmp_path) -> None:
    backend = opened(tmp_path)
    values = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 2**53 + 1, "e": 0.1, "x.y/z": 1e-300}
    backend.write([rows(0, 5)[0]._replace(metrics=values)])
    assert backend.close("finished", {}, 20.0) == 0
    (row,) = wandb.Api().run(f"team/p/{ID}").scan_history()
    assert {tag: float(row[tag]) for tag in "bc"} == {"b": math.inf, "c": -math.inf}
    assert math.isnan(float(row["a"]))
    assert {tag: row[tag] for tag in ("d", "e", "x.y/z")} == {"d": 2**53 + 1, "e": 0.1, "x.y/z": 1e-300}
