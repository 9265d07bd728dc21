"""Enemies, transmissions and the schedule: docs/game.md, sections 4 and 6-8."""

import pytest
from boards import data, enemies, enemy, play_one, player, transmission

WAIT = 10


def wait(row, col, **more):
    """The player waits: nothing happens but the enemies' turn."""
    figures = more.pop("figures", {})
    before = {"player": player(row, col, energy=1, **figures), "programs": [WAIT], **more}
    return play_one(before, WAIT)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ((5, 3), (4, 3)),  # straight
        ((5, 4), (4, 4)),  # the larger difference first
        ((3, 0), (3, 1)),
        ((4, 4), (3, 4)),  # a tie goes to the row
        ((0, 0), (1, 0)),
        ((3, 2), (3, 2)),  # beside the player: stays
        ((2, 2), (2, 2)),  # on the player: stays
        ((3, 3), (2, 3)),
    ],
)
def test_one_move(start, end):
    assert enemies(wait(2, 2, enemies=[enemy("daemon", *start)])) == [("daemon", *end, 3)]


@pytest.mark.parametrize("kind", ["daemon", "cryptog"])
def test_a_block_makes_swerve(kind):
    waited = wait(0, 0, enemies=[enemy(kind, 4, 2)], blocks=[data(3, 2)])
    assert enemies(waited)[0][1:3] == (3, 1)


def test_a_swerve_along_the_column_adds_the_row():
    waited = wait(0, 0, enemies=[enemy("daemon", 1, 4)], blocks=[data(1, 3)])
    assert enemies(waited)[0][1:3] == (0, 3)


def test_a_swerve_is_not_checked_against_anything():
    waited = wait(0, 0, enemies=[enemy("daemon", 4, 2)], blocks=[data(3, 2), data(3, 1)])
    assert enemies(waited)[0][1:3] == (3, 1)


def test_without_another_difference_the_block_is_entered():
    waited = wait(0, 2, enemies=[enemy("daemon", 4, 2)], blocks=[data(3, 2)])
    assert enemies(waited)[0][1:3] == (3, 2)


def test_glitches_and_siphoned_blocks_make_no_swerve():
    blocks = [data(3, 2)]
    assert enemies(wait(0, 0, enemies=[enemy("glitch", 4, 2)], blocks=blocks))[0][1:3] == (3, 2)
    siphoned = [data(3, 2, siphoned=True)]
    assert enemies(wait(0, 0, enemies=[enemy("daemon", 4, 2)], blocks=siphoned))[0][1:3] == (3, 2)


def test_a_virus_moves_twice():
    assert enemies(wait(0, 0, enemies=[enemy("virus", 4, 4)])) == [("virus", 3, 3, 2)]


def test_stunned_and_disabled_enemies_do_not_move():
    waited = wait(
        0, 0, enemies=[enemy("daemon", 4, 4, stunned=True), enemy("daemon", 4, 4, disabled_turns=2)]
    )
    assert [one[1:3] for one in enemies(waited)] == [(4, 4), (4, 4)]
    assert [one["stunned"] for one in waited.after["enemies"]] == [False, False]
    assert [one["disabled_turns"] for one in waited.after["enemies"]] == [0, 1]


@pytest.mark.parametrize(
    ("who", "hp"),
    [
        ([enemy("daemon", 2, 3)], 2),
        ([enemy("daemon", 2, 3), enemy("virus", 1, 2)], 1),
        ([enemy("daemon", 2, 3)] * 4, 0),  # not below 0
        ([enemy("daemon", 2, 3, stunned=True)], 3),
        ([enemy("daemon", 2, 3, disabled_turns=5)], 2),
        ([enemy("daemon", 2, 2)], 3),  # on the player
        ([enemy("daemon", 2, 4)], 2),  # comes near first
    ],
)
def test_hits(who, hp):
    assert wait(2, 2, enemies=who).after["player"]["hp"] == hp


def test_step_active_keeps_from_moving_but_not_from_hitting_and_ends():
    waited = wait(2, 2, step_active=True, enemies=[enemy("daemon", 2, 3), enemy("daemon", 5, 5)])
    assert enemies(waited) == [("daemon", 2, 3, 3), ("daemon", 5, 5, 3)]
    assert waited.after["player"]["hp"] == 2
    assert waited.after["step_active"] is False


def test_the_enemies_turn_runs_to_its_end_after_death():
    waited = wait(
        2,
        2,
        figures={"hp": 1},
        turn=11,
        enemies=[enemy("daemon", 2, 3), enemy("daemon", 5, 5, disabled_turns=3)],
        transmissions=[transmission(0, 0, turns=2)],
    )
    assert waited.after["player"]["hp"] == 0
    assert waited.done
    assert waited.after["enemies"][1]["disabled_turns"] == 2
    assert [one["turns_remaining"] for one in waited.after["transmissions"]] == [1, 1]  # one is scheduled
    assert waited.after["next_scheduled_task_turn"] == 24


