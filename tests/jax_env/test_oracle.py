"""The slow model of the rules against the rule book's own examples and tables; needs no JAX."""

import json
from random import Random
from typing import Any

import oracle
import pytest
from hypothesis import given
from oracle import RuleViolation, complete
from oracle.positions import copy_of
from oracle.siphoning import siphon_target
from random_positions import actions, furnished_position, positions, random_position

DAEMON, VIRUS, GLITCH, CRYPTOG = ({"type": kind} for kind in ("daemon", "virus", "glitch", "cryptog"))


def on(row: int, col: int, **more: Any) -> dict[str, Any]:
    return {"row": row, "col": col, **more}


def play(before: dict[str, Any], action: int, after: dict[str, Any] | None = None) -> oracle.Outcome:
    """One step without chance, or with what ``after`` says was drawn."""
    return oracle.step(complete(before), action, complete(after or {}))


def legal(position: dict[str, Any]) -> list[int]:
    return [action for action, allowed in enumerate(oracle.action_mask(complete(position))) if allowed]


def pays(outcome: oracle.Outcome, **components: float) -> None:
    expected = dict.fromkeys(oracle.REWARD_PARTS, 0.0) | {"step_penalty": -0.01} | components
    assert outcome.components == pytest.approx(expected)


def cell(thing: dict[str, Any]) -> tuple[int, int]:
    return thing["row"], thing["col"]


# What the new stage of examples F and H could look like: seen from (5,5), exit on (0,0).
BLOCKS = [(1, 1), (1, 3), (3, 1), (3, 3), (4, 4)]


def new_stage(stage: int, **more: Any) -> dict[str, Any]:
    inner = [(r, c) for r in range(6) for c in range(6) if (r, c) not in [(0, 0), (0, 5), (5, 0), (5, 5)]]
    free = [place for place in inner if place not in BLOCKS]
    return complete(
        {
            "player": on(5, 5),
            "stage": stage,
            "exit": [0, 0],
            "blocks": [on(*place, kind="data", points=4) for place in BLOCKS],
            "resources": [on(0, 5, data_siphon=True), on(5, 0, data_siphon=True)]
            + [on(*place, credits=1) for place in free],
            "transmissions": [on(*place, enemy_type="glitch") for place in free[: min(stage, 8)]],
        }
        | more
    )


def test_a_tie_between_row_and_column_goes_to_the_row_as_in_example_a() -> None:
    before = {
        "player": on(2, 2),
        "enemies": [on(5, 0, **DAEMON)],
        "resources": [on(3, 2, credits=2)],
    }
    outcome = play(before, 0)
    assert cell(outcome.position["player"]) == (3, 2)
    assert outcome.position["player"]["credits"] == 2
    assert cell(outcome.position["enemies"][0]) == (4, 0)
    assert outcome.position["turn"] == 1
    assert outcome.position["resources"] == []
    assert legal(outcome.position) == [0, 1, 2, 3]
    pays(outcome, resource_gain=0.1, distance_shaping=0.05)


EXAMPLE_B = {
    "player": {"row": 0, "col": 0, "energy": 1},
    "programs": [10],
    "enemies": [{"type": "daemon", "row": 4, "col": 2}],
    "blocks": [{"row": 3, "col": 2, "kind": "data", "points": 4}],
}


def test_an_enemy_swerves_diagonally_around_a_block_as_in_example_b() -> None:
    outcome = play(EXAMPLE_B, 10)
    assert cell(outcome.position["enemies"][0]) == (3, 1)
    assert (outcome.position["turn"], outcome.position["player"]["energy"]) == (1, 0)
    assert legal(outcome.position) == [0, 3]
    pays(outcome, resource_gain=-0.05)


def test_a_virus_straight_behind_a_block_walks_over_it_as_in_example_c() -> None:
    before = {
        "player": on(0, 3, energy=1),
        "programs": [10],
        "enemies": [on(3, 3, **VIRUS)],
        "blocks": [on(2, 3, kind="program", program=5)],
    }
    outcome = play(before, 10)
    assert cell(outcome.position["enemies"][0]) == (1, 3)
    assert outcome.position["player"]["hp"] == 2
    pays(outcome, damage_penalty=-1, resource_gain=-0.05)


