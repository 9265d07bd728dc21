"""The language of filters means what Python would mean, and is never executed."""

import operator
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.cli.where import FilterError, parse_filter

RUN = {
    "name": "nice-run",
    "status": "running",
    "step": 10,
    "config.env": "hackmatrix",
    "config.lr": 1e-3,
    "config.clip": None,
    "config.anneal": True,
    "config.learning rate": 0.5,
    "summary.mean_episode_return": 4.5,
    "tags": ["ppo", "ablation"],
}


def holds(text: str) -> bool:
    return parse_filter(text)(RUN.get)


@pytest.mark.parametrize(
    "text",
    [
        "config.env == 'hackmatrix' and summary.mean_episode_return > 3",
        'status == "running"',
        "status != 'failed'",
        "step >= 10 and step <= 1e1 and not step > 10",
        "'ppo' in tags and 'sweep' not in tags",
        "status in ['running', 'lost']",
        "name like 'nice-*'",
        "'ice' in name",
        "config.clip == none",
        "config.nowhere == None",
        "config.anneal",
        "config.anneal == true and config.lr == 0.001",
        "not (step == 1 or step == 2) and (step == 10)",
        "step == 1 or step == 10 and status == 'running'",
        "config['learning rate'] == 0.5",
        r"'a\'b' == 'a\'b'",
        "step > -1_000",
        "summary.mean_episode_return > .5",
        "config.lr < 1.e-2 and step > -.5e3",
        "NOT step < 3 AND TRUE",
        f"step < {'9' * 5000}",
    ],
)
def test_it_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "step > 'a'",  # unlike types are neither less nor greater
        "config.nowhere > 0",
        "config.nowhere < 0",
        "config.anneal == 1",  # a flag is no number
        "tags == 'ppo'",
        "status in 'failed'",
        "step in step",
        "name like 3",
    ],
)
def test_it_does_not_hold(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a field"),
        ("status = 1", "write '=='"),
        ("step > 1 step", "expected 'and', 'or' or the end"),
        ("(step > 1", r"expected '\)'"),
        ("step in [1, 2", "expected ']'"),
        ("step >", "expected a field"),
        ("step not 3", "expected 'in' after 'not'"),
        ("1abc > 2", "not understood"),
        ("'open", "not understood"),
        ("__import__('os').system('true')", "'.' is not understood"),
        ("len('os')", "expected 'and', 'or' or the end"),
        ("step; step", "';' is not understood"),
        ("(" * 1000, "brackets deep"),
        ("not " * 1000 + "step", "brackets deep"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message) as refused:
        parse_filter(text)
    assert refused.value.args[0].endswith("^")


numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.6g}")))
comparisons = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
atoms = st.tuples(numbers, st.sampled_from(list(comparisons)), numbers).map(
    lambda atom: (f"{atom[0]!r} {atom[1]} {atom[2]!r}", comparisons[atom[1]](atom[0], atom[2]))
)
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) and {two[1][0]}", two[0][1] and two[1][1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) or ({two[1][0]})", two[0][1] or two[1][1])),
        inner.map(lambda one: (f"not ({one[0]})", not one[1])),
    ),
    max_leaves=8,
)


@given(expressions)
def test_any_expression_means_what_python_means(expression: tuple[str, bool]) -> None:
    text, _ = expression
    # Python reads the same text: the precedence of its words is that of this language.
    assert holds(text) == bool(eval(text, {"__builtins__": {}}))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(FilterError):
        parse_filter(text)(RUN.get)


@given(st.text(max_size=30))
def test_any_text_can_be_compared_with(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert parse_filter(f"name == '{quoted}'")({"name": text}.get)


def test_every_filter_of_the_documentation_is_understood() -> None:
    page = (Path(__file__).parents[3] / "docs" / "runs.md").read_text(encoding="utf-8")
    table = page.split("| to ask | write |")[1].split("\n\n")[0]
    filters = re.findall(r"`([^`]+)`", table) + re.findall(r'--where "([^"]+)"', page)
    assert len(filters) >= 9
    for text in filters:
        parse_filter(text)(RUN.get)
