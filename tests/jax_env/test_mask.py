"""The action mask and the order of a step: docs/game.md, sections 3, 4, 12 and 16."""

import pytest
from boards import RICH, complete, data, enemy, legal, play_all, play_one, player, transmission

MOVES = [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("cell", "moves"),
    [
        ((2, 2), [0, 1, 2, 3]),
        ((0, 0), [0, 3]),
        ((5, 5), [1, 2]),
        ((0, 5), [0, 2]),
        ((5, 0), [1, 3]),
        ((3, 0), [0, 1, 3]),
    ],
)
def test_moves_need_a_cell_ahead(cell, moves):
    assert legal({"player": player(*cell)}) == moves


@pytest.mark.parametrize(("action", "cell"), [(0, (3, 2)), (1, (1, 2)), (2, (2, 1)), (3, (2, 3))])
def test_a_block_ahead_forbids_walking_but_not_shooting(action, cell):
    row, col = cell
    far = (2 + 2 * (row - 2), 2 + 2 * (col - 2))
    blocked = {"player": player(2, 2), "blocks": [data(*cell)]}
    rest = [move for move in MOVES if move != action]
    assert legal(blocked) == rest
    assert legal({"player": player(2, 2), "blocks": [data(*cell, siphoned=True)]}) == MOVES
    assert legal({**blocked, "enemies": [enemy("cryptog", *far)]}) == MOVES
    assert legal({**blocked, "transmissions": [transmission(*far)]}) == MOVES
    assert legal({**blocked, "enemies": [enemy("virus", *cell)]}) == MOVES
    assert legal({**blocked, "enemies": [enemy("virus", 2, 2)]}) == rest  # the own cell is not looked at


def test_no_shot_goes_over_the_edge():
    assert legal({"player": player(0, 0), "enemies": [enemy("virus", 5, 5)]}) == [0, 3]


def test_the_mask_does_not_ask_whether_the_game_has_ended():
    assert legal({"player": player(2, 2, hp=0)}) == MOVES
    assert legal({"player": player(2, 2), "stage": 9}) == MOVES


@pytest.mark.parametrize("action", range(28))
def test_which_actions_take_the_turn(action):
    before = {
        "player": player(2, 2, hp=1, data_siphons=1, **RICH),
        "programs": list(range(5, 28)),
        "undo_available": True,
        "enemies": [
            enemy("virus", 5, 5),
            enemy("daemon", 0, 5),
            enemy("glitch", 2, 0),
            enemy("glitch", 0, 2),
        ],
        "transmissions": [transmission(3, 3)],
        "blocks": [data(5, 5), data(4, 5, siphoned=True)],
    }
    played = play_one(before, action)
    assert not played.info["invalid_action"]
    assert played.after["turn"] == (1 if action in (0, 1, 2, 3, 4, 10) else 0)
    assert played.after["undo_available"] == (action != 14)


ILLEGAL = [-1, 28, 1000, -(2**31), 2**31 - 1, 4, 5, 10, 0]


@pytest.mark.parametrize("action", ILLEGAL)
def test_an_illegal_action_changes_nothing(action):
    before = {"player": player(5, 0, hp=2), "enemies": [enemy("daemon", 4, 0)], "turn": 11}
    played = play_one(before, action)
    assert played.after == complete(before)
    assert played.info["invalid_action"]
    assert not played.done
    assert played.reward == pytest.approx(-0.01)
    assert played.info["step_penalty"] == pytest.approx(-0.01)
    flags = [bool(played.info[key]) for key in ("stage_completed", "player_died", "game_won")]
    assert flags == [False, False, False]
    assert [int(played.info[key]) for key in ("stage", "score", "hp")] == [1, 0, 2]


@pytest.mark.parametrize(
    "ended", [{"player": player(5, 4, hp=0, score=6)}, {"player": player(5, 4, score=6), "stage": 9}]
)
def test_an_ended_game_stays_as_it_is(ended):
    for played in play_all([(ended, action) for action in (0, 3, 4, 10, -5)]):
        assert played.after == complete(ended)
        assert played.done
        assert played.reward == 0
        assert played.info["step_penalty"] == 0
        assert played.info["invalid_action"]
        flags = [bool(played.info[key]) for key in ("stage_completed", "player_died", "game_won")]
        assert flags == [False, False, False]
        assert played.info["score"] == 6
