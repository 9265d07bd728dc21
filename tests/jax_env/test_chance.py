"""Whether what is drawn is distributed as the rule book says (docs/game.md, sections 8 to 11 and 15).

Keys are fixed, so a test either always passes or always fails: the p-value is no alarm that rings by itself.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from random import Random
from typing import Any

import jax
import numpy as np
import oracle
import pytest
from oracle.geometry import is_one_region
from oracle.positions import cell_of
from oracle.tables import ALL_CELLS, CORNERS, ENEMY_TYPES, Cell, Position
from playing import BATCH, Case, host_state, play
from scipy import stats

from hackmatrix import jax_env

SMALLEST_P = 1e-3


def outcomes(before: dict[str, Any], action: int, count: int) -> list[Position]:
    """The positions after one and the same action under many keys."""
    case = Case(host_state(oracle.complete(before)), oracle.complete(before), action)
    return [transition.after for transition in play([case] * count, seed=action)]


def is_distributed(drawn: Iterable[Hashable], weights: dict[Any, float]) -> bool:
    """Chi-square: whether the draws could come from these weights. A value without weight could not."""
    counts = Counter(drawn)
    if not counts.keys() <= weights.keys():
        return False
    total, weight = counts.total(), sum(weights.values())
    expected = [total * one / weight for one in weights.values()]
    return stats.chisquare([counts[value] for value in weights], expected).pvalue > SMALLEST_P


def evenly(values: Iterable[Any]) -> dict[Any, float]:
    return dict.fromkeys(values, 1.0)


def pairs(values: Iterable[Any]) -> dict[Any, float]:
    values = list(values)
    return evenly((one, other) for one in values for other in values)


def test_a_crooked_die_is_recognised() -> None:
    die = Random(1)
    assert is_distributed((die.randint(1, 6) for _ in range(3000)), evenly(range(1, 7)))
    crooked = [die.choice([1, 2, 3, 4, 5, 6, 6]) for _ in range(3000)]
    assert not is_distributed(crooked, evenly(range(1, 7)))
    assert not is_distributed([7], evenly(range(1, 7)))


def test_warp_draws_evenly_from_enemies_and_transmissions() -> None:
    enemies = [(1, 0, 4), (7, 3, 3), (8, 3, 3), (19, 5, 1)]
    transmissions = [(0, 0, 1), (5, 3, 3), (18, 2, 5)]
    before = {
        "player": {"row": 0, "col": 0, "credits": 9, "energy": 9},
        "programs": [8],
        "enemies": [{"slot": slot, "row": r, "col": c, "type": "daemon"} for slot, r, c in enemies],
        "transmissions": [
            {"slot": slot, "row": r, "col": c, "enemy_type": "virus"} for slot, r, c in transmissions
        ],
    }
    things = {("enemies", slot) for slot, *_ in enemies} | {
        ("transmissions", slot) for slot, *_ in transmissions
    }
    gone = []
    for after in outcomes(before, 8, 4 * BATCH):
        left = {(kind, one["slot"]) for kind in ("enemies", "transmissions") for one in after[kind]}
        gone += things - left
    assert len(gone) == 4 * BATCH
    assert is_distributed(gone, evenly(sorted(things)))


def test_poly_draws_each_of_the_other_three_types_for_each_enemy_by_itself() -> None:
    before = {
        "player": {"credits": 9, "energy": 9},
        "programs": [9],
        "enemies": [{"row": 3, "col": 3, "type": kind} for kind in (*ENEMY_TYPES, *ENEMY_TYPES)],
    }
    drawn = [[enemy["type"] for enemy in after["enemies"]] for after in outcomes(before, 9, 4 * BATCH)]
    for index in range(8):
        others = [kind for kind in ENEMY_TYPES if kind != ENEMY_TYPES[index % 4]]
        assert is_distributed([types[index] for types in drawn], evenly(others))
    others = [kind for kind in ENEMY_TYPES if kind != "virus"]
    assert is_distributed([(types[0], types[4]) for types in drawn], pairs(others))


def test_a_scheduled_spawn_draws_an_eligible_cell_and_any_type() -> None:
    inner = [(1, 1), (2, 4), (4, 3), (3, 1)]
    before = {
        "player": {"row": 2, "col": 2, "energy": 9},
        "programs": [10],
        "turn": 30,
        "blocks": [{"row": r, "col": c, "kind": "data", "points": 4} for r, c in inner]
        + [{"row": 0, "col": 0, "kind": "data", "points": 4, "siphoned": True}],
        "enemies": [{"row": 5, "col": 5, "type": "daemon", "stunned": True}],
        "transmissions": [{"row": 0, "col": 5, "enemy_type": "virus", "turns_remaining": 9, "slot": 1}],
    }
    spawned = [after["transmissions"][0] for after in outcomes(before, 10, 12 * BATCH)]
    eligible = [cell for cell in ALL_CELLS if cell not in [*inner, (2, 2), (5, 5), (0, 5)]]
    assert is_distributed([cell_of(one) for one in spawned], evenly(eligible))
    assert is_distributed([one["enemy_type"] for one in spawned], evenly(ENEMY_TYPES))
    halves = [(one["row"] < 3, one["enemy_type"]) for one in spawned]
    below = sum(row < 3 for row, _ in eligible)
    weights = {(True, kind): below for kind in ENEMY_TYPES}
    weights |= {(False, kind): len(eligible) - below for kind in ENEMY_TYPES}
    assert is_distributed(halves, weights)


def test_a_siphon_draws_the_type_of_every_transmission_by_itself() -> None:
    before = {
        "player": {"row": 2, "col": 2, "data_siphons": 1},
        "blocks": [{"row": 3, "col": 2, "kind": "data", "points": 9}],
    }
    drawn = [
        [one["enemy_type"] for one in after["transmissions"]] for after in outcomes(before, 4, 4 * BATCH)
    ]
    for index in range(9):
        assert is_distributed([types[index] for types in drawn], evenly(ENEMY_TYPES))
    for one, other in [(0, 1), (1, 2), (3, 8)]:
        assert is_distributed([(types[one], types[other]) for types in drawn], pairs(ENEMY_TYPES))


@pytest.fixture(scope="module")
def stages() -> list[Position]:
    """Many new boards of stage 4, for a player on (5,5)."""
    return outcomes({"player": {"row": 5, "col": 4}, "stage": 3}, 3, 12 * BATCH)


def test_a_new_stage_draws_its_exit_from_the_other_corners(stages: list[Position]) -> None:
    others = [corner for corner in CORNERS if corner != (5, 5)]
    assert is_distributed([tuple(stage["exit"]) for stage in stages], evenly(others))


def test_a_new_stage_draws_five_to_eleven_blocks(stages: list[Position]) -> None:
    assert is_distributed([len(stage["blocks"]) for stage in stages], evenly(range(5, 12)))


def test_a_new_stage_draws_what_its_blocks_hold(stages: list[Position]) -> None:
    blocks = [block for stage in stages for block in stage["blocks"]]
    data = [block["points"] for block in blocks if block["kind"] == "data"]
    programs = [block["program"] for block in blocks if block["kind"] == "program"]
    assert is_distributed([block["kind"] for block in blocks], evenly(["data", "program"]))
    assert is_distributed(data, evenly(range(1, 10)))
    assert is_distributed(programs, evenly(range(5, 28)))
    first_two = [(stage["blocks"][0]["kind"], stage["blocks"][1]["kind"]) for stage in stages]
    assert is_distributed(first_two, pairs(["data", "program"]))


def test_a_new_stage_draws_small_pickups_more_often(stages: list[Position]) -> None:
    drawn = [
        (one["credits"], one["energy"])
        for stage in stages
        for one in stage["resources"]
        if not one["data_siphon"]
    ]
    weights = {1: 0.45, 2: 0.45, 3: 0.10}
    amounts = {(n, 0): weight for n, weight in weights.items()} | {(0, n): w for n, w in weights.items()}
    assert is_distributed(drawn, amounts)


def test_a_new_stage_draws_types_and_distinct_cells_of_transmissions(stages: list[Position]) -> None:
    types = [one["enemy_type"] for stage in stages for one in stage["transmissions"]]
    assert is_distributed(types, evenly(ENEMY_TYPES))
    ranks: list[int] = []  # the place of slot 0's cell among those that were free to it, as a tenth of them
    for stage in stages:
        taken = {cell_of(block) for block in stage["blocks"]}
        free = [cell for cell in ALL_CELLS if cell not in CORNERS and cell not in taken]
        place = free.index(cell_of(stage["transmissions"][0]))
        ranks.append(int(10 * (place + Random(len(ranks)).random()) / len(free)))
    assert is_distributed(ranks, evenly(range(10)))


def connected_layout(random: Random, count: int) -> set[Cell]:
    """The plain way to a layout: draw until the cells without a block are one region."""
    inner = [cell for cell in ALL_CELLS if cell not in CORNERS]
    while True:
        blocked = set(random.sample(inner, count))
        if is_one_region([cell for cell in ALL_CELLS if cell not in blocked]):
            return blocked


def test_layouts_are_close_to_uniform_over_the_connected_ones(stages: list[Position]) -> None:
    """Cell by cell, the share of boards with a block there is that of plain rejection.

    The rule asks for close to uniform, so the bound is on the difference, not on a p-value.
    """
    random = Random(5)
    seen, expected = np.zeros((6, 6)), np.zeros((6, 6))
    for stage in stages:
        for block in stage["blocks"]:
            seen[cell_of(block)] += 1
        for cell in connected_layout(random, len(stage["blocks"])):
            expected[cell] += 1
    assert np.abs(seen - expected).max() / len(stages) < 0.05


def test_equal_keys_draw_equally() -> None:
    before = oracle.complete({"player": {"row": 5, "col": 4}, "stage": 3})
    case = Case(host_state(before), before, 3)
    one, other = (next(play([case], seed=11)).after for _ in range(2))
    assert one == other
    assert next(play([case], seed=12)).after != one


def test_a_start_draws_nothing() -> None:
    starts = [jax_env.state_to_dict(jax_env.reset(jax.random.key(seed))[1]) for seed in range(3)]
    assert starts == [oracle.complete({})] * 3


def test_a_furnished_start_is_furnished_like_a_stage_with_one_transmission() -> None:
    params = jax_env.EnvParams(furnished_start=True)
    starts = [jax_env.state_to_dict(jax_env.reset(jax.random.key(seed), params)[1]) for seed in range(40)]
    for start in starts:
        oracle.stages.check_furniture(start, player_cell=(0, 0), transmissions=1)
        drawn = {key: start[key] for key in ("exit", "blocks", "resources", "transmissions")}
        assert start == oracle.complete({}) | drawn
    assert {tuple(start["exit"]) for start in starts} == {(0, 5), (5, 0), (5, 5)}
