"""Whether the backend keeps what every backend promises, and what is Trackio's own."""

import re
import urllib.request
from datetime import datetime
from pathlib import Path

import pytest
import trackio
from trackio.sqlite_storage import SQLiteStorage

from hackmatrix.tracking import BackendSetupError, Row, RunConflictError, RunInfo, open_tracker
from hackmatrix.tracking.testing import GUARANTEES, Case, Guarantee


def read(run: RunInfo) -> list[Row]:
    """What Trackio's own reader gives."""
    return [
        Row(
            row.pop("step"),
            datetime.fromisoformat(row.pop("timestamp")).timestamp(),
            0.0,
            {re.sub("^__", "", tag): value for tag, value in row.items()},
        )
        for row in SQLiteStorage.get_logs(run.project, run_id=run.uid)
    ]


CASE = Case(name="trackio", read=read, exact_time=False)  # microseconds


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda guarantee: guarantee.__name__)
def test_trackio_keeps(guarantee: Guarantee, tmp_path: Path) -> None:
    guarantee(CASE, tmp_path)


def test_trackios_api_sees_the_run_and_its_config(tmp_path: Path) -> None:
    options = {"trackio": {"project": "seen"}}
    with open_tracker("trackio", name="one", root=tmp_path, config={"lr": 0.5}, options=options) as tracker:
        tracker.log({"train/loss": 1.0, "step": 7.0}, step=3)
    (run,) = trackio.Api().runs("seen")
    assert (run.name, run.id) == ("one", tracker.run.uid)
    assert (run.config or {})["lr"] == 0.5
    (row,) = SQLiteStorage.get_logs("seen", "one")
    assert (row["step"], row["train/loss"], row["__step"]) == (3, 1.0, 7.0)


def test_another_run_of_that_name_is_refused(tmp_path: Path) -> None:
    with open_tracker("trackio", name="twice", root=tmp_path / "a") as tracker:
        tracker.log({"a/value": 1.0}, step=0)
    with pytest.raises(RunConflictError, match="another run 'twice'"):
        open_tracker("trackio", name="twice", root=tmp_path / "b")


def test_an_automatic_name_that_the_project_has_is_not_given_again(tmp_path: Path) -> None:
    names = []
    for machine in ("a", "b"):
        with open_tracker("trackio", prefix="auto", root=tmp_path / machine) as tracker:
            tracker.log({"a/value": 1.0}, step=0)
        names.append(tracker.run.name)
    assert names[0] != names[1]


def test_a_project_that_trackio_refuses_is_told_at_open(tmp_path: Path) -> None:
    options = {"trackio": {"project": "model_system"}}
    with pytest.raises(BackendSetupError, match=r"trackio\.project=NAME"):
        open_tracker("trackio", name="refused", root=tmp_path, options=options)


def test_a_clock_that_is_set_back_does_not_disorder_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [2_000_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    with open_tracker("trackio", name="clock", root=tmp_path) as tracker:
        for step in range(5):
            tracker.log({"a/value": float(step)}, step=step)
            now[0] -= 60.0
    assert [row.step for row in read(tracker.run)] == [0, 1, 2, 3, 4]


def test_the_dashboard_answers_while_the_run_lasts(tmp_path: Path) -> None:
    options = {"trackio": {"dashboard": True}}
    with open_tracker("trackio", name="shown", root=tmp_path, options=options) as tracker:
        tracker.log({"a/value": 1.0}, step=0)
        url = tracker.run.url
        assert url is not None
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