EXAMPLE_D = {
    "player": on(2, 2, data_siphons=1),
    "blocks": [
        on(1, 2, kind="data", points=4),
        on(2, 1, kind="data", points=4),
        on(2, 3, kind="data", points=3),
    ],
}


def four_transmissions(enemy_type: str = "virus") -> list[dict[str, Any]]:
    return [
        on(1, 2, enemy_type=enemy_type, turns_remaining=2, spawned_from_siphon=True, slot=slot)
        for slot in range(4)
    ]


def test_a_siphon_takes_the_first_of_the_best_blocks_as_in_example_d() -> None:
    outcome = play(EXAMPLE_D, 4, {"transmissions": four_transmissions("cryptog")})
    now = outcome.position
    assert [cell(block) for block in now["blocks"] if block["siphoned"]] == [(1, 2)]
    assert (now["player"]["score"], now["player"]["data_siphons"]) == (4, 0)
    assert now["siphon_centers"] == [[2, 2]]
    assert now["transmissions"] == complete({"transmissions": four_transmissions("cryptog")})["transmissions"]
    assert (now["next_scheduled_task_turn"], now["turn"]) == (17, 1)
    assert legal(now) == [0, 1]
    pays(outcome, score_gain=2)


def test_a_siphon_that_placed_too_few_transmissions_is_refused() -> None:
    with pytest.raises(RuleViolation, match="slot 3"):
        play(EXAMPLE_D, 4, {"transmissions": four_transmissions()[:3]})


def test_a_transmission_appears_moves_and_hits_in_one_step_as_in_example_e() -> None:
    before = {
        "player": on(0, 0, energy=1),
        "programs": [10],
        "transmissions": [on(0, 3, enemy_type="virus", turns_remaining=1)],
    }
    outcome = play(before, 10)
    assert outcome.position["transmissions"] == []
    assert outcome.position["enemies"] == complete({"enemies": [on(0, 1, **VIRUS)]})["enemies"]
    assert outcome.position["player"]["hp"] == 2
    pays(outcome, damage_penalty=-1, resource_gain=-0.05)


EXAMPLE_F = {
    "player": on(5, 4, hp=2, credits=10, energy=5),
    "scheduled_tasks_disabled": True,
    "enemies": [on(0, 0, **DAEMON), on(0, 5, **VIRUS)],
}


def test_completing_a_stage_clears_the_board_and_heals_as_in_example_f() -> None:
    after = new_stage(2)
    outcome = play(EXAMPLE_F, 3, after)
    now = outcome.position
    assert cell(now["player"]) == (5, 5)
    assert (now["player"]["hp"], now["stage"], now["turn"]) == (3, 2, 1)
    assert now["enemies"] == []
    assert now["scheduled_tasks_disabled"] is False
    for drawn in ("exit", "blocks", "resources", "transmissions"):
        assert now[drawn] == after[drawn]
    pays(outcome, stage_completion=1, kills=0.6, hp_recovery=1, resource_holding=0.15)
    assert sum(outcome.components.values()) == pytest.approx(2.74)


def test_pull_drags_an_adjacent_enemy_onto_the_player_as_in_example_g() -> None:
    before = {
        "player": on(2, 2, energy=2),
        "programs": [6],
        "enemies": [on(3, 2, **VIRUS), on(5, 5, **GLITCH)],
    }
    outcome = play(before, 6)
    assert [cell(enemy) for enemy in outcome.position["enemies"]] == [(2, 2), (4, 4)]
    assert (outcome.position["turn"], outcome.position["player"]["hp"]) == (0, 3)
    pays(outcome, resource_gain=-0.1)


def test_dying_on_the_exit_completes_the_stage_too_as_in_example_h() -> None:
    before = {"player": on(5, 4, hp=1), "stage": 3, "enemies": [on(4, 5, **DAEMON)]}
    outcome = play(before, 3, new_stage(4))
    assert outcome.done
    assert (outcome.info["stage"], outcome.info["hp"]) == (4, 1)
    assert outcome.info["player_died"]
    assert outcome.info["stage_completed"]
    pays(outcome, stage_completion=4, kills=0.3, death_penalty=-3.5)


