"""Moving and shooting: docs/game.md, section 5."""

import pytest
from boards import data, enemies, enemy, play_one, player, transmission, where

MOVES = {0: (3, 2), 1: (1, 2), 2: (2, 1), 3: (2, 3)}


@pytest.mark.parametrize(("action", "cell"), MOVES.items())
def test_a_walk_goes_one_cell_and_takes_the_turn(action, cell):
    walked = play_one({"player": player(2, 2)}, action)
    assert where(walked) == cell
    assert walked.after["turn"] == 1


@pytest.mark.parametrize(("action", "cell"), MOVES.items())
def test_a_shot_hits_an_enemy_at_any_distance_and_stays(action, cell):
    row, col = (2 + 2 * (step - 2) for step in cell)
    shot = play_one({"player": player(2, 2), "enemies": [enemy("daemon", row, col, stunned=True)]}, action)
    assert where(shot) == (2, 2)
    assert enemies(shot) == [("daemon", row, col, 2)]
    assert shot.after["turn"] == 1


@pytest.mark.parametrize(
    ("attack", "left"), [(1, [("daemon", 5, 2, 2)]), (2, [("daemon", 5, 2, 1)]), (3, [])]
)
def test_a_shot_takes_the_attack_damage(attack, left):
    before = {
        "player": player(2, 2, attack_damage=attack),
        "enemies": [enemy("daemon", 5, 2, stunned=True)],
    }
    assert enemies(play_one(before, 0)) == left


def test_the_nearest_is_shot_not_the_lowest_slot():
    before = {
        "player": player(0, 0),
        "enemies": [enemy("daemon", 0, 5, stunned=True), enemy("daemon", 0, 4, stunned=True)],
    }
    assert enemies(play_one(before, 3)) == [("daemon", 0, 5, 3), ("daemon", 0, 4, 2)]


def test_of_several_on_a_cell_the_first_enemy_is_shot():
    before = {
        "player": player(0, 0),
        "enemies": [
            enemy("daemon", 0, 4, slot=7, stunned=True),
            enemy("glitch", 0, 4, slot=3, stunned=True),
        ],
        "transmissions": [transmission(0, 4, slot=0)],
    }
    shot = play_one(before, 3)
    assert enemies(shot) == [("glitch", 0, 4, 1), ("daemon", 0, 4, 3)]
    assert len(shot.after["transmissions"]) == 1


def test_a_nearer_transmission_comes_before_an_enemy():
    before = {
        "player": player(0, 0),
        "enemies": [enemy("daemon", 0, 4, stunned=True)],
        "transmissions": [transmission(0, 3, slot=4), transmission(0, 3, slot=9), transmission(0, 5, slot=0)],
    }
    shot = play_one(before, 3)
    assert [one["slot"] for one in shot.after["transmissions"]] == [0, 9]
    assert enemies(shot) == [("daemon", 0, 4, 3)]


def test_the_look_leaves_out_the_own_cell_and_other_lines():
    before = {
        "player": player(2, 2),
        "enemies": [
            enemy("daemon", 2, 2, stunned=True),
            enemy("daemon", 1, 2, stunned=True),
            enemy("daemon", 4, 3, stunned=True),
        ],
    }
    assert where(play_one(before, 0)) == (3, 2)


def test_a_shot_goes_through_blocks_and_finds_hidden_cryptogs():
    """Shots along a line find cryptogs in that line, so hide it by looking from where it is seen only so."""
    before = {
        "player": player(0, 0),
        "blocks": [data(0, 1), data(0, 2)],
        "enemies": [enemy("cryptog", 0, 3, stunned=True)],
    }
    assert enemies(play_one(before, 3)) == [("cryptog", 0, 3, 1)]


def test_a_walk_picks_up_everything_on_the_cell_and_empties_it():
    before = {
        "player": player(2, 2, credits=1, energy=2, data_siphons=3),
        "resources": [
            {"row": 2, "col": 3, "credits": 5, "energy": 7, "data_siphon": True},
            {"row": 2, "col": 2, "credits": 9},
        ],
    }
    walked = play_one(before, 3)
    got = walked.after["player"]
    assert (got["credits"], got["energy"], got["data_siphons"]) == (6, 9, 4)
    assert walked.after["resources"] == [
        {"row": 2, "col": 2, "credits": 9, "energy": 0, "data_siphon": False}
    ]


def test_a_shot_picks_up_nothing():
    before = {
        "player": player(2, 2),
        "enemies": [enemy("daemon", 2, 5, stunned=True)],
        "resources": [{"row": 2, "col": 3, "credits": 5}],
    }
    assert play_one(before, 3).after["player"]["credits"] == 0


def test_siphoned_blocks_can_be_walked_on():
    assert where(play_one({"player": player(2, 2), "blocks": [data(2, 3, siphoned=True)]}, 3)) == (2, 3)


def test_a_shot_from_the_exit_completes_the_stage():
    before = {"player": player(5, 5), "enemies": [enemy("daemon", 5, 0)]}
    assert play_one(before, 2).after["stage"] == 2
