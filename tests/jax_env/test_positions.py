"""Positions as plain Python, in and out: docs/game.md, section 18."""

import json
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from boards import complete, data, enemy, program, transmission
from hypothesis import given
from hypothesis import strategies as st
from random_positions import random_position

from hackmatrix.jax_env import PositionError, reset, state_from_dict, state_to_dict

START = {
    "player": {
        "row": 0,
        "col": 0,
        "hp": 3,
        "credits": 0,
        "energy": 0,
        "data_siphons": 0,
        "attack_damage": 1,
        "score": 0,
    },
    "stage": 1,
    "turn": 0,
    "exit": [5, 5],
    "programs": [],
    "show_activated": False,
    "scheduled_tasks_disabled": False,
    "step_active": False,
    "undo_available": False,
    "atk_plus_uses": 0,
    "scheduled_task_interval": 12,
    "next_scheduled_task_turn": 12,
    "enemies": [],
    "transmissions": [],
    "blocks": [],
    "resources": [],
    "siphon_centers": [],
}


def test_the_empty_position_is_the_start_of_a_game():
    assert complete({}) == START
    _, state = reset(jax.random.key(3))
    assert state_to_dict(state) == START


def test_defaults_of_members():
    position = complete(
        {
            "enemies": [enemy("daemon", 1, 2)],
            "transmissions": [{"row": 3, "col": 4, "enemy_type": "glitch"}],
            "blocks": [program(4, 4, 9), data(2, 2, 7)],
            "resources": [{"row": 5, "col": 1, "data_siphon": True}, {"row": 0, "col": 1}],
        }
    )
    assert position["enemies"] == [
        {
            "type": "daemon",
            "row": 1,
            "col": 2,
            "hp": 3,
            "disabled_turns": 0,
            "stunned": False,
            "spawned_from_siphon": False,
            "from_scheduled_task": False,
            "slot": 0,
        }
    ]
    assert position["transmissions"] == [
        {
            "row": 3,
            "col": 4,
            "turns_remaining": 1,
            "enemy_type": "glitch",
            "spawned_from_siphon": False,
            "from_scheduled_task": False,
            "slot": 0,
        }
    ]
    assert position["blocks"] == [
        {"row": 2, "col": 2, "kind": "data", "points": 7, "spawn_count": 7, "siphoned": False},
        {"row": 4, "col": 4, "kind": "program", "program": 9, "spawn_count": 2, "siphoned": False},
    ]
    assert position["resources"] == [{"row": 5, "col": 1, "credits": 0, "energy": 0, "data_siphon": True}]


@given(st.integers(0, 2**32))
def test_any_position_comes_back_and_is_json(seed):
    position = complete(random_position(Random(seed)))
    assert complete(position) == position
    assert json.loads(json.dumps(position)) == position


def test_lists_are_written_in_order():
    position = complete(
        {
            "programs": [27, 5, 9],
            "siphon_centers": [[3, 1], [0, 5]],
            "enemies": [enemy("virus", 1, 1, slot=8), enemy("daemon", 2, 2, slot=3)],
        }
    )
    assert position["programs"] == [5, 9, 27]
    assert position["siphon_centers"] == [[0, 5], [3, 1]]
    assert [(one["slot"], one["type"]) for one in position["enemies"]] == [(3, "daemon"), (8, "virus")]


def test_numpys_numbers_and_booleans_are_taken():
    position = complete({"player": {"hp": np.int64(2)}, "turn": np.int16(5), "step_active": np.bool_(1)})
    assert (position["player"]["hp"], position["turn"], position["step_active"]) == (2, 5, True)
    assert type(position["turn"]) is int