def test_undo_gives_back_the_position_it_was_played_in_as_in_example_i() -> None:
    before = {"player": on(2, 2, credits=3), "programs": [14], "undo_available": True}
    outcome = play(before, 14)
    assert outcome.position == complete(before | {"undo_available": False})
    assert legal(outcome.position) == [0, 1, 2, 3]
    pays(outcome)


def test_a_shot_goes_through_a_block_and_takes_the_enemy_first_as_in_example_j() -> None:
    before = {
        "blocks": [on(1, 0, kind="data", points=2)],
        "enemies": [on(4, 0, hp=1, **DAEMON)],
        "transmissions": [on(4, 0, enemy_type="virus", turns_remaining=3)],
    }
    outcome = play(before, 0)
    assert outcome.position["enemies"] == []
    assert outcome.position["transmissions"][0]["turns_remaining"] == 2
    assert cell(outcome.position["player"]) == (0, 0)
    assert outcome.position["turn"] == 1
    assert legal(outcome.position) == [0, 3]
    pays(outcome, kills=0.3)


def test_a_swerve_may_end_on_the_player_as_in_example_k() -> None:
    before = {
        "player": on(2, 2, energy=1),
        "programs": [10],
        "enemies": [on(3, 3, **DAEMON)],
        "blocks": [on(2, 3, kind="data", points=4)],
    }
    outcome = play(before, 10)
    assert cell(outcome.position["enemies"][0]) == (2, 2)
    assert outcome.position["player"]["hp"] == 3
    assert legal(outcome.position) == [0, 1, 2]
    pays(outcome, resource_gain=-0.05)


RICH = on(2, 2, credits=50, energy=50, hp=1, data_siphons=1)
EVERYTHING = {
    "player": RICH,
    "programs": list(range(5, 28)),
    "undo_available": True,
    "enemies": [on(2, 3, **DAEMON), on(5, 2, **VIRUS)],
    "transmissions": [on(0, 0, enemy_type="virus", turns_remaining=3)],
    "blocks": [
        on(5, 2, kind="data", points=3),
        on(4, 4, kind="data", points=3, siphoned=True),
    ],
}
PRICES = [
    *[(0, 2), (0, 2), (3, 2), (2, 2), (1, 1), (0, 1), (3, 0), (3, 1), (3, 1), (1, 0), (0, 3), (5, 0), (4, 0)],
    *[(2, 0), (0, 4), (2, 4), (3, 0), (1, 2), (3, 0), (0, 5), (2, 1), (4, 4), (2, 2)],
]
UNDO = 14


@pytest.mark.parametrize(("action", "price"), enumerate(PRICES, start=5))
def test_a_program_costs_what_its_row_says_and_not_one_less(action: int, price: tuple[int, int]) -> None:
    credits_, energy = price
    assert action in legal(EVERYTHING | {"player": RICH | {"credits": credits_, "energy": energy}})
    if credits_:
        assert action not in legal(EVERYTHING | {"player": RICH | {"credits": credits_ - 1}})
    if energy:
        assert action not in legal(EVERYTHING | {"player": RICH | {"energy": energy - 1}})


UNMET = {
    5: {"enemies": []},
    6: {"enemies": []},
    7: {"enemies": [on(4, 2, **VIRUS), on(2, 4, **DAEMON)]},
    8: {"enemies": [], "transmissions": []},
    9: {"enemies": []},
    11: {"blocks": []},
    12: {"enemies": [on(5, 2, **VIRUS)]},
    13: {"enemies": [on(2, 3, **DAEMON)]},
    14: {"undo_available": False},
    18: {"show_activated": True},
    19: {"player": RICH | {"hp": 3}},
    20: {"scheduled_tasks_disabled": True},
    21: {"enemies": [on(5, 2, **VIRUS)]},
    22: {"transmissions": []},
    23: {"enemies": [on(2, 3, **DAEMON)]},
    24: {"stage": 8},
    25: {
        "blocks": [
            on(1, 1, kind="data", points=3, spawn_count=0),
            on(4, 4, kind="data", points=3, siphoned=True),
        ]
    },
    26: {"atk_plus_uses": 2},
    27: {"blocks": [on(5, 2, kind="data", points=3)]},
}


