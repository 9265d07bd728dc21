"""The overhead's statistic on timings that are made up, so that the truth is known."""

import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy", reason="needs hackmatrix[train]")
pytest.importorskip("scipy", reason="comes with JAX")
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from overhead import (  # noqa: E402 - a script's neighbour, found by the line above
    Interval,
    Overhead,
    Pair,
    Verdict,
    chunks_to_decide,
    judge,
    measure_overhead,
    median_interval,
    picture,
)

CHUNKS, CHUNK_S = 10, 0.05


def made_up(
    rng: "np.random.Generator",
    *,
    pairs: int = 20,
    inside: float = 0.0,
    background: float = 0.0,
    noise: float = 0.01,
) -> list[Pair]:
    """Pairs of blocks whose calls cost a share ``inside`` of the wall, and whose threads ``background``."""
    wall = CHUNKS * CHUNK_S

    def noisy(seconds: float) -> float:
        return seconds * float(np.exp(rng.normal(0.0, noise)))

    found = []
    for _ in range(pairs):
        calls, thread = noisy(inside * wall), noisy(background * wall)
        null_calls, calls_too = noisy(1e-4 * wall), noisy(1e-4 * wall)
        found.append(
            Pair(
                chunks=CHUNKS,
                inside_tracker=calls + calls_too,
                inside_null=null_calls,
                background=thread,
                background_in_null=thread / 4,
                wall_null=noisy(wall),
                settled_tracker=noisy(wall * (1 + inside) * (CHUNKS - 1) / CHUNKS),
                settled_null=noisy(wall * (CHUNKS - 1) / CHUNKS),
            )
        )
    return found


def holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("pairs", [8, 20])
def test_intervals_hold_the_truth_as_often_as_they_say(pairs: int) -> None:
    rng = np.random.default_rng(1)
    inside, background, rounds = 0.004, 0.003, 300
    hits = {"upper": 0, "inside": 0, "wall": 0}
    for _ in range(rounds):
        found = measure_overhead(made_up(rng, pairs=pairs, inside=inside, background=background, noise=0.05))
        hits["upper"] += holds(found.upper, inside + background)
        hits["inside"] += holds(found.inside, inside)
        hits["wall"] += holds(found.wall, inside)
    # Three standard errors of 95% over 300 rounds are 3.8%.
    assert all(count > (0.95 - 0.038) * rounds for count in hits.values()), hits


def test_null_against_null_is_nothing_and_is_called_over_no_more_often_than_the_error_rate() -> None:
    rng = np.random.default_rng(2)
    found = [measure_overhead(made_up(rng, noise=0.03)) for _ in range(300)]
    assert sum(judge(each, 0.01) is Verdict.OVER for each in found) <= 300 * 0.025
    assert sum(holds(each.upper, 0.0) for each in found) > 300 * (0.95 - 0.038)


def test_a_tracker_slow_by_two_percent_is_found_out() -> None:
    found = measure_overhead(made_up(np.random.default_rng(3), inside=0.02, noise=0.05))
    assert judge(found, 0.01) is Verdict.OVER
    assert holds(found.inside, 0.02)


def test_a_cheap_tracker_is_under_the_limit() -> None:
    found = measure_overhead(made_up(np.random.default_rng(4), inside=0.0005, background=0.002))
    assert judge(found, 0.01) is Verdict.UNDER


def test_a_rare_long_call_counts_whole() -> None:
    pairs = made_up(np.random.default_rng(5), pairs=100)
    slow = Pair(**{**pairs[0].__dict__, "inside_tracker": 2.0})
    assert measure_overhead([slow, *pairs[1:]]).inside.center == pytest.approx(
        2.0 / (100 * CHUNKS * CHUNK_S), rel=0.05
    )


def test_work_of_threads_alone_is_never_called_over() -> None:
    found = measure_overhead(made_up(np.random.default_rng(6), background=0.05))
    assert found.upper.low > 0.01
    assert judge(found, 0.01) is Verdict.UNDECIDED
    assert chunks_to_decide(found, 0.01) is None
    assert found.late_share == pytest.approx(0.25)


def test_few_pairs_decide_nothing_and_say_how_many_would() -> None:
    found = measure_overhead(made_up(np.random.default_rng(7), pairs=3, noise=0.001))
    assert judge(found, 0.01) is Verdict.UNDECIDED
    assert chunks_to_decide(found, 0.01) == 8 * CHUNKS


@pytest.mark.parametrize("inside", [0.006, 0.018])
def test_as_many_chunks_as_were_asked_for_decide(inside: float) -> None:
    decided, rounds = 0, 40
    for round_number in range(rounds):
        rng = np.random.default_rng(100 + round_number)
        found = measure_overhead(made_up(rng, pairs=20, inside=inside, noise=0.5))
        wanted = chunks_to_decide(found, 0.01)
        assert wanted is not None
        pairs = min(4000, max(20, round(wanted / CHUNKS)))
        again = measure_overhead(made_up(rng, pairs=pairs, inside=inside, noise=0.5))
        decided += judge(again, 0.01) is not Verdict.UNDECIDED
    # The number is itself an estimate, from a center that is off by a standard error or so.
    assert decided >= rounds // 2


def test_a_ratio_has_its_interval_around_the_median() -> None:
    rng = np.random.default_rng(8)
    ours = rng.lognormal(0.0, 0.02, 30)
    found = median_interval(list(1.5 * rng.lognormal(0.0, 0.02, 30) / ours))
    assert holds(found, 1.5)
    assert found.high - found.low < 0.05


def test_the_picture_marks_limit_center_and_zero() -> None:
    found = Overhead(
        pairs=10, chunks=100, late_share=0.0, upper=Interval(0.004, 0.003, 0.006),
        inside=Interval(0.001, 0.0005, 0.002), wall=Interval(-0.002, -0.02, 0.015),
    )  # fmt: skip
    upper, inside, wall, scale = picture(found, 0.01)
    assert upper.rindex("-") < upper.index("|")
    assert wall.index("<") < wall.rindex("o") < wall.index(":") < wall.index("|") < wall.rindex("-")
    assert ">" not in wall
    assert upper.rindex("o") > inside.rindex("o")
    assert scale.index("1%") == upper.index("|")
