"""Every backend passes every guarantee, and every planted defect fails its own."""

import contextlib
from pathlib import Path

import pytest

from hackmatrix.tracking import RunInfo, read_run
from hackmatrix.tracking.protocol import Row
from hackmatrix.tracking.testing import GUARANTEES, PLANTED_DEFECTS, Case, Guarantee

by_name = pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda guarantee: guarantee.__name__)


def read_journal(run: RunInfo) -> list[Row]:
    assert run.folder is not None
    return list(read_run(run.folder).lines())


JOURNAL = Case(name="jsonl", read=read_journal)


@by_name
def test_the_journal_keeps(guarantee: Guarantee, tmp_path: Path) -> None:
    guarantee(JOURNAL, tmp_path)


@by_name
def test_tensorboard_keeps(guarantee: Guarantee, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="needs hackmatrix[tensorboard]")
    pytest.importorskip("tensorboard", reason="needs TensorBoard's own reader")
    from tests.tracking.tensorboard_reader import read_events

    guarantee(Case(name="tensorboard", read=read_events, precision="float32"), tmp_path)


@by_name
def test_a_planted_defect_fails(guarantee: Guarantee, tmp_path: Path) -> None:
    case = JOURNAL
    if guarantee.__name__ in ("never_in_the_way", "a_failure_is_told_not_fatal"):
        from tests.tracking.list_backend import LIST_CASE

        case = LIST_CASE
    with PLANTED_DEFECTS[guarantee.__name__](), contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(Exception))
        guarantee(case, tmp_path)


def test_each_guarantee_has_a_planted_defect() -> None:
    assert {guarantee.__name__ for guarantee in GUARANTEES} == set(PLANTED_DEFECTS)