@pytest.mark.parametrize(("action", "change"), UNMET.items())
def test_a_program_needs_its_condition(action: int, change: dict[str, Any]) -> None:
    assert action in legal(EVERYTHING)
    assert action not in legal(EVERYTHING | change)


def test_attack_damage_of_three_cannot_be_raised() -> None:
    assert 26 not in legal(EVERYTHING | {"player": RICH | {"attack_damage": 3}})


def test_only_wait_among_the_programs_takes_the_turn() -> None:
    certain = [action for action in range(5, 28) if action not in (8, 9)]  # WARP and POLY draw
    took_the_turn = [action for action in certain if play(EVERYTHING, action).position["turn"] == 1]
    assert took_the_turn == [10]


def test_every_action_but_undo_makes_undo_available() -> None:
    assert not play(EVERYTHING, UNDO).position["undo_available"]
    assert play(EVERYTHING | {"undo_available": False}, 10).position["undo_available"]


def test_a_stunned_enemy_rests_for_one_turn_and_a_disabled_one_still_hits() -> None:
    before = {
        "player": on(2, 2, energy=9),
        "programs": [10],
        "enemies": [
            on(2, 3, stunned=True, **DAEMON),
            on(3, 2, disabled_turns=2, **DAEMON),
            on(5, 2, disabled_turns=1, **DAEMON),
        ],
    }
    now = play(before, 10).position
    assert now["player"]["hp"] == 2
    assert [enemy["stunned"] for enemy in now["enemies"]] == [False, False, False]
    assert [enemy["disabled_turns"] for enemy in now["enemies"]] == [0, 1, 0]
    assert cell(now["enemies"][2]) == (5, 2)


def test_step_holds_the_enemies_but_not_their_blows() -> None:
    before = {
        "player": on(2, 2, energy=9),
        "programs": [10],
        "step_active": True,
        "enemies": [on(2, 3, **DAEMON), on(5, 5, **VIRUS)],
    }
    now = play(before, 10).position
    assert cell(now["enemies"][1]) == (5, 5)
    assert now["player"]["hp"] == 2
    assert not now["step_active"]


def test_d_bom_takes_the_first_of_the_nearest_daemons_and_spares_its_own_cell() -> None:
    before = {
        "player": on(2, 2, credits=3),
        "programs": [21],
        "enemies": [
            on(5, 5, **DAEMON),
            on(2, 4, **DAEMON),
            on(4, 2, **DAEMON),
            on(2, 4, **VIRUS),
            on(3, 5, **VIRUS),
            on(1, 4, hp=1, **GLITCH),
        ],
    }
    now = play(before, 21).position
    assert [(enemy["slot"], enemy["hp"], enemy["stunned"]) for enemy in now["enemies"]] == [
        (0, 3, False),
        (2, 3, False),
        (3, 2, False),
        (4, 1, True),
    ]


def test_push_keeps_enemies_on_the_board_and_leaves_one_on_the_player_alone() -> None:
    before = {
        "player": on(4, 4, energy=2),
        "programs": [5],
        "enemies": [on(5, 5, **VIRUS), on(4, 4, **VIRUS), on(3, 4, **VIRUS), on(5, 2, **VIRUS)],
    }
    now = play(before, 5).position
    assert [cell(enemy) for enemy in now["enemies"]] == [(5, 5), (4, 4), (2, 4), (5, 1)]


def test_a_scheduled_spawn_comes_when_due_and_sets_the_next_date() -> None:
    before = {"player": on(2, 2, energy=1), "programs": [10], "turn": 11}
    drawn = on(0, 5, enemy_type="glitch", from_scheduled_task=True)
    now = play(before, 10, {"transmissions": [drawn]}).position
    assert now["transmissions"] == complete({"transmissions": [drawn]})["transmissions"]
    assert (now["turn"], now["next_scheduled_task_turn"]) == (12, 24)
    assert play(before | {"turn": 10}, 10).position["transmissions"] == []


