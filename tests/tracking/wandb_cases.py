"""One run with its rows, as the tests of the W&B backend use it."""

import time
from pathlib import Path

from hackmatrix.tracking.naming import run_id
from hackmatrix.tracking.protocol import Config, Row, RunInfo
from tests.wandb_service import WandbService

NAME = "nice-jan25-26-1"
ID = run_id(NAME)
CONFIG: Config = {"lr": 0.5, "layers": [64, 64], "run_uid": "u1", "config_digest": "d1", "attempt": 0}


def info(folder: Path, **changes: object) -> RunInfo:
    folder.mkdir(parents=True, exist_ok=True)
    given = {
        "id": ID,
        "name": NAME,
        "uid": "u1",
        "project": "p",
        "entity": "team",
        "folder": folder,
        **changes,
    }
    return RunInfo(**given)


def rows(first: int, last: int) -> list[Row]:
    """A row at every fifth step from ``first`` to before ``last``."""
    return [Row(step, 1000.0 + step, 5.0, {"train/loss": step / 2}) for step in range(first, last, 5)]


def steps(service: WandbService) -> list[int]:
    """The steps that the service holds of the run, in its order."""
    return [row["_step"] for row in service.history("team", "p", ID)]


def wait_for_rows(service: WandbService, count: int) -> None:
    """Until the client has sent them: it does so once a second."""
    deadline = time.monotonic() + 20
    while len(service.run("team", "p", ID).lines.get("wandb-history.jsonl", [])) < count:
        assert time.monotonic() < deadline, f"{count} rows did not arrive in 20 s"
        time.sleep(0.02)
