"""The fast game against the slow model of the rules, position by position.

``HYPOTHESIS_PROFILE=night`` compares a hundred times as much.
"""

import json
from random import Random
from typing import Any

import comparison
import jax
import numpy as np
import oracle
import pytest
from comparison import Report, compare_games, compare_positions, judge
from hypothesis import given
from night import MORE, UNLIMITED
from oracle.positions import block_at, cell_of
from oracle.tables import Position
from planted_defects import DEFECTS
from playing import Transition, host_state, record_games, record_positions
from random_positions import actions, positions, random_position

from hackmatrix import jax_env

SCALE = {"num_positions": 1000 * MORE, "num_games": 256, "steps": 48 * MORE}
pytestmark = UNLIMITED


def check(report: Report) -> None:
    assert report.disagreements == 0, str(report)


@pytest.fixture(scope="module")
def games() -> Report:
    return compare_games(SCALE["num_games"], SCALE["steps"], seed=1)


@pytest.fixture(scope="module")
def hand_set() -> Report:
    return compare_positions(SCALE["num_positions"], seed=2)


def test_games_agree_with_the_rule_book_step_by_step(games: Report) -> None:
    check(games)


def test_every_action_in_hand_set_positions_agrees_with_the_rule_book(hand_set: Report) -> None:
    check(hand_set)


def test_the_comparison_is_as_large_as_promised(games: Report, hand_set: Report) -> None:
    assert games.transitions + hand_set.transitions >= 20_000


@pytest.mark.parametrize("action", range(28))
def test_every_action_was_compared_where_it_is_legal(action: int, hand_set: Report) -> None:
    assert hand_set.legal_actions[action] >= 20


IN_GAMES = {
    *("illegal", "ended before", "stage completed", "died", "died on the exit", "won"),
    *("siphoned", "born", "schedule due", *oracle.REWARD_PARTS),
}
BY_HAND = IN_GAMES | {
    "stage completed by WARP",
    "born in vain",
    "schedule due without a slot",
    "schedule due without a cell",
}


