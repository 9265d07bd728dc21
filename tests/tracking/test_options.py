from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.errors import BackendOptionError
from hackmatrix.tracking.options import (
    coerce_options,
    make_with_options,
    parse_options,
    refuse_unused_options,
)


class Carrier:
    def __init__(
        self,
        *,
        mode: Literal["online", "offline", 3] = "online",
        retries: int = 3,
        timeout_s: float = 1.0,
        resume: bool = True,
        entity: str | None = None,
        limit: Optional[int] = None,  # noqa: UP045 - the old spelling is understood too
        speed: int | float | str = 1,  # noqa: PYI041 - a whole number shall stay one
        folder: Path | None = None,
        tags: Sequence[str] = (),
        sizes: list[int] | None = None,
        pair: tuple[int, ...] = (),
        anything: Any = None,
        extra: dict[str, int] | None = None,
        bare=None,
    ):
        self.given = {key: value for key, value in locals().items() if key != "self"}


class Greedy:
    def __init__(self, needed: int, **rest):
        self.needed, self.rest = needed, rest


class Unresolvable:
    def __init__(self, kind: "OnlyForCheckers" = 3):  # noqa: F821 - that it does not exist is what is tested
        self.kind = kind


def same(one, other):
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(
    ("option", "given", "found"),
    [
        ("mode", "offline", "offline"),
        ("mode", "3", 3),
        ("mode", 3, 3),
        ("retries", "5", 5),
        ("retries", " 5", 5),
        ("retries", 5, 5),
        ("timeout_s", "2.5", 2.5),
        ("timeout_s", "1e3", 1000.0),
        ("timeout_s", 2, 2.0),
        ("resume", "no", False),
        ("resume", "TRUE", True),
        ("resume", False, False),
        ("entity", "me", "me"),
        ("entity", "none", None),
        ("entity", None, None),
        ("entity", "3", "3"),
        ("limit", "3", 3),
        ("limit", "null", None),
        ("speed", "3", 3),
        ("speed", "3.5", 3.5),
        ("speed", "fast", "fast"),
        ("speed", 3.5, 3.5),
        ("folder", "a/b", Path("a/b")),
        ("folder", Path("a"), Path("a")),
        ("tags", "a,b", ("a", "b")),
        ("tags", ["a", "b"], ("a", "b")),
        ("sizes", "1,2", [1, 2]),
        ("sizes", (1, 2), [1, 2]),
        ("pair", "1,2", (1, 2)),
        ("anything", "x", "x"),
        ("extra", {"a": 1}, {"a": 1}),
        ("bare", "x", "x"),
    ],
)
def test_a_text_becomes_what_the_constructor_wants(option, given, found):
    assert same(coerce_options("carrier", Carrier, {option: given})[option], found)
    made = make_with_options(Carrier, "carrier", {option: given})
    assert same(made.given[option], found)


@pytest.mark.parametrize(
    ("option", "given", "message"),
    [
        ("mode", "onlin", "carrier.mode is 'onlin' (str), expected 'online' or 'offline' or 3"),
        ("retries", "many", "carrier.retries is 'many' (str), expected int"),
        ("retries", 2.5, "is 2.5 (float), expected int"),
        ("retries", True, "is True (bool), expected int"),
        ("retries", None, "is None (NoneType), expected int"),
        ("retries", "9" * 5000, "expected int"),
        ("timeout_s", "soon", "expected float"),
        ("timeout_s", True, "expected float"),
        ("timeout_s", 10**400, "expected float"),
        ("resume", "maybe", "expected true or false"),
        ("resume", 1, "is 1 (int), expected true or false"),
        ("entity", 3, "is 3 (int), expected str or none"),
        ("limit", "x", "expected int or none"),
        ("folder", 3, "expected Path or none"),
        ("folder", "", "expected Path or none"),
        ("tags", 3, "expected"),
        ("tags", [3], "expected"),
        ("sizes", "1,x", "expected"),
        ("extra", "a", "expected"),
        (
            "retrys",
            3,
            "tracker 'carrier' has no option 'retrys'. Did you mean 'retries'? Known: anything, bare,",
        ),
        ("zzzzzz", 3, "tracker 'carrier' has no option 'zzzzzz'. Known: anything"),
    ],
)
def test_a_wrong_option_is_refused_with_what_would_do(option, given, message):
    with pytest.raises(BackendOptionError) as caught:
        coerce_options("carrier", Carrier, {option: given})
    assert message in str(caught.value)


def test_a_missing_option_is_named():
    with pytest.raises(BackendOptionError, match=r"needs the option 'needed'; give greedy\.needed="):
        coerce_options("greedy", Greedy, {})


def test_a_constructor_that_takes_anything_gets_it():
    assert coerce_options("greedy", Greedy, {"needed": "3", "other": "x"}) == {"needed": 3, "other": "x"}


def test_a_constructor_without_options_says_so():
    class Bare:
        pass

    assert isinstance(make_with_options(Bare, "bare", {}), Bare)
    with pytest.raises(BackendOptionError, match="It takes none"):
        coerce_options("bare", Bare, {"x": 1})


def test_an_annotation_for_checkers_alone_lets_everything_pass():
    assert coerce_options("unresolvable", Unresolvable, {"kind": "x"}) == {"kind": "x"}


def test_an_inherited_constructor_is_checked_too():
    class Child(Carrier):
        pass

    assert coerce_options("child", Child, {"retries": "5"}) == {"retries": 5}


@given(
    st.dictionaries(
        st.sampled_from(["retries", "timeout_s", "resume", "mode", "limit", "tags", "x"]), st.text()
    )
)
def test_any_text_is_taken_or_refused_clearly(options):
    try:
        found = coerce_options("carrier", Carrier, options)
    except BackendOptionError:
        return
    assert coerce_options("carrier", Carrier, found) == found


def test_options_of_the_command_line_are_grouped_by_tracker():
    texts = ["wandb.mode=offline", "wandb.settings.x=a=b", " jsonl . fsync =always", "x.empty="]
    assert parse_options(texts) == {
        "wandb": {"mode": "offline", "settings.x": "a=b"},
        "jsonl": {"fsync": "always"},
        "x": {"empty": ""},
    }
    assert parse_options([]) == {}


@pytest.mark.parametrize(
    "text", ["", "wandb", "wandb.mode", "mode=offline", ".mode=x", "wandb.=x", "=", "=a.b"]
)
def test_an_option_of_another_form_is_refused(text):
    with pytest.raises(BackendOptionError, match=r"write tracker\.option=value, e\.g\. wandb\.mode=offline"):
        parse_options([text])


def test_an_option_given_twice_is_refused():
    with pytest.raises(BackendOptionError, match=r"wandb\.mode is given twice"):
        parse_options(["wandb.mode=offline", "wandb.mode=online"])


@given(st.lists(st.text()))
def test_any_options_are_parsed_or_refused(texts):
    try:
        options = parse_options(texts)
    except BackendOptionError:
        return
    assert sum(map(len, options.values())) == len(texts)


def test_options_for_a_tracker_that_is_not_in_use_are_refused():
    refuse_unused_options({"wandb": {}}, ["jsonl", "wandb"])
    with pytest.raises(BackendOptionError) as caught:
        refuse_unused_options({"wand": {}}, ["wandb", "jsonl"])
    assert str(caught.value) == (
        "options for the tracker 'wand', which is not in use. Did you mean 'wandb'? In use: jsonl, wandb. "
        "Add it to them, or leave its options out."
    )
