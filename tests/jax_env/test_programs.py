"""The 23 programs, each with price, condition and effect: docs/game.md, section 10."""

from typing import Any, NamedTuple

import pytest
from boards import complete, data, enemies, enemy, legal, play_one, player, program, transmission, where

from hackmatrix.jax_env import PROGRAM_NAMES

PUSH, PULL, CRASH, WARP, POLY, WAIT, DEBUG, ROW, COL, UNDO = range(5, 15)
STEP, SIPH, EXCH, SHOW, RESET, CALM, D_BOM, DELAY, ANTI_V, SCORE, REDUC, ATK, HACK = range(15, 28)

FAR = [enemy("daemon", 5, 5)]  # neither near nor in line with (2, 2)


class Row(NamedTuple):
    """One row of the table: the price, positions that meet the condition, and positions that do not."""

    name: str
    credits: int
    energy: int
    met: list[dict[str, Any]]
    unmet: list[dict[str, Any]]


NOTHING: dict[str, Any] = {}
TRANSMISSION = {"transmissions": [transmission(5, 5)]}
TABLE = {
    PUSH: Row("PUSH", 0, 2, [{"enemies": FAR}], [NOTHING, TRANSMISSION]),
    PULL: Row("PULL", 0, 2, [{"enemies": FAR}], [NOTHING, TRANSMISSION]),
    CRASH: Row(
        "CRASH",
        3,
        2,
        [
            {"blocks": [data(3, 3)]},
            {"blocks": [program(1, 1, siphoned=True)]},
            {"enemies": [enemy("virus", 2, 1)]},
            {"transmissions": [transmission(1, 3)]},
        ],
        [
            NOTHING,
            {"blocks": [data(2, 2), data(4, 2)], "enemies": [enemy("virus", 2, 2), enemy("virus", 4, 4)]},
        ],
    ),
    WARP: Row("WARP", 2, 2, [{"enemies": FAR}, TRANSMISSION], [NOTHING]),
    POLY: Row("POLY", 1, 1, [{"enemies": FAR}], [NOTHING, TRANSMISSION]),
    WAIT: Row("WAIT", 0, 1, [NOTHING], []),
    DEBUG: Row(
        "DEBUG",
        3,
        0,
        [{"enemies": FAR, "blocks": [data(5, 5, siphoned=siphoned)]} for siphoned in (False, True)],
        [NOTHING, {"enemies": FAR, "blocks": [data(5, 4)]}],
    ),
    ROW: Row(
        "ROW", 3, 1, [{"enemies": [enemy("virus", 2, 5)]}], [NOTHING, {"enemies": [enemy("virus", 5, 2)]}]
    ),
    COL: Row(
        "COL", 3, 1, [{"enemies": [enemy("virus", 5, 2)]}], [NOTHING, {"enemies": [enemy("virus", 2, 5)]}]
    ),
    UNDO: Row("UNDO", 1, 0, [{"undo_available": True}], [NOTHING]),
    STEP: Row("STEP", 0, 3, [NOTHING, {"step_active": True}], []),
    SIPH: Row("SIPH+", 5, 0, [NOTHING], []),
    EXCH: Row("EXCH", 4, 0, [NOTHING], []),
    SHOW: Row("SHOW", 2, 0, [NOTHING], [{"show_activated": True}]),
    RESET: Row("RESET", 0, 4, [{"hp": 1}, {"hp": 2}], [NOTHING]),
    CALM: Row("CALM", 2, 4, [NOTHING], [{"scheduled_tasks_disabled": True}]),
    D_BOM: Row("D_BOM", 3, 0, [{"enemies": FAR}], [NOTHING, {"enemies": [enemy("glitch", 5, 5)]}]),
    DELAY: Row("DELAY", 1, 2, [TRANSMISSION], [NOTHING, {"enemies": FAR}]),
    ANTI_V: Row("ANTI-V", 3, 0, [{"enemies": [enemy("virus", 5, 5)]}], [NOTHING, {"enemies": FAR}]),
    SCORE: Row("SCORE", 0, 5, [{"stage": 1}, {"stage": 7}], [{"stage": 8}, {"stage": 9}]),
    REDUC: Row(
        "REDUC",
        2,
        1,
        [{"blocks": [data(5, 5, 3)]}, {"blocks": [program(5, 5)]}],
        [NOTHING, {"blocks": [data(5, 5, 3, siphoned=True), data(5, 4, 3, spawn_count=0)]}],
    ),
    ATK: Row(
        "ATK+",
        4,
        4,
        [NOTHING, {"atk_plus_uses": 1, "attack_damage": 2}],
        [{"atk_plus_uses": 2}, {"attack_damage": 3}],
    ),
    HACK: Row("HACK", 2, 2, [{"blocks": [data(5, 5, siphoned=True)]}], [NOTHING, {"blocks": [data(5, 5)]}]),
}
FIGURES = ("hp", "attack_damage")