@pytest.mark.parametrize("taken", [(2, 2), (3, 3), (4, 4), (5, 5)])
def test_a_scheduled_spawn_on_a_taken_cell_is_refused(taken: tuple[int, int]) -> None:
    """Player, block, the enemy after its move, and another transmission."""
    before = {
        "player": on(2, 2, energy=1),
        "programs": [10],
        "turn": 11,
        "blocks": [on(3, 3, kind="data", points=4)],
        "enemies": [on(4, 5, **DAEMON)],
        "transmissions": [on(5, 5, enemy_type="virus", turns_remaining=3)],
    }
    left = on(5, 5, enemy_type="virus", turns_remaining=2)
    free = on(4, 5, enemy_type="virus", from_scheduled_task=True)
    assert len(play(before, 10, {"transmissions": [left, free]}).position["transmissions"]) == 2
    with pytest.raises(RuleViolation, match="scheduled spawn"):
        play(before, 10, {"transmissions": [left, free | on(*taken)]})


def test_warp_must_remove_exactly_one_and_the_player_stands_there() -> None:
    before = {
        "player": on(2, 2, credits=2, energy=2),
        "programs": [8],
        "enemies": [on(0, 1, **VIRUS), on(4, 4, **DAEMON)],
    }
    now = play(before, 8, {"enemies": [on(0, 1, slot=0, **VIRUS)]}).position
    assert cell(now["player"]) == (4, 4)
    assert [enemy["slot"] for enemy in now["enemies"]] == [0]
    with pytest.raises(RuleViolation, match="exactly one"):
        play(before, 8, {"enemies": []})


def test_poly_must_change_the_type_and_gives_full_hp() -> None:
    before = {
        "player": on(2, 2, credits=1, energy=1),
        "programs": [9],
        "enemies": [on(0, 1, hp=1, stunned=True, **VIRUS)],
    }
    now = play(before, 9, {"enemies": [on(0, 1, **DAEMON)]}).position
    assert now["enemies"] == complete({"enemies": [on(0, 1, hp=3, stunned=True, **DAEMON)]})["enemies"]
    with pytest.raises(RuleViolation, match="POLY"):
        play(before, 9, {"enemies": [on(0, 1, **VIRUS)]})


def moved(members: list[dict[str, Any]], place: tuple[int, int]) -> list[dict[str, Any]]:
    return sorted([*members[1:], members[0] | on(*place)], key=cell)


FORBIDDEN_STAGES = {
    "exit under the player": new_stage(2, exit=[5, 5]),
    "exit off the corners": new_stage(2, exit=[0, 1]),
    "too few blocks": new_stage(2, blocks=new_stage(2)["blocks"][1:]),
    "a block on a corner": new_stage(2, blocks=moved(new_stage(2)["blocks"], (0, 5))),
    "a corner cut off": new_stage(
        2, blocks=[on(r, c, kind="data", points=1) for r, c in [(0, 1), (1, 0), (3, 1), (3, 3), (4, 4)]]
    ),
    "points out of range": new_stage(2, blocks=[on(*place, kind="data", points=10) for place in BLOCKS]),
    "a spent block": new_stage(2, blocks=[block | {"siphoned": True} for block in new_stage(2)["blocks"]]),
    "too many transmissions": new_stage(2, transmissions=new_stage(3)["transmissions"]),
    "slots with a hole": new_stage(
        2, transmissions=[one | {"slot": 2 * one["slot"]} for one in new_stage(2)["transmissions"]]
    ),
    "a pickup missing": new_stage(2, resources=new_stage(2)["resources"][:-1]),
    "a rich pickup": new_stage(
        2, resources=[{**one, "credits": 4 * one["credits"]} for one in new_stage(2)["resources"]]
    ),
}


@pytest.mark.parametrize("after", FORBIDDEN_STAGES.values(), ids=FORBIDDEN_STAGES)
def test_a_new_stage_that_could_not_be_drawn_is_refused(after: dict[str, Any]) -> None:
    with pytest.raises(RuleViolation, match="new stage"):
        play(EXAMPLE_F, 3, after)


def test_winning_pays_victory_and_ends_the_game() -> None:
    before = {"player": on(5, 4, score=7), "stage": 8}
    outcome = play(before, 3, new_stage(9))
    assert outcome.done
    assert outcome.info["game_won"]
    pays(outcome, stage_completion=100, victory=1200)