@pytest.mark.parametrize(("kind", "hp"), [("virus", 2), ("daemon", 3), ("glitch", 2), ("cryptog", 2)])
def test_a_due_transmission_becomes_an_enemy_with_full_hp_and_its_flags(kind, hp):
    waited = wait(
        0,
        0,
        step_active=True,
        transmissions=[transmission(4, 4, turns=1, kind=kind, slot=5, spawned_from_siphon=True)],
    )
    (arrived,) = waited.after["enemies"]
    assert waited.after["transmissions"] == []
    assert arrived == {
        "type": kind,
        "row": 4,
        "col": 4,
        "hp": hp,
        "disabled_turns": 0,
        "stunned": False,
        "spawned_from_siphon": True,
        "from_scheduled_task": False,
        "slot": 0,
    }


def test_transmissions_count_down_and_stay_in_their_slots():
    waited = wait(
        0, 0, transmissions=[transmission(4, 4, turns=3, slot=2), transmission(4, 5, turns=2, slot=9)]
    )
    assert [(one["slot"], one["turns_remaining"]) for one in waited.after["transmissions"]] == [
        (2, 2),
        (9, 1),
    ]


def test_newcomers_take_the_lowest_free_slots_in_slot_order():
    waited = wait(
        0,
        0,
        step_active=True,
        enemies=[enemy("daemon", 5, 5, slot=1)],
        transmissions=[
            transmission(3, 3, turns=1, kind="glitch", slot=12),
            transmission(4, 4, turns=1, kind="cryptog", slot=4),
        ],
    )
    assert [(one["slot"], one["type"]) for one in waited.after["enemies"]] == [
        (0, "cryptog"),
        (1, "daemon"),
        (2, "glitch"),
    ]


def test_without_a_free_slot_newcomers_are_lost():
    waited = wait(
        0,
        0,
        step_active=True,
        enemies=[enemy("daemon", 5, 5, slot=slot) for slot in range(20) if slot != 13],
        transmissions=[transmission(3, 3, turns=1, kind="glitch"), transmission(3, 4, turns=1, kind="virus")],
    )
    assert waited.after["enemies"][13]["type"] == "glitch"
    assert len(waited.after["enemies"]) == 20
    assert waited.after["transmissions"] == []


def test_a_newcomer_appears_on_blocks_players_and_enemies():
    cells = [(3, 3), (0, 0), (5, 5)]
    waited = wait(
        0,
        0,
        step_active=True,
        blocks=[data(3, 3)],
        enemies=[enemy("daemon", 5, 5)],
        transmissions=[transmission(*cell, turns=1) for cell in cells],
    )
    assert [one[1:3] for one in enemies(waited)] == [(5, 5), *cells]


@pytest.mark.parametrize(
    ("more", "comes", "next_turn"),
    [
        ({"turn": 11}, True, 24),
        ({"turn": 10}, False, 12),
        ({"turn": 30}, True, 43),
        ({"turn": 11, "scheduled_task_interval": 5}, True, 17),
        ({"turn": 11, "scheduled_task_interval": 0}, False, 12),
        ({"turn": 11, "scheduled_tasks_disabled": True}, False, 12),
    ],
)
def test_the_schedule(more, comes, next_turn):
    waited = wait(0, 0, **more)
    assert waited.after["next_scheduled_task_turn"] == next_turn
    flags = [(one["from_scheduled_task"], one["turns_remaining"]) for one in waited.after["transmissions"]]
    assert flags == ([(True, 1)] if comes else [])


def test_with_all_slots_taken_the_date_moves_all_the_same():
    waited = wait(0, 0, turn=11, transmissions=[transmission(1, 1)] * 20)
    assert len(waited.after["transmissions"]) == 20
    assert waited.after["next_scheduled_task_turn"] == 24


def test_a_full_board_gets_its_scheduled_spawn_on_the_first_cell():
    everywhere = [(row, col) for row in range(6) for col in range(6) if (row, col) != (2, 2)]
    waited = wait(2, 2, turn=11, blocks=[data(*cell) for cell in everywhere])
    assert [(one["row"], one["col"]) for one in waited.after["transmissions"]] == [(0, 0)]


def test_a_scheduled_spawn_takes_the_only_free_cell():
    everywhere = [
        (row, col) for row in range(6) for col in range(6) if (row, col) not in ((2, 2), (4, 1), (5, 3))
    ]
    waited = wait(
        2,
        2,
        turn=11,
        step_active=True,
        blocks=[data(*cell) for cell in everywhere] + [data(5, 3, siphoned=True)],
        enemies=[enemy("daemon", 4, 1)],
    )
    assert [(one["row"], one["col"]) for one in waited.after["transmissions"]] == [(5, 3)]