def owning(action, given, figures):
    """A position with that program, its condition as given, and these credits and energy."""
    more = {key: value for key, value in given.items() if key in FIGURES}
    rest = {key: value for key, value in given.items() if key not in FIGURES}
    return {"player": player(2, 2, **figures, **more), "programs": [action], **rest}


def run(action, figures=None, **given):
    """The program is run on (2, 2) with 20 credits and 20 energy."""
    before = owning(action, given, {"credits": 20, "energy": 20, **(figures or {})})
    played = play_one(before, action)
    assert not played.info["invalid_action"]
    return played


def figures(played):
    return played.after["player"]["credits"], played.after["player"]["energy"]


@pytest.mark.parametrize("action", TABLE)
def test_name(action):
    assert PROGRAM_NAMES[action - 5] == TABLE[action].name


@pytest.mark.parametrize("action", TABLE)
def test_it_can_be_run_with_the_exact_price_where_its_condition_holds(action):
    row = TABLE[action]
    for given in row.met:
        assert action in legal(owning(action, given, {"credits": row.credits, "energy": row.energy}))


@pytest.mark.parametrize("action", TABLE)
def test_it_cannot_be_run_where_its_condition_does_not_hold(action):
    for given in TABLE[action].unmet:
        assert action not in legal(owning(action, given, {"credits": 50, "energy": 50}))


@pytest.mark.parametrize("action", TABLE)
def test_it_cannot_be_run_with_less_than_its_price(action):
    row = TABLE[action]
    if row.credits:
        assert action not in legal(owning(action, row.met[0], {"credits": row.credits - 1, "energy": 50}))
    if row.energy:
        assert action not in legal(owning(action, row.met[0], {"credits": 50, "energy": row.energy - 1}))


@pytest.mark.parametrize("action", TABLE)
def test_it_cannot_be_run_without_being_owned(action):
    row = TABLE[action]
    others = [other for other in TABLE if other != action]
    before = owning(action, row.met[0], {"credits": 50, "energy": 50}) | {"programs": others}
    assert action not in legal(before)


@pytest.mark.parametrize("action", [action for action in TABLE if action not in (UNDO, EXCH)])
def test_its_price_is_paid(action):
    row = TABLE[action]
    assert figures(run(action, **row.met[0])) == (20 - row.credits, 20 - row.energy)


@pytest.mark.parametrize("action", [action for action in TABLE if action != WAIT])
def test_it_takes_no_time(action):
    far = {"transmissions": [transmission(0, 5, turns=1)]}
    given = {**far, **TABLE[action].met[0], "turn": 40}
    before = owning(action, given, {"credits": 20, "energy": 20})
    played = play_one(before, action)
    assert played.after["turn"] == 40
    assert played.after["next_scheduled_task_turn"] == 12
    if action not in (DELAY, WARP):
        assert [one["turns_remaining"] for one in played.after["transmissions"]] == [
            one["turns_remaining"] for one in given["transmissions"]
        ]


def test_wait_takes_the_turn():
    waited = run(WAIT, enemies=[enemy("daemon", 5, 2)])
    assert waited.after["turn"] == 1
    assert enemies(waited) == [("daemon", 4, 2, 3)]


def test_push():
    where_from = [(3, 3), (2, 3), (1, 2), (5, 2), (2, 2), (0, 0), (5, 3)]
    pushed = run(
        PUSH, enemies=[enemy("glitch", *cell, stunned=True) for cell in where_from], blocks=[data(4, 4)]
    )
    assert [one[1:3] for one in enemies(pushed)] == [(4, 4), (2, 4), (0, 2), (5, 2), (2, 2), (0, 0), (5, 4)]
    assert all(one["stunned"] for one in pushed.after["enemies"])