def test_an_ended_game_stands_still_and_pays_nothing() -> None:
    for ended in ({"player": on(2, 2, hp=0)}, {"stage": 9}):
        outcome = play(ended, 0)
        assert outcome.position == complete(ended)
        assert outcome.done
        assert set(outcome.components.values()) == {0.0}
        assert outcome.info["invalid_action"]


@pytest.mark.parametrize("action", [-1, 1, 4, 5, 28, 1000])
def test_an_illegal_action_changes_nothing(action: int) -> None:
    outcome = play({}, action)
    assert outcome.position == complete({})
    assert outcome.info["invalid_action"]
    assert not outcome.done
    pays(outcome)


def test_the_path_walks_around_blocks_and_both_ends_count_as_free() -> None:
    wall = [[col == 1 and row < 5 for col in range(6)] for row in range(6)]
    assert oracle.path_distance(0, 0, 0, 2, wall) == 12
    assert oracle.path_distance(0, 0, 0, 1, wall) == 1
    assert oracle.path_distance(3, 1, 3, 2, wall) == 1
    assert oracle.path_distance(0, 0, 5, 5, [[True] * 6 for _ in range(6)]) == -1


def test_siphon_quality_takes_each_missed_amount_from_its_own_cell() -> None:
    position = complete(
        {
            "player": on(0, 0),
            "resources": [on(3, 3, credits=3, energy=1), on(5, 0, energy=2), on(0, 0, energy=1)],
        }
    )
    assert oracle.siphon_quality(position) == (True, 3, 1)


def test_siphon_quality_asks_for_the_very_same_blocks() -> None:
    position = {"blocks": [on(0, 1, kind="data", points=3)], "resources": [on(5, 5, credits=3)]}
    assert oracle.siphon_quality(complete(position)) == (False, 0, 0)
    twin = on(5, 4, kind="data", points=3)
    assert oracle.siphon_quality(complete(position | {"blocks": [*position["blocks"], twin]})) == (True, 3, 0)


def test_a_program_block_is_worth_more_than_any_data_and_empty_data_is_no_target() -> None:
    around = [on(3, 2, kind="data", points=99), on(2, 3, kind="program", program=5)]
    assert cell(siphon_target(complete({"player": on(2, 2), "blocks": around}))) == (2, 3)
    empty = [on(3, 2, kind="data", points=0)]
    assert siphon_target(complete({"player": on(2, 2), "blocks": empty})) is None


def test_the_observation_shows_the_highest_visible_slot_of_a_cell() -> None:
    position = complete(
        {
            "player": on(0, 0, credits=25, energy=70),
            "enemies": [
                on(3, 3, hp=1, spawned_from_siphon=True, **VIRUS),
                on(3, 3, hp=2, stunned=True, **DAEMON),
                on(3, 3, **CRYPTOG),
            ],
        }
    )
    seen = oracle.observe(position)
    assert list(seen.player[3:5]) == [0.5, 1.0]
    assert list(seen.grid[3, 3, :7]) == pytest.approx([1, 1, 0, 0, 2 / 3, 1, 0])
    shown = oracle.observe(position | {"show_activated": True})
    assert list(shown.grid[3, 3, :7]) == pytest.approx([1, 1, 0, 1, 2 / 3, 0, 0])
    assert oracle.flatten(seen).shape == (1545,)


@given(positions(), actions())
def test_a_position_is_plain_and_never_changed_by_looking_at_it(
    position: dict[str, Any], action: int
) -> None:
    kept = copy_of(position)
    oracle.observe(position)
    mask = oracle.action_mask(position)
    if action not in range(28) or not mask[action]:
        oracle.step(position, action, position)
    assert position == kept
    assert complete(json.loads(json.dumps(position))) == kept


def test_random_positions_make_every_action_legal_and_illegal() -> None:
    masks = [oracle.action_mask(random_position(Random(seed))) for seed in range(300)]
    for action in range(28):
        legal_in = sum(mask[action] for mask in masks)
        assert 20 <= legal_in <= 290, f"action {action} is legal in {legal_in} of 300 positions"


def test_furnished_positions_would_pass_as_new_stages() -> None:
    for seed in range(50):
        position = furnished_position(Random(seed))
        player = position["player"]
        oracle.stages.check_furniture(
            position, player_cell=(player["row"], player["col"]), transmissions=position["stage"]
        )
