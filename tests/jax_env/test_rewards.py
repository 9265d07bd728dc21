"""The 15 reward components: docs/game.md, section 14."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from boards import RICH, data, enemy, play_one, player, program

from hackmatrix.jax_env import (
    REWARD_PARTS,
    PositionError,
    path_distance,
    reward_breakdown,
    siphon_enemy_adjacent,
    siphon_quality,
    state_from_dict,
)

QUIET = {
    "action": 0,
    "stage_after": 1,
    "stage_completed": False,
    "game_won": False,
    "player_died": False,
    "hp_before": 3,
    "hp_after": 3,
    "score_before": 0,
    "score_after": 0,
    "credits_before": 0,
    "credits_after": 0,
    "energy_before": 0,
    "energy_after": 0,
    "kills": 0,
    "data_siphons": 0,
    "distance_before": 5,
    "distance_after": 5,
    "siphon_better": False,
    "siphon_missed_credits": 0,
    "siphon_missed_energy": 0,
    "siphon_enemy_adjacent": False,
}


@pytest.mark.parametrize(
    ("facts", "parts"),
    [
        ({}, {}),
        *[
            ({"stage_completed": True, "stage_after": stage + 1}, {"stage_completion": value})
            for stage, value in enumerate((1, 2, 4, 8, 16, 32, 64, 100), start=1)
        ],
        ({"stage_completed": True, "stage_after": 1}, {}),
        ({"score_before": 3, "score_after": 10}, {"score_gain": 3.5}),
        ({"kills": 3}, {"kills": 0.9}),
        ({"data_siphons": 2}, {"data_siphon": 2}),
        ({"distance_before": 5, "distance_after": 3}, {"distance_shaping": 0.1}),
        ({"distance_before": 3, "distance_after": 5}, {}),
        ({"distance_before": 4, "distance_after": -1}, {"distance_shaping": 0.2}),
        ({"distance_before": -1, "distance_after": 4}, {}),
        ({"hp_after": 1}, {"damage_penalty": -2}),
        ({"hp_before": 1}, {"hp_recovery": 2}),
        ({"game_won": True, "score_after": 4, "score_before": 4}, {"victory": 900}),
        *[
            ({"player_died": True, "stage_after": stage}, {"death_penalty": -0.5 * value})
            for stage, value in enumerate((0, 1, 3, 7, 15, 31, 63, 127, 227), start=1)
        ],
        ({"player_died": True, "siphon_enemy_adjacent": True}, {"siphon_death_penalty": -10}),
        ({"siphon_enemy_adjacent": True}, {}),
        ({"credits_before": 5, "credits_after": 2, "energy_after": 7}, {"resource_gain": 0.2}),
        (
            {
                "stage_completed": True,
                "stage_after": 2,
                "credits_before": 5,
                "credits_after": 5,
                "energy_before": 7,
                "energy_after": 7,
            },
            {"stage_completion": 1, "resource_holding": 0.12},
        ),
        ({"action": 19, "hp_before": 2}, {"hp_recovery": 1, "program_waste": -0.3}),
        ({"action": 19, "hp_before": 1}, {"hp_recovery": 2}),
        ({"action": 18, "hp_before": 2}, {"hp_recovery": 1}),
        (
            {"action": 4, "siphon_better": True, "siphon_missed_credits": 4, "siphon_missed_energy": 2},
            {"siphon_quality": -0.15},
        ),
        ({"action": 4, "siphon_better": False, "siphon_missed_credits": 4}, {}),
        ({"action": 3, "siphon_better": True, "siphon_missed_credits": 4}, {}),
    ],
)
def test_component(facts, parts):
    expected = dict.fromkeys(REWARD_PARTS, 0.0) | {"step_penalty": -0.01} | parts
    assert reward_breakdown(**QUIET | facts) == pytest.approx(expected)


def test_all_components_are_there_in_order_as_plain_floats():
    parts = reward_breakdown(**QUIET)
    assert tuple(parts) == REWARD_PARTS
    assert len(parts) == 15
    assert all(type(value) is float for value in parts.values())


@pytest.mark.parametrize("change", [{"kills": None}, {"kill": 1}])
def test_facts_must_be_complete_and_known(change):
    facts = {**QUIET, **change}
    if "kills" in change:
        del facts["kills"]
    with pytest.raises(TypeError, match="kill"):
        reward_breakdown(**facts)


def parts_of(played):
    return {name: pytest.approx(float(played.info[name])) for name in REWARD_PARTS if played.info[name]}


def test_newcomers_of_the_same_step_cancel_kills():
    before = {
        "player": player(2, 2),
        "enemies": [enemy("virus", 2, 5, hp=1)],
        "transmissions": [{"row": 0, "col": 0, "enemy_type": "daemon", "turns_remaining": 1}],
    }
    assert "kills" not in parts_of(play_one(before, 3))


def test_more_enemies_than_before_cost_nothing():
    before = {
        "player": player(2, 2),
        "transmissions": [{"row": 0, "col": 0, "enemy_type": "daemon", "turns_remaining": 1}],
    }
    assert "kills" not in parts_of(play_one(before, 0))


def test_a_spent_siphon_costs_nothing_and_a_found_one_pays():
    assert "data_siphon" not in parts_of(play_one({"player": player(2, 2, data_siphons=1)}, 4))
    found = play_one({"player": player(2, 2), "resources": [{"row": 2, "col": 3, "data_siphon": True}]}, 3)
    assert found.info["data_siphon"] == 1


def test_hp_lost_and_won_back_in_a_step_cancels():
    before = {"player": player(5, 4, hp=2), "enemies": [enemy("daemon", 4, 5)]}
    played = play_one(before, 3)
    assert played.info["stage_completed"]
    assert "hp_recovery" not in parts_of(played)
    assert "damage_penalty" not in parts_of(played)


def test_prices_count_as_losses():
    before = {"player": player(2, 2, **RICH), "programs": [17]}
    assert play_one(before, 17).info["resource_gain"] == pytest.approx(0)  # 4 credits for 4 energy
    before = {"player": player(2, 2, **RICH), "programs": [16]}
    assert play_one(before, 16).info["resource_gain"] == pytest.approx(-0.25)


@pytest.mark.parametrize(("siphon_born", "penalty"), [(True, -10), (False, 0)])
def test_death_beside_an_enemy_of_a_siphon(siphon_born, penalty):
    before = {
        "player": player(2, 2, hp=1, energy=1),
        "programs": [10],
        "enemies": [enemy("daemon", 2, 3, spawned_from_siphon=siphon_born)],
    }
    assert play_one(before, 10).info["siphon_death_penalty"] == penalty


def test_the_death_penalty_counts_all_stages_below():
    before = {
        "player": player(2, 2, hp=1, energy=1),
        "stage": 5,
        "programs": [10],
        "enemies": [enemy("daemon", 2, 3)],
    }
    assert play_one(before, 10).info["death_penalty"] == -7.5


def test_siphoned_blocks_are_walls_for_the_distance_and_no_path_reads_as_arrived():
    wall = [data(4, 5, siphoned=True), data(5, 4)]
    walled = play_one({"player": player(2, 2), "blocks": wall}, 3)
    assert "distance_shaping" not in parts_of(walled)
    open_ = play_one({"player": player(2, 2), "blocks": wall[:1]}, 3)
    assert open_.info["distance_shaping"] == pytest.approx(0.05)


def test_the_start_and_the_exit_are_never_walls():
    blocks = [data(2, 2, siphoned=True), data(5, 5)]
    assert play_one({"player": player(2, 2), "blocks": blocks}, 3).info["distance_shaping"] == pytest.approx(
        0.05
    )


def free():
    """A board without walls."""
    return [[False] * 6 for _ in range(6)]


@pytest.mark.parametrize(
    ("cells", "blocked", "message"),
    [
        ((0, 0, 6, 5), free(), "target_row is 6, expected 0..5"),
        ((-1, 0, 5, 5), free(), "row is -1, expected 0..5"),
        ((0, 1.5, 5, 5), free(), "col is 1.5, expected 0..5"),
        ((jnp.float32(1.5), 0, 5, 5), free(), r"row is Array\(1\.5, .*\), expected 0\.\.5"),
        ((0, 0, 5, jnp.zeros(2, int)), free(), r"target_col is Array\(\[0, 0\], .*\), expected 0\.\.5"),
        ((0, 0, 5, 5), free()[:5], r"blocked has shape \(5, 6\), expected \(6, 6\)"),
        ((0, 0, 5, 5), [False] * 36, r"blocked has shape \(36,\), expected \(6, 6\)"),
    ],
)
def test_a_path_that_leaves_the_board_is_refused(cells, blocked, message):
    with pytest.raises(PositionError, match=f"^{message}$"):
        path_distance(*cells, blocked)


def test_cells_of_a_state_are_taken_for_a_path():
    state = state_from_dict({})
    player = state.player
    assert path_distance(player.row, player.col, np.int64(5), np.uint8(5), free()) == 10


@pytest.mark.parametrize("door", [siphon_quality, siphon_enemy_adjacent])
def test_doors_refuse_a_batch_of_states(door):
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state_from_dict({}))
    with pytest.raises(PositionError, match="index one out"):
        door(batch)


def test_path_distance_round_walls():
    blocked = free()
    assert path_distance(0, 0, 5, 5, blocked) == 10
    assert path_distance(3, 3, 3, 3, blocked) == 0
    for row in range(5):
        blocked[row][2] = True
    assert path_distance(0, 0, 0, 5, blocked) == 15
    assert path_distance(0, 2, 0, 3, blocked) == 1
    assert path_distance(0, 0, 0, 2, blocked) == 2
    blocked[5][2] = True
    assert path_distance(0, 0, 0, 5, blocked) == -1
    assert path_distance(4, 2, 4, 2, blocked) == 0


def test_path_distance_through_a_labyrinth():
    blocked = free()
    for row, hole in ((1, 5), (3, 0)):
        blocked[row] = [True] * 6
        blocked[row][hole] = False
    assert path_distance(0, 0, 5, 5, blocked) == 5 + 2 + 5 + 2 + 5 + 1


def quality(**position):
    return siphon_quality(state_from_dict(position))


def credits_at(row, col, amount):
    return {"row": row, "col": col, "credits": amount}


def test_siphon_quality_compares_crosses():
    resources = [credits_at(2, 3, 1), credits_at(5, 5, 3), {"row": 4, "col": 5, "energy": 2}]
    assert quality(player=player(2, 2), resources=resources) == (True, 2, 2)
    assert quality(player=player(5, 5), resources=resources) == (False, 0, 0)


def test_missed_credits_and_energy_may_come_from_different_cells():
    resources = [credits_at(5, 5, 3), {"row": 0, "col": 5, "energy": 2}]
    assert quality(player=player(2, 2), resources=resources) == (True, 3, 2)


def test_a_better_cell_has_no_less_of_either():
    resources = [{"row": 2, "col": 2, "energy": 1}, credits_at(5, 5, 3)]
    assert quality(player=player(2, 2), resources=resources) == (False, 0, 0)


def test_points_and_programs_must_be_the_same():
    rich = [credits_at(5, 5, 3), credits_at(0, 5, 2)]
    both = [data(2, 3, 4), data(1, 5, 4)]
    assert quality(player=player(2, 2), resources=rich, blocks=[data(2, 3, 4)]) == (False, 0, 0)
    assert quality(player=player(2, 2), resources=rich, blocks=both) == (True, 2, 0)
    assert quality(player=player(2, 2), resources=rich, blocks=[data(2, 3, 4), data(1, 5, 5)]) == (
        False,
        0,
        0,
    )
    kinds = [program(2, 3, 9), program(1, 5, 9)]
    assert quality(player=player(2, 2), resources=rich, blocks=kinds) == (True, 2, 0)
    kinds = [program(2, 3, 9), program(1, 5, 8)]
    assert quality(player=player(2, 2), resources=rich, blocks=kinds) == (False, 0, 0)
    assert quality(player=player(2, 2), resources=rich, blocks=kinds, programs=[8, 9]) == (True, 3, 0)


def test_a_cell_with_a_block_has_nothing_and_siphoned_blocks_are_left_out():
    resources = [credits_at(2, 2, 2), credits_at(4, 4, 3)]
    covered = [data(4, 4, 0)]
    assert quality(player=player(2, 2), resources=resources, blocks=covered) == (False, 0, 0)
    siphoned = [data(4, 4, 9, siphoned=True), credits_at(4, 3, 3)]
    assert quality(player=player(2, 2), resources=[siphoned[1]], blocks=siphoned[:1]) == (True, 3, 0)


def test_the_penalty_of_a_bad_siphon():
    before = {"player": player(2, 2, data_siphons=1), "resources": [credits_at(5, 5, 3)]}
    assert play_one(before, 4).info["siphon_quality"] == pytest.approx(-0.5 * 0.15)
    assert play_one(before, 3).info["siphon_quality"] == 0


def test_the_components_sum_to_the_reward():
    before = {
        "player": player(5, 4, hp=1, **RICH),
        "stage": 6,
        "enemies": [enemy("daemon", 4, 5), enemy("virus", 0, 0)],
    }
    played = play_one(before, 3)
    assert played.reward == pytest.approx(sum(float(played.info[name]) for name in REWARD_PARTS), rel=1e-6)
    assert played.reward.dtype == np.float32
