"""What the package offers, and that it is imported when it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hackmatrix.tracking


def modules_after(statement: str) -> set[str]:
    code = (
        f"import sys; {statement}; print(*(m for m in sys.modules if m.startswith('hackmatrix.tracking.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_imports_no_module_of_its_own_and_a_name_only_what_it_needs() -> None:
    assert modules_after("import hackmatrix.tracking") == set()
    assert modules_after("from hackmatrix.tracking import Tracker") == {"hackmatrix.tracking.protocol"}


def test_every_public_name_is_there_and_type_checkers_are_told_the_same() -> None:
    tree = ast.parse(Path(hackmatrix.tracking.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {
        alias.name: node.module.rpartition(".")[2]
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }
    assert told == hackmatrix.tracking._HOMES
    assert sorted(told) == sorted(hackmatrix.tracking.__all__)
    for name in hackmatrix.tracking.__all__:
        assert getattr(hackmatrix.tracking, name) is not None
        assert name in dir(hackmatrix.tracking)


def test_a_name_that_is_not_there_is_told_as_of_any_module() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        hackmatrix.tracking.nothing  # noqa: B018 - asking is the point