@pytest.mark.parametrize(("kind", "events"), [("games", IN_GAMES), ("hand_set", BY_HAND)])
def test_everything_that_can_happen_was_compared(
    kind: str, events: set[str], request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(kind)
    assert events <= set(report.events), f"never happened: {events - set(report.events)}"


def test_one_position_at_a_time_agrees_too() -> None:
    """Jitted without vmap, on positions that shrink to the smallest one in disagreement."""
    step = jax.jit(jax_env.step)

    @given(positions(), actions())
    def agrees(position: Position, action: int) -> None:
        state = host_state(position)
        shown, after, reward, done, info = jax.device_get(step(jax.random.key(7), state, action))
        transition = Transition(
            before=position,
            action=action,
            mask=np.asarray(jax_env.action_mask(state)),
            shown_before=np.asarray(jax_env.flatten_observation(jax_env.observe(state))),
            after=jax_env.state_to_dict(after),
            shown_after=np.asarray(jax_env.flatten_observation(shown)),
            reward=reward,
            done=done,
            info=info,
            state=after,
        )
        check(judge([transition]))

    agrees()


@given(positions())
def test_a_position_comes_back_from_the_state_as_it_was(position: Position) -> None:
    back = jax_env.state_to_dict(jax_env.state_from_dict(position))
    assert json.dumps(back, sort_keys=True) == json.dumps(position, sort_keys=True)


def test_the_largest_numbers_of_every_range_come_back() -> None:
    origins = {"spawned_from_siphon": True, "from_scheduled_task": True}
    corner = {"row": 5, "col": 5}
    player = {
        "hp": 3,
        "credits": 9999,
        "energy": 9999,
        "data_siphons": 9999,
        "score": 9999,
        "attack_damage": 3,
    }
    enemy = {"type": "cryptog", "hp": 3, "disabled_turns": 99, "stunned": True, "slot": 19}
    transmission = {"turns_remaining": 999, "enemy_type": "cryptog", "slot": 19}
    largest = oracle.complete(
        {
            "player": {**player, **corner},
            "stage": 9,
            "turn": 1_000_000_000,
            "scheduled_task_interval": 1_000_000_000,
            "next_scheduled_task_turn": 1_000_000_000,
            "atk_plus_uses": 2,
            "programs": list(range(5, 28)),
            "enemies": [enemy | origins | corner],
            "transmissions": [transmission | origins | corner],
            "blocks": [
                {**corner, "kind": "data", "points": 99, "spawn_count": 99, "siphoned": True},
                {"row": 5, "col": 4, "kind": "program", "program": 27, "spawn_count": 99, "siphoned": True},
            ],
            "resources": [{**corner, "credits": 99, "energy": 99, "data_siphon": True}],
            "siphon_centers": [[5, 5]],
        }
    )
    assert jax_env.state_to_dict(jax_env.state_from_dict(largest)) == largest


@given(positions())
def test_the_doors_on_the_host_agree_with_the_rule_book(position: Position) -> None:
    state = jax_env.state_from_dict(position)
    assert tuple(jax_env.siphon_quality(state)) == oracle.siphon_quality(position)
    assert bool(jax_env.siphon_enemy_adjacent(state)) == oracle.siphon_enemy_adjacent(position)
    blocked = [[block_at(position, (row, col)) is not None for col in range(6)] for row in range(6)]
    ends = (*cell_of(position["player"]), *position["exit"])
    assert jax_env.path_distance(*ends, blocked) == oracle.path_distance(*ends, blocked)


def random_facts(random: Random) -> dict[str, Any]:
    pairs = {"hp": 3, "score": 60, "credits": 60, "energy": 60}
    facts: dict[str, Any] = {
        f"{name}_{when}": random.randint(0, limit)
        for name, limit in pairs.items()
        for when in ("before", "after")
    }
    flags = ("stage_completed", "game_won", "player_died", "siphon_better", "siphon_enemy_adjacent")
    return facts | {
        **{name: random.random() < 0.5 for name in flags},
        "action": random.choice([4, 19, random.randrange(28)]),
        "stage_after": random.randint(1, 9),
        "kills": random.randint(0, 20),
        "data_siphons": random.randint(0, 2),
        "distance_before": random.randint(-1, 20),
        "distance_after": random.randint(-1, 20),
        "siphon_missed_credits": random.randint(0, 9),
        "siphon_missed_energy": random.randint(0, 9),
    }


def test_rewards_of_any_facts_agree_with_the_rule_book() -> None:
    for seed in range(200):
        facts = random_facts(Random(seed))
        got = {name: float(value) for name, value in jax_env.reward_breakdown(**facts).items()}
        expected = oracle.reward_breakdown(**facts)
        assert list(got) == list(expected)
        assert got == pytest.approx(expected, rel=3e-7, abs=3e-7), facts


@pytest.fixture(scope="module")
def recorded() -> list[Transition]:
    return [*record_positions(120, seed=3), *record_games(64, 12, seed=4)]


def test_the_recorded_steps_agree_before_a_defect_is_planted(recorded: list[Transition]) -> None:
    check(judge(recorded))


@pytest.mark.parametrize(("place", "defect"), DEFECTS.values(), ids=DEFECTS)
def test_a_planted_defect_is_found(
    place: str, defect: Any, recorded: list[Transition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"oracle.{place}", defect)
    assert judge(recorded).disagreements > 0


def test_the_comparison_tells_true_from_one() -> None:
    """Positions are compared as JSON: a flag that reads 1 is not a flag."""
    assert list(comparison._unequal("flag", {"on": True}, {"on": 1})) == ["flag.on: expected True, got 1"]


def test_random_positions_differ_from_each_other() -> None:
    assert len({json.dumps(random_position(Random(seed))) for seed in range(200)}) == 200
