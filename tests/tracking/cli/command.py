"""The command line as a person meets it: what it prints, where, and how it ends."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from hackmatrix.tracking.cli import main


class Said(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``hackmatrix-runs`` with these words."""
    pytest.importorskip("click", reason="the package click is not installed")
    pytest.importorskip("rich", reason="the package rich is not installed")
    pytest.importorskip("numpy", reason="the package numpy is not installed")

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Said(code, told.out, told.err)

    return run
