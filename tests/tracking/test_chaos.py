"""A dozen kills at random instants; ``scripts/long_checks`` does a thousand."""

from pathlib import Path

import pytest

pytest.importorskip("tensorboardX", reason="needs hackmatrix[tensorboard]")
pytest.importorskip("tensorboard", reason="needs TensorBoard's own reader")
pytest.importorskip("wandb", reason="needs hackmatrix[wandb]")

from tests.chaos import chaos


def test_a_dozen_kills_leave_each_step_once_in_the_journal_and_in_tensorboard(tmp_path: Path) -> None:
    figures = chaos("tensorboard", 8, 5, tmp_path)
    assert not figures.differences, figures


def test_kills_leave_each_step_once_at_the_service(tmp_path: Path) -> None:
    figures = chaos("wandb", 4, 6, tmp_path, 3.0)
    assert not figures.differences, figures