def test_pull():
    where_from = [(3, 3), (2, 3), (0, 2), (5, 2), (2, 2), (0, 0), (5, 3)]
    pulled = run(PULL, enemies=[enemy("glitch", *cell) for cell in where_from], blocks=[data(4, 2)])
    assert [one[1:3] for one in enemies(pulled)] == [(2, 2), (2, 2), (1, 2), (4, 2), (2, 2), (1, 1), (4, 2)]
    assert pulled.after["player"]["hp"] == 3


def test_crash_hurts_the_whole_board_and_destroys_nothing_else():
    crashed = run(
        CRASH,
        enemies=[enemy("daemon", 5, 5), enemy("virus", 3, 3, hp=1), enemy("cryptog", 0, 5)],
        blocks=[data(2, 3)],
        transmissions=[transmission(1, 1)],
    )
    assert enemies(crashed) == [("daemon", 5, 5, 2), ("cryptog", 0, 5, 1)]
    assert [one["slot"] for one in crashed.after["enemies"]] == [0, 2]
    assert not any(one["stunned"] for one in crashed.after["enemies"])
    assert len(crashed.after["blocks"]) == len(crashed.after["transmissions"]) == 1


def test_warp_goes_where_an_enemy_was_and_picks_up_nothing():
    warped = run(WARP, enemies=[enemy("daemon", 4, 1)], resources=[{"row": 4, "col": 1, "credits": 3}])
    assert where(warped) == (4, 1)
    assert enemies(warped) == []
    assert warped.after["resources"][0]["credits"] == 3
    assert figures(warped) == (18, 18)


def test_warp_goes_where_a_transmission_was():
    warped = run(WARP, transmissions=[transmission(4, 1)])
    assert where(warped) == (4, 1)
    assert warped.after["transmissions"] == []


def test_warp_onto_the_exit_completes_the_stage_without_a_turn():
    warped = run(WARP, transmissions=[transmission(5, 5)])
    assert (warped.after["stage"], warped.after["turn"]) == (2, 0)
    assert warped.info["stage_completed"]


@pytest.mark.parametrize("kind", ["virus", "daemon", "glitch", "cryptog"])
def test_poly_gives_another_type_with_its_full_hp(kind):
    full = {"virus": 2, "daemon": 3, "glitch": 2, "cryptog": 2}
    more = {"hp": 1, "stunned": True, "spawned_from_siphon": True, "disabled_turns": 3}
    changed = run(POLY, enemies=[enemy(kind, 5, col, **more) for col in range(6)])
    assert kind not in [one["type"] for one in changed.after["enemies"]]
    for one in changed.after["enemies"]:
        assert one["hp"] == full[one["type"]]
        assert (one["stunned"], one["spawned_from_siphon"], one["disabled_turns"]) == (True, True, 3)
    assert [one["col"] for one in changed.after["enemies"]] == list(range(6))


def test_debug_hurts_and_stuns_on_all_blocks():
    ran = run(
        DEBUG,
        blocks=[data(5, 5), data(5, 4, siphoned=True), program(5, 3)],
        enemies=[
            enemy("daemon", 5, 5),
            enemy("daemon", 5, 4),
            enemy("virus", 5, 3, hp=1),
            enemy("daemon", 5, 2),
        ],
    )
    assert enemies(ran) == [("daemon", 5, 5, 2), ("daemon", 5, 4, 2), ("daemon", 5, 2, 3)]
    assert [one["stunned"] for one in ran.after["enemies"]] == [True, True, False]


@pytest.mark.parametrize(("action", "cell"), [(ROW, (2, 5)), (COL, (5, 2))])
def test_row_and_col_hurt_without_stunning(action, cell):
    other = cell[::-1]
    ran = run(action, enemies=[enemy("daemon", *cell), enemy("daemon", *other), enemy("daemon", 2, 2)])
    assert [one[3] for one in enemies(ran)] == [2, 3, 2]
    assert not any(one["stunned"] for one in ran.after["enemies"])


