"""The wandb backend passes every guarantee: the unmodified client, online, against the stand-in of the service."""

from pathlib import Path

import pytest

from hackmatrix.tracking import RunInfo
from hackmatrix.tracking.protocol import Row
from hackmatrix.tracking.testing import GUARANTEES, Case, Guarantee
from tests.wandb_service import WandbService
from tests.wandb_service.fixtures import wandb_service

__all__ = ["wandb_service"]  # a fixture

OWN = ("_step", "_timestamp", "_runtime", "_wandb")


def read_history(service: WandbService, run: RunInfo) -> list[Row]:
    """What the service holds, in its order."""
    rows = service.history(run.entity or "ada", run.project, run.id)
    spelled = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
    return [
        Row(
            row["_step"],
            row["_timestamp"],
            row["_runtime"],
            {
                tag: spelled[value] if isinstance(value, str) else value
                for tag, value in row.items()
                if tag not in OWN
            },
        )
        for row in rows
    ]


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda guarantee: guarantee.__name__)
def test_wandb_keeps(guarantee: Guarantee, wandb_service: WandbService, tmp_path: Path) -> None:
    case = Case(
        name="wandb",
        read=lambda run: read_history(wandb_service, run),
        precision="json",
        readable_at_once=False,
    )
    guarantee(case, tmp_path / "runs-of-test")
