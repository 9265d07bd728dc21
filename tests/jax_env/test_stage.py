"""Stages, winning and losing: docs/game.md, section 11. What is drawn: `test_chance.py`."""

import pytest
from boards import RICH, data, enemy, play_all, play_one, player, transmission
from oracle.geometry import is_one_region

CORNERS = [[0, 0], [0, 5], [5, 0], [5, 5]]
MANY = 64


def complete(**more):
    """Step onto the exit from the left."""
    figures = more.pop("figures", {})
    return {"player": player(5, 4, **figures), **more}


@pytest.fixture(scope="module")
def boards():
    """New boards of every stage, drawn with different keys."""
    cases = [(complete(stage=1 + number % 8), 3) for number in range(8 * MANY)]
    return [played.after for played in play_all(cases, seed=3)]


def test_what_stays():
    figures = {"credits": 7, "energy": 8, "data_siphons": 9, "attack_damage": 2, "score": 11}
    before = complete(figures=figures, stage=4, turn=30, programs=[6, 9], next_scheduled_task_turn=77)
    after = play_one(before, 3).after
    assert after["player"] == {"row": 5, "col": 5, "hp": 3, **figures}
    assert (after["turn"], after["next_scheduled_task_turn"], after["scheduled_task_interval"]) == (
        31,
        77,
        12,
    )
    assert after["programs"] == [6, 9]
    assert after["undo_available"] is True


def test_what_is_cleared():
    before = complete(
        show_activated=True,
        scheduled_tasks_disabled=True,
        step_active=True,
        atk_plus_uses=2,
        enemies=[enemy("daemon", 0, 0)] * 20,
        transmissions=[transmission(0, 0, turns=9, kind="glitch", slot=19)],
        blocks=[data(0, 0)],
        resources=[{"row": 0, "col": 5, "credits": 99, "energy": 99}],
        siphon_centers=[[3, 3]],
    )
    after = play_one(before, 3).after
    flags = ("show_activated", "scheduled_tasks_disabled", "step_active")
    assert [after[key] for key in flags] == [False, False, False]
    assert after["atk_plus_uses"] == 0
    assert after["enemies"] == []
    assert after["siphon_centers"] == []
    assert [one["slot"] for one in after["transmissions"]] == [0, 1]
    assert not any([block["row"], block["col"]] in CORNERS for block in after["blocks"])
    assert all(one["credits"] + one["energy"] <= 3 for one in after["resources"])


@pytest.mark.parametrize(("hp", "later"), [(1, 2), (2, 3), (3, 3)])
def test_one_hp_comes_back(hp, later):
    assert play_one(complete(figures={"hp": hp}), 3).after["player"]["hp"] == later


def test_the_exit_is_another_corner_and_the_rest_hold_data_siphons(boards):
    for board in boards:
        assert board["exit"] in CORNERS[:3]
        siphons = [[one["row"], one["col"]] for one in board["resources"] if one["data_siphon"]]
        assert siphons == [corner for corner in CORNERS[:3] if corner != board["exit"]]


def test_blocks(boards):
    for board in boards:
        cells = [[block["row"], block["col"]] for block in board["blocks"]]
        assert 5 <= len(cells) <= 11
        assert not any(cell in CORNERS for cell in cells)
        for block in board["blocks"]:
            assert not block["siphoned"]
            if block["kind"] == "data":
                assert 1 <= block["points"] <= 9
                assert block["spawn_count"] == block["points"]
            else:
                assert block["spawn_count"] == 2


def test_layouts_hang_together(boards):
    for board in boards:
        blocks = {(block["row"], block["col"]) for block in board["blocks"]}
        assert is_one_region([(row, col) for row in range(6) for col in range(6) if (row, col) not in blocks])


def test_every_other_cell_has_one_pickup(boards):
    for board in boards:
        blocks = [[block["row"], block["col"]] for block in board["blocks"]]
        plain = [one for one in board["resources"] if not one["data_siphon"]]
        cells = [[one["row"], one["col"]] for one in plain]
        expected = [
            [row, col]
            for row in range(6)
            for col in range(6)
            if [row, col] not in CORNERS and [row, col] not in blocks
        ]
        assert cells == expected
        for one in plain:
            assert min(one["credits"], one["energy"]) == 0
            assert 1 <= one["credits"] + one["energy"] <= 3


def test_transmissions(boards):
    for board in boards:
        blocks = [(block["row"], block["col"]) for block in board["blocks"]]
        cells = [(one["row"], one["col"]) for one in board["transmissions"]]
        assert len(cells) == min(board["stage"], 8)
        assert len(set(cells)) == len(cells)
        assert not any(list(cell) in CORNERS or cell in blocks for cell in cells)
        assert [one["slot"] for one in board["transmissions"]] == list(range(len(cells)))
        for one in board["transmissions"]:
            assert (one["turns_remaining"], one["spawned_from_siphon"], one["from_scheduled_task"]) == (
                1,
                False,
                False,
            )


def test_away_from_the_corners_three_corners_hold_siphons_and_the_own_cell_is_like_any_other():
    before = {"player": player(2, 2), "exit": [2, 3]}
    own_cell_blocks = own_cell_pickups = 0
    exits = set()
    for played in play_all([(before, 3)] * 256, seed=5):
        board = played.after
        exits.add(tuple(board["exit"]))
        siphons = [[one["row"], one["col"]] for one in board["resources"] if one["data_siphon"]]
        assert siphons == [corner for corner in CORNERS if corner != board["exit"]]
        own_cell_blocks += any((block["row"], block["col"]) == (2, 3) for block in board["blocks"])
        own_cell_pickups += any((one["row"], one["col"]) == (2, 3) for one in board["resources"])
        assert not any((one["row"], one["col"]) == (2, 3) for one in board["transmissions"])
    assert exits == {tuple(corner) for corner in CORNERS}
    assert own_cell_blocks > 0
    assert own_cell_blocks + own_cell_pickups == 256


def test_winning():
    won = play_one(complete(stage=8, figures={"score": 7}), 3)
    assert won.after["stage"] == 9
    assert won.done
    assert won.info["game_won"]
    assert len(won.after["transmissions"]) == 8
    assert won.info["victory"] == 1200
    assert won.info["stage_completion"] == 100


def test_losing():
    lost = play_one({"player": player(2, 2, hp=1), "enemies": [enemy("daemon", 4, 3)]}, 0)
    assert lost.done
    assert lost.info["player_died"]
    assert not lost.info["game_won"]
    assert lost.after["player"]["hp"] == 0


def test_winning_and_dying_at_once():
    both = play_one(complete(stage=8, figures={"hp": 1}, enemies=[enemy("daemon", 4, 5)]), 3)
    assert both.done
    assert both.info["player_died"]
    assert both.info["game_won"]
    assert both.after["player"]["hp"] == 1
    assert both.info["death_penalty"] == -0.5 * (1 + 2 + 4 + 8 + 16 + 32 + 64 + 100)


def test_other_actions_on_the_exit_complete_nothing():
    before = {
        "player": player(5, 5, data_siphons=1, **RICH),
        "programs": list(range(5, 28)),
        "enemies": [enemy("daemon", 0, 0, stunned=True)],
    }
    for action in (4, 5, 10, 11, 16):
        assert play_one(before, action).after["stage"] == 1
