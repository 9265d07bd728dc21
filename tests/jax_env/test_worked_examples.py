"""The worked examples of docs/game.md, section 19, each one step from a position set up by hand."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from hackmatrix.jax_env import REWARD_PARTS, action_mask, state_from_dict, state_to_dict, step

KEY = jax.random.key(7)


class Example(NamedTuple):
    """A position, an action and what is to be seen afterwards; `rewards` leaves out zeros and the -0.01."""

    before: dict[str, Any]
    action: int
    after: dict[str, Any]
    rewards: dict[str, float]
    reward: float
    mask: list[int] | None = None


def data(row: int, col: int, points: int, **more: Any) -> dict[str, Any]:
    return {"row": row, "col": col, "kind": "data", "points": points, **more}


def enemy(kind: str, row: int, col: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "row": row, "col": col, **more}


EXAMPLES = {
    "A: a tie of the differences goes to the row": Example(
        before={
            "player": {"row": 2, "col": 2},
            "enemies": [enemy("daemon", 5, 0)],
            "resources": [{"row": 3, "col": 2, "credits": 2}],
        },
        action=0,
        after={
            "player": {"row": 3, "col": 2, "credits": 2},
            "enemies": [enemy("daemon", 4, 0, slot=0)],
            "turn": 1,
        },
        rewards={"resource_gain": 0.1, "distance_shaping": 0.05},
        reward=0.14,
        mask=[0, 1, 2, 3],
    ),
    "B: a daemon swerves beside a block": Example(
        before={
            "player": {"row": 0, "col": 0, "energy": 1},
            "programs": [10],
            "enemies": [enemy("daemon", 4, 2)],
            "blocks": [data(3, 2, 4)],
        },
        action=10,
        after={
            "player": {"energy": 0},
            "programs": [10],
            "enemies": [enemy("daemon", 3, 1, slot=0)],
            "blocks": [data(3, 2, 4)],
            "turn": 1,
        },
        rewards={"resource_gain": -0.05},
        reward=-0.06,
        mask=[0, 3],
    ),
    "C: a virus walks straight onto a block, and on": Example(
        before={
            "player": {"row": 0, "col": 3, "energy": 1},
            "programs": [10],
            "enemies": [enemy("virus", 3, 3)],
            "blocks": [{"row": 2, "col": 3, "kind": "program", "program": 12}],
        },
        action=10,
        after={
            "player": {"col": 3, "hp": 2},
            "programs": [10],
            "enemies": [enemy("virus", 1, 3, slot=0)],
            "blocks": [{"row": 2, "col": 3, "kind": "program", "program": 12}],
            "turn": 1,
        },
        rewards={"damage_penalty": -1, "resource_gain": -0.05},
        reward=-1.06,
    ),
    "D: the first of the most worthy blocks is siphoned": Example(
        before={
            "player": {"row": 2, "col": 2, "data_siphons": 1},
            "blocks": [data(1, 2, 4), data(2, 1, 4), data(2, 3, 3)],
        },
        action=4,
        after={
            "player": {"row": 2, "col": 2, "score": 4},
            "blocks": [data(1, 2, 4, siphoned=True), data(2, 1, 4), data(2, 3, 3)],
            "siphon_centers": [[2, 2]],
            "transmissions": [
                {
                    "row": 1,
                    "col": 2,
                    "turns_remaining": 2,
                    "spawned_from_siphon": True,
                    "slot": slot,
                    "enemy_type": "any",
                }
                for slot in range(4)
            ],
            "next_scheduled_task_turn": 17,
            "turn": 1,
        },
        rewards={"score_gain": 2},
        reward=1.99,
        mask=[0, 1],
    ),
    "E: a transmission becomes a virus that moves twice and hits": Example(
        before={
            "player": {"energy": 1},
            "programs": [10],
            "transmissions": [{"row": 0, "col": 3, "enemy_type": "virus", "turns_remaining": 1}],
        },
        action=10,
        after={
            "player": {"hp": 2},
            "programs": [10],
            "enemies": [enemy("virus", 0, 1, slot=0)],
            "turn": 1,
        },
        rewards={"damage_penalty": -1, "resource_gain": -0.05},
        reward=-1.06,
    ),
    "G: PULL puts a virus onto the player": Example(
        before={
            "player": {"row": 2, "col": 2, "energy": 2},
            "programs": [6],
            "enemies": [enemy("virus", 3, 2), enemy("glitch", 5, 5)],
        },
        action=6,
        after={
            "player": {"row": 2, "col": 2},
            "programs": [6],
            "enemies": [enemy("virus", 2, 2, slot=0), enemy("glitch", 4, 4, slot=1)],
        },
        rewards={"resource_gain": -0.1},
        reward=-0.11,
    ),
    "I: UNDO gives its price back": Example(
        before={"player": {"row": 2, "col": 2, "credits": 3}, "programs": [14], "undo_available": True},
        action=14,
        after={
            "player": {"row": 2, "col": 2, "credits": 3},
            "programs": [14],
            "undo_available": False,
        },
        rewards={},
        reward=-0.01,
        mask=[0, 1, 2, 3],
    ),
    "J: a shot goes through a block, at the enemy before the transmission": Example(
        before={
            "blocks": [data(1, 0, 2)],
            "enemies": [enemy("daemon", 4, 0, hp=1)],
            "transmissions": [{"row": 4, "col": 0, "enemy_type": "glitch", "turns_remaining": 3}],
        },
        action=0,
        after={
            "blocks": [data(1, 0, 2)],
            "transmissions": [{"row": 4, "col": 0, "enemy_type": "glitch", "turns_remaining": 2, "slot": 0}],
            "turn": 1,
        },
        rewards={"kills": 0.3},
        reward=0.29,
        mask=[0, 3],
    ),
    "K: a swerve may end on the player": Example(
        before={
            "player": {"row": 2, "col": 2, "energy": 1},
            "programs": [10],
            "enemies": [enemy("daemon", 3, 3)],
            "blocks": [data(2, 3, 4)],
        },
        action=10,
        after={
            "player": {"row": 2, "col": 2},
            "programs": [10],
            "enemies": [enemy("daemon", 2, 2, slot=0)],
            "blocks": [data(2, 3, 4)],
            "turn": 1,
        },
        rewards={"resource_gain": -0.05},
        reward=-0.06,
        mask=[0, 1, 2],
    ),
}


def expected_position(after: dict[str, Any]) -> dict[str, Any]:
    """All keys of the position, the defaults filled in by the doors themselves."""
    known = {key: value for key, value in after.items() if key != "transmissions"}
    expected = state_to_dict(state_from_dict({"undo_available": True, **known}))
    blank = {"spawned_from_siphon": False, "from_scheduled_task": False}
    expected["transmissions"] = [{**blank, **member} for member in after.get("transmissions", [])]
    return expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_example(name):
    example = EXAMPLES[name]
    _, state, reward, done, info = step(KEY, state_from_dict(example.before), example.action)
    position, expected = state_to_dict(state), expected_position(example.after)
    for seen, wanted in zip(position["transmissions"], expected["transmissions"], strict=True):
        if wanted["enemy_type"] == "any":
            wanted["enemy_type"] = seen["enemy_type"]
    assert position == expected
    parts = dict.fromkeys(REWARD_PARTS, 0.0) | {"step_penalty": -0.01} | example.rewards
    assert {name: float(info[name]) for name in REWARD_PARTS} == pytest.approx(parts, abs=1e-6)
    assert float(reward) == pytest.approx(example.reward, abs=1e-6)
    assert not done
    if example.mask is not None:
        assert np.flatnonzero(action_mask(state)).tolist() == example.mask


def test_worked_example_f_a_stage_is_completed():
    before = {
        "player": {"row": 5, "col": 4, "hp": 2, "credits": 10, "energy": 5},
        "scheduled_tasks_disabled": True,
        "enemies": [enemy("daemon", 0, 0), enemy("virus", 0, 5)],
    }
    _, state, reward, done, info = step(KEY, state_from_dict(before), 3)
    position = state_to_dict(state)
    assert position["player"] | {"hp": 3, "row": 5, "col": 5} == position["player"]
    assert (position["stage"], position["turn"], position["enemies"]) == (2, 1, [])
    assert position["scheduled_tasks_disabled"] is False
    assert position["exit"] in ([0, 0], [0, 5], [5, 0])
    assert len(position["transmissions"]) == 2
    wanted = {"stage_completion": 1, "kills": 0.6, "hp_recovery": 1, "resource_holding": 0.15}
    assert {name: float(info[name]) for name in wanted} == pytest.approx(wanted)
    # The walking distance to the new exit is longer than the one step that was left to the old one.
    assert float(info["distance_shaping"]) == 0
    assert float(reward) == pytest.approx(2.74)
    assert bool(info["stage_completed"])
    assert not done


def test_worked_example_h_dying_on_the_exit_completes_the_stage():
    before = {"player": {"row": 5, "col": 4, "hp": 1}, "stage": 3, "enemies": [enemy("daemon", 4, 5)]}
    _, state, reward, done, info = step(KEY, state_from_dict(before), 3)
    position = state_to_dict(state)
    assert (position["stage"], position["player"]["hp"]) == (4, 1)
    assert bool(done)
    assert bool(info["player_died"])
    assert bool(info["stage_completed"])
    wanted = {"stage_completion": 4, "kills": 0.3, "death_penalty": -3.5, "hp_recovery": 0}
    assert {name: float(info[name]) for name in wanted} == pytest.approx(wanted)
    assert float(reward) == pytest.approx(0.79)