BLOCK = {"row": 1, "col": 1, "kind": "data", "points": 3}
WRONG = [
    ([], "the position is [], expected a dict"),
    ({"playr": {}}, "playr is unknown, expected one of stage, turn"),
    ({"player": 3}, "player is 3, expected a dict"),
    ({"player": {"mana": 3}}, "player.mana is unknown, expected one of row, col, hp"),
    ({"player": {"hp": 4}}, "player.hp is 4, expected 0..3"),
    ({"player": {"hp": -1}}, "player.hp is -1, expected 0..3"),
    ({"player": {"hp": True}}, "player.hp is True, expected 0..3"),
    ({"player": {"hp": 2.0}}, "player.hp is 2.0, expected 0..3"),
    ({"player": {"hp": "2"}}, "player.hp is '2', expected 0..3"),
    ({"player": {"credits": 10000}}, "player.credits is 10000, expected 0..9999"),
    ({"player": {"attack_damage": 0}}, "player.attack_damage is 0, expected 1..3"),
    ({"stage": 0}, "stage is 0, expected 1..9"),
    ({"stage": None}, "stage is None, expected 1..9"),
    ({"turn": 10**9 + 1}, "turn is 1000000001, expected 0..1000000000"),
    ({"atk_plus_uses": 3}, "atk_plus_uses is 3, expected 0..2"),
    ({"step_active": 1}, "step_active is 1, expected True or False"),
    ({"exit": [5]}, "exit is [5], expected [row, col]"),
    ({"exit": [5, 6]}, "exit[1] is 6, expected 0..5"),
    ({"exit": "55"}, "exit is '55', expected [row, col]"),
    ({"programs": [4]}, "programs[0] is 4, expected 5..27"),
    ({"programs": [5, 9, 5]}, "programs[2] is 5 for the second time, expected each program once"),
    ({"programs": 5}, "programs is 5, expected a list"),
    ({"enemies": {}}, "enemies is {}, expected a list"),
    ({"enemies": [5]}, "enemies[0] is 5, expected a dict"),
    ({"enemies": [enemy("worm", 1, 1)]}, "enemies[0].type is 'worm', expected one of virus, daemon"),
    ({"enemies": [{"row": 1, "col": 1}]}, "enemies[0] has no 'type', expected one"),
    ({"enemies": [{"type": "virus", "col": 1}]}, "enemies[0] has no 'row', expected one"),
    (
        {"enemies": [enemy("virus", 0, 0)] * 2 + [enemy("virus", 0, 0, hp=5)]},
        "enemies[2].hp is 5, expected 1..3",
    ),
    ({"enemies": [enemy("virus", 0, 0, hp=0)]}, "enemies[0].hp is 0, expected 1..3"),
    ({"enemies": [enemy("virus", 6, 0)]}, "enemies[0].row is 6, expected 0..5"),
    (
        {"enemies": [enemy("virus", 0, 0, disabled_turns=100)]},
        "enemies[0].disabled_turns is 100, expected 0..99",
    ),
    ({"enemies": [enemy("virus", 0, 0, stunned=0)]}, "enemies[0].stunned is 0, expected True or False"),
    ({"enemies": [enemy("virus", 0, 0, slot=20)]}, "enemies[0].slot is 20, expected 0..19"),
    ({"enemies": [enemy("virus", 0, 0, slot=None)]}, "enemies[0].slot is None, expected 0..19"),
    (
        {"enemies": [enemy("virus", 0, 0, slot=3), enemy("virus", 0, 0, slot=3)]},
        "enemies[1].slot is 3 for the second time, expected each slot once",
    ),
    (
        {"enemies": [enemy("virus", 0, 0, slot=3), enemy("virus", 0, 0)]},
        "enemies[1] has no 'slot', expected one in all members or in none",
    ),
    ({"enemies": [enemy("virus", 0, 0)] * 21}, "enemies has 21 members, expected at most 20"),
    ({"transmissions": [transmission(0, 0, 0)]}, "transmissions[0].turns_remaining is 0, expected 1..999"),
    (
        {"transmissions": [transmission(0, 0, 1000)]},
        "transmissions[0].turns_remaining is 1000, expected 1..999",
    ),
    ({"transmissions": [{"row": 0, "col": 0}]}, "transmissions[0] has no 'enemy_type', expected one"),
    ({"transmissions": [transmission(0, 0, hp=1)]}, "transmissions[0].hp is unknown, expected one of row"),
    ({"blocks": [{**BLOCK, "kind": "wall"}]}, "blocks[0].kind is 'wall', expected one of data, program"),
    ({"blocks": [{"row": 1, "col": 1}]}, "blocks[0] has no 'kind', expected one"),
    ({"blocks": [{"row": 1, "col": 1, "kind": "data"}]}, "blocks[0] has no 'points', expected one"),
    ({"blocks": [{**BLOCK, "points": 100}]}, "blocks[0].points is 100, expected 0..99"),
    ({"blocks": [{**BLOCK, "program": 5}]}, "blocks[0].program is unknown, expected one of row"),
    ({"blocks": [{**program(1, 1), "points": 5}]}, "blocks[0].points is unknown, expected one of row"),
    ({"blocks": [program(1, 1, 28)]}, "blocks[0].program is 28, expected 5..27"),
    ({"blocks": [{**BLOCK, "spawn_count": -1}]}, "blocks[0].spawn_count is -1, expected 0..99"),
    ({"blocks": [BLOCK, program(1, 1)]}, "blocks[1] is the second on [1, 1], expected one per cell"),
    ({"resources": [{"row": 1, "col": 1, "credits": 100}]}, "resources[0].credits is 100, expected 0..99"),
    (
        {"resources": [{"row": 1, "col": 1}] * 2},
        "resources[1] is the second on [1, 1], expected one per cell",
    ),
    (
        {"siphon_centers": [[1, 1], [1, 1]]},
        "siphon_centers[1] is the second on [1, 1], expected one per cell",
    ),
    ({"siphon_centers": [3]}, "siphon_centers[0] is 3, expected [row, col]"),
]


@pytest.mark.parametrize(("position", "message"), WRONG)
def test_what_is_wrong_is_said(position, message):
    with pytest.raises(PositionError) as raised:
        state_from_dict(position)
    assert str(raised.value).startswith(message)
    assert isinstance(raised.value, ValueError)


def test_a_batch_of_states_is_refused_with_the_way_out():
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), state_from_dict({}))
    with pytest.raises(PositionError, match="index one out of the batch first"):
        state_to_dict(batch)
    assert state_to_dict(jax.tree.map(lambda leaf: leaf[1], batch)) == START
