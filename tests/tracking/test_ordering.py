"""Steps never fall, and no tag is said twice in one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackmatrix.tracking.errors import InvalidTagError, StepOrderError
from hackmatrix.tracking.ordering import StepOrder, whole_number

calls = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 2), st.sets(st.sampled_from("abc"), max_size=3)), max_size=12
)


@given(calls, st.one_of(st.none(), st.integers(0, 3)))
def test_exactly_what_repeats_or_falls_is_refused(
    said: list[tuple[int, int, set[str]]], last: int | None
) -> None:
    order = StepOrder(last)
    held: dict[int, set[str]] = {}
    for first, more, tags in said:
        newest = max(held, default=-1 if last is None else last)
        allowed = first > newest or (first in held and first == newest and not held[first] & tags)
        if not allowed:
            with pytest.raises(StepOrderError):
                order.admit(first, first + more, tags)
            continue
        order.admit(first, first + more, tags)
        for step in range(first, first + more + 1):
            held.setdefault(step, set()).update(tags)
        assert order.newest == first + more


def test_each_refusal_says_which_one_it_is() -> None:
    order = StepOrder(4)
    with pytest.raises(StepOrderError, match="before this attempt"):
        order.admit(4, 4, {"a"})
    order.admit(7, 7, {"a"})
    with pytest.raises(StepOrderError, match="step 7 has 'a' already"):
        order.admit(7, 7, {"b", "a"})
    with pytest.raises(StepOrderError, match="smaller than step 7"):
        order.admit(6, 6, {"a"})
    order.seal(7)
    with pytest.raises(StepOrderError, match="sealed by the checkpoint of step 7"):
        order.admit(7, 7, {"c"})
    with pytest.raises(StepOrderError, match="cannot be saved after"):
        order.seal(5)


def test_a_seal_beyond_the_newest_step_raises_it() -> None:
    order = StepOrder(None)
    order.admit(1, 1, {"a"})
    order.seal(3)
    order.seal(3)
    with pytest.raises(StepOrderError):
        order.admit(3, 3, {"a"})
    order.admit(4, 4, {"a"})


def test_what_the_caller_changes_later_does_not_change_what_was_said() -> None:
    order = StepOrder(None)
    order.admit(1, 1, {"a": 1.0})
    order.admit(1, 1, {"b": 1.0})
    with pytest.raises(StepOrderError):
        order.admit(1, 1, {"a": 1.0})


def test_a_tag_is_checked_also_when_others_are_known() -> None:
    order = StepOrder(None)
    order.check_tags({"a", "b"})
    for bad in ("_step", "", "\ud800", 7):
        with pytest.raises(InvalidTagError):
            order.check_tags(["a", bad])  # type: ignore[list-item]
        with pytest.raises(InvalidTagError):
            order.check_tags(["a", bad])  # type: ignore[list-item]


@pytest.mark.parametrize("bad", [-1, 1.0, True, "1", None, [1]])
def test_what_is_no_step_is_refused(bad: object) -> None:
    with pytest.raises(StepOrderError, match="expected an integer >= 0"):
        whole_number(bad)


def test_integers_of_numpy_are_steps() -> None:
    numpy = pytest.importorskip("numpy", reason="needs NumPy's integers")
    assert type(whole_number(numpy.int64(3))) is int
    assert whole_number(2**70) == 2**70
