"""Runs on disk as the tests of readers need them, written by the tracker itself."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hackmatrix.tracking import open_tracker
from hackmatrix.tracking.protocol import Number

Said = tuple[int, dict[str, Number]]

tags = st.sampled_from(["train/loss", "eval/return", "odd,=%", "日本"])
numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=32),
)


@st.composite
def histories(draw: st.DrawFn, most: int = 12) -> list[Said]:
    """What a loop may say: steps rise or stay, and a step that stays gets other tags."""
    said: list[Said] = []
    step, taken = 0, set[str]()
    for _ in range(draw(st.integers(0, most))):
        free = sorted({"train/loss", "eval/return", "odd,=%", "日本"} - taken)
        if not free or draw(st.booleans()):
            step, taken = step + draw(st.integers(1, 9)), set()
            free = ["train/loss", "eval/return", "odd,=%", "日本"]
        metrics = draw(st.dictionaries(st.sampled_from(free), numbers, min_size=1))
        taken |= set(metrics)
        said.append((step, metrics))
    return said


def write_run(
    root: Path, said: Iterable[Said], *, name: str = "run", config: Any = None, **more: Any
) -> Path:
    """A finished run; its folder."""
    with open_tracker("jsonl", name=name, root=root, config=config or {}, **more) as tracker:
        for step, metrics in said:
            tracker.log(metrics, step=step)
    return root / name


def folded(said: Iterable[Said]) -> dict[int, dict[str, Number]]:
    """Step -> its metrics: the slow and obvious way."""
    steps: dict[int, dict[str, Number]] = {}
    for step, metrics in said:
        steps.setdefault(step, {}).update(metrics)
    return steps


def same(one: Number | None, other: Number | None) -> bool:
    """Equal as numbers, NaN to itself, nothing only to nothing."""
    if one is None or other is None:
        return one is other
    return one == other or (math.isnan(one) and math.isnan(other))
