"""Siphoning: docs/game.md, section 9."""

import pytest
from boards import data, legal, play_one, player, program

SIPHON = 4


def siphon(blocks, **more):
    before = {"player": player(2, 2, data_siphons=2), "blocks": blocks, **more}
    return play_one(before, SIPHON)


def siphoned_cells(played):
    return [(block["row"], block["col"]) for block in played.after["blocks"] if block["siphoned"]]


@pytest.mark.parametrize(
    ("blocks", "target"),
    [
        ([data(3, 2, 4), data(1, 2, 4), data(2, 1, 4), data(2, 3, 4)], (3, 2)),  # up
        ([data(1, 2, 4), data(2, 1, 4), data(2, 3, 4)], (1, 2)),  # down
        ([data(2, 1, 4), data(2, 3, 4)], (2, 1)),  # left
        ([data(2, 3, 4)], (2, 3)),  # right
        ([data(3, 2, 4), data(2, 3, 5)], (2, 3)),  # worth more
        ([data(3, 2, 9), program(2, 3)], (2, 3)),  # a program is worth 100
        ([data(3, 2, 99), program(2, 3)], (2, 3)),
        ([program(1, 2), program(2, 3)], (1, 2)),
    ],
)
def test_the_block_of_highest_worth_is_taken_in_order(blocks, target):
    assert siphoned_cells(siphon(blocks)) == [target]


@pytest.mark.parametrize(
    "blocks",
    [[], [data(3, 3)], [data(2, 2)], [data(2, 3, 0, spawn_count=4)], [data(4, 2)]],
)
def test_without_a_target_only_siphon_and_turn_are_spent(blocks):
    played = siphon(blocks)
    assert played.after["player"] == {
        "row": 2,
        "col": 2,
        "hp": 3,
        "credits": 0,
        "energy": 0,
        "data_siphons": 1,
        "attack_damage": 1,
        "score": 0,
    }
    assert siphoned_cells(played) == []
    assert played.after["siphon_centers"] == []
    assert played.after["transmissions"] == []
    assert (played.after["turn"], played.after["next_scheduled_task_turn"]) == (1, 12)


def test_a_siphoned_block_is_no_target():
    assert siphoned_cells(siphon([data(2, 3, 9, siphoned=True), data(2, 1, 1)])) == [(2, 1), (2, 3)]


def test_a_data_block_gives_its_points_as_score():
    played = siphon([data(2, 3, 7, spawn_count=2)])
    assert played.after["player"]["score"] == 7
    assert len(played.after["transmissions"]) == 2
    assert played.after["programs"] == []


def test_a_program_block_gives_its_program():
    played = siphon([program(2, 3, 25)], programs=[5, 27])
    assert played.after["programs"] == [5, 25, 27]
    assert played.after["player"]["score"] == 0
    assert len(played.after["transmissions"]) == 2


def test_an_owned_program_is_taken_again():
    assert siphon([program(2, 3, 25)], programs=[25]).after["programs"] == [25]


def test_the_spawns_are_on_the_blocks_cell_in_the_lowest_free_slots():
    played = siphon(
        [data(2, 3, 3)],
        transmissions=[{"row": 0, "col": 0, "enemy_type": "virus", "turns_remaining": 9, "slot": 1}],
    )
    new = [one for one in played.after["transmissions"] if one["spawned_from_siphon"]]
    assert [(one["slot"], one["row"], one["col"], one["turns_remaining"]) for one in new] == [
        (0, 2, 3, 2),
        (2, 2, 3, 2),
        (3, 2, 3, 2),
    ]
    assert not any(one["from_scheduled_task"] for one in new)


@pytest.mark.parametrize(("spawn_count", "spawned"), [(0, 0), (1, 1), (9, 9), (10, 9), (99, 9)])
def test_at_most_nine_spawn(spawn_count, spawned):
    assert len(siphon([data(2, 3, 4, spawn_count=spawn_count)]).after["transmissions"]) == spawned


def test_spawns_without_a_free_slot_are_lost():
    far = [{"row": 0, "col": 0, "enemy_type": "virus", "turns_remaining": 9}] * 18
    assert len(siphon([data(2, 3, 4)], transmissions=far).after["transmissions"]) == 20


@pytest.mark.parametrize("disabled", [False, True])
def test_a_target_moves_the_schedule_by_five(disabled):
    played = siphon([data(2, 3)], scheduled_tasks_disabled=disabled)
    assert played.after["next_scheduled_task_turn"] == 17


def test_the_players_cell_becomes_a_siphon_center():
    assert siphon([data(2, 3)], siphon_centers=[[0, 1]]).after["siphon_centers"] == [[0, 1], [2, 2]]


def test_siphoning_gives_no_credits_and_no_energy():
    around = [{"row": 2, "col": 1, "credits": 3}, {"row": 2, "col": 3, "energy": 3}]
    played = siphon([data(3, 2)], resources=around)
    assert (played.after["player"]["credits"], played.after["player"]["energy"]) == (0, 0)


def test_siphon_needs_a_data_siphon_and_nothing_else():
    assert SIPHON not in legal({"player": player(2, 2), "blocks": [data(2, 3)]})
    assert SIPHON in legal({"player": player(2, 2, data_siphons=1)})