def test_undo_changes_one_flag():
    before = owning(UNDO, {"undo_available": True, "enemies": FAR, "turn": 7}, {"credits": 3})
    undone = play_one(before, UNDO)
    assert undone.after == complete(before) | {"undo_available": False}
    assert UNDO not in legal(undone.after)


@pytest.mark.parametrize("action", [action for action in TABLE if action != UNDO])
def test_any_other_program_makes_undo_available(action):
    assert run(action, **TABLE[action].met[0]).after["undo_available"] is True


def test_step():
    assert run(STEP).after["step_active"] is True


def test_siph_plus():
    assert run(SIPH, figures={"data_siphons": 3}).after["player"]["data_siphons"] == 4


def test_exch():
    assert figures(run(EXCH)) == (16, 24)


def test_show():
    assert run(SHOW).after["show_activated"] is True


@pytest.mark.parametrize("hp", [1, 2])
def test_reset(hp):
    assert run(RESET, hp=hp).after["player"]["hp"] == 3


def test_calm():
    calmed = run(CALM, turn=50)
    assert calmed.after["scheduled_tasks_disabled"] is True
    assert calmed.after["transmissions"] == []


def test_d_bom_goes_off_at_the_nearest_daemon_the_first_on_a_tie():
    ran = run(
        D_BOM,
        enemies=[
            enemy("daemon", 5, 5, slot=0),
            enemy("daemon", 2, 5, slot=3),
            enemy("daemon", 5, 2, slot=2),
            enemy("glitch", 2, 3, slot=1),
        ],
    )
    assert [one["slot"] for one in ran.after["enemies"]] == [0, 1, 3]


def test_d_bom_hurts_and_stuns_the_surrounding_cells_only():
    ran = run(
        D_BOM,
        enemies=[
            enemy("daemon", 4, 4, hp=3),
            enemy("daemon", 5, 5, hp=3),
            enemy("glitch", 4, 4),
            enemy("virus", 3, 3, hp=1),
            enemy("virus", 4, 5),
            enemy("virus", 2, 4),
        ],
    )
    assert [(one["type"], one["hp"], one["stunned"]) for one in ran.after["enemies"]] == [
        ("daemon", 2, True),
        ("glitch", 2, False),
        ("virus", 1, True),
        ("virus", 2, False),
    ]


def test_delay():
    delayed = run(DELAY, transmissions=[transmission(5, 5, turns=1), transmission(5, 4, turns=9)])
    assert [one["turns_remaining"] for one in delayed.after["transmissions"]] == [4, 12]


def test_anti_v():
    ran = run(ANTI_V, enemies=[enemy("virus", 5, 5), enemy("virus", 5, 4, hp=1), enemy("daemon", 5, 3)])
    assert [(one["type"], one["hp"], one["stunned"]) for one in ran.after["enemies"]] == [
        ("virus", 1, True),
        ("daemon", 3, False),
    ]


@pytest.mark.parametrize("stage", range(1, 8))
def test_score(stage):
    assert run(SCORE, stage=stage, figures={"score": 5}).after["player"]["score"] == 5 + 8 - stage


def test_reduc():
    ran = run(
        REDUC,
        blocks=[
            data(5, 5, 3),
            data(5, 4, 3, siphoned=True),
            program(5, 3),
            data(5, 2, 3, spawn_count=0),
        ],
    )
    left = {block["col"]: block["spawn_count"] for block in ran.after["blocks"]}
    assert left == {5: 2, 4: 3, 3: 1, 2: 0}
    assert [block["points"] for block in ran.after["blocks"] if block["kind"] == "data"] == [3, 3, 3]


def test_atk_plus():
    ran = run(ATK, atk_plus_uses=1, attack_damage=2)
    assert (ran.after["player"]["attack_damage"], ran.after["atk_plus_uses"]) == (3, 2)


def test_hack_hurts_by_two_on_siphoned_blocks_without_stunning():
    ran = run(
        HACK,
        blocks=[data(5, 5, siphoned=True), program(5, 4, siphoned=True), data(5, 3)],
        enemies=[enemy("daemon", 5, 5), enemy("virus", 5, 4), enemy("daemon", 5, 3)],
    )
    assert [(one["col"], one["hp"], one["stunned"]) for one in ran.after["enemies"]] == [
        (5, 1, False),
        (3, 3, False),
    ]
    assert len(ran.after["blocks"]) == 3
