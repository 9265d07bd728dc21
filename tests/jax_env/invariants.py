"""What holds after every legal step, as checks of many games at once: docs/game.md, section 20.

States, and what is seen of steps, have NumPy leaves with the games as first axis.
"""

import numpy as np

from hackmatrix.jax_env import REWARD_PARTS
from hackmatrix.jax_env.packed import fields_of
from hackmatrix.jax_env.state import FIRST_DATA_CONTENT, FIRST_PROGRAM_CONTENT, Cells, Enemies, Transmissions

FULL_HP = np.array([2, 3, 2, 2])
CORNERS = [0, 5, 30, 35]
TURN_TAKING = [0, 1, 2, 3, 4, 10]
DELAY, UNDO = 22, 14


def unpack(layout, words):
    """The fields of packed words, on the host."""
    return {name: (words >> field.shift) & field.largest for name, field in fields_of(layout).items()}


def within(values, least, most):
    return bool(np.all((values >= least) & (values <= most)))


def check_ranges(state):
    """Whatever the position began as."""
    player = state.player
    assert within(player.hp, 0, 3)
    assert within(player.attack_damage, 1, 3)
    assert within(state.stage, 1, 9)
    assert within(state.atk_plus_uses, 0, 2)
    for amount in (player.credits, player.energy, player.data_siphons, player.score):
        assert amount.min() >= 0
    for row_or_col in (player.row, player.col, state.exit_row, state.exit_col):
        assert within(row_or_col, 0, 5)
    for layout, slots in ((Enemies, state.enemies), (Transmissions, state.transmissions)):
        fields = unpack(layout, slots.word)
        assert within(fields["row"], 0, 5)
        assert within(fields["col"], 0, 5)
        taken = fields["hp" if layout is Enemies else "turns_remaining"] > 0
        assert np.array_equal(taken, slots.word != 0)  # a free slot holds nothing


def check_step(seen):
    """From one position to the next."""
    before, after, action = seen["before"], seen["after"], seen["action"]
    turns = after.turn - before.turn
    assert np.array_equal(turns, np.isin(action, TURN_TAKING).astype(int))
    assert np.array_equal(after.undo_available, action != UNDO)
    parts = sum(seen["info"][name].astype(float) for name in REWARD_PARTS)
    np.testing.assert_allclose(parts, seen["reward"], rtol=1e-5, atol=1e-5)
    assert not seen["info"]["invalid_action"].any()
    for name in ("stage", "score", "hp"):
        where = after if name == "stage" else after.player
        assert np.array_equal(seen["info"][name], getattr(where, name))
    stunned = unpack(Enemies, after.enemies.word)["stunned"].any(axis=-1)
    assert not (stunned & (turns == 1)).any()
    assert np.array_equal(seen["done"], seen["info"]["player_died"] | seen["info"]["game_won"])
    quiet = (turns == 0) & ~seen["info"]["stage_completed"]
    assert np.array_equal(before.next_scheduled_task_turn[quiet], after.next_scheduled_task_turn[quiet])
    still = quiet & (action != DELAY)
    left = unpack(Transmissions, after.transmissions.word[still])["turns_remaining"]
    had = unpack(Transmissions, before.transmissions.word[still])["turns_remaining"]
    assert ((left == had) | (left == 0)).all()  # 0: WARP took it


def check_board(state):
    """Only in games from a start."""
    player_cell = 6 * state.player.row + state.player.col
    exit_cell = 6 * state.exit_row + state.exit_col
    assert np.isin(exit_cell, CORNERS).all()
    assert not (player_cell == exit_cell).any()
    cells = unpack(Cells, state.cells.word)
    blocks = cells["content"] > 0
    assert not blocks[:, CORNERS].any()
    number = blocks.sum(axis=1)
    assert within(number[state.stage > 1], 5, 11)
    assert np.isin(number[state.stage == 1], [0, *range(5, 12)]).all()
    is_data = blocks & (cells["content"] < FIRST_PROGRAM_CONTENT)
    points = cells["content"] - FIRST_DATA_CONTENT
    assert (cells["spawn_count"] <= points)[is_data].all()
    assert within(points[is_data], 1, 9)
    enemies = unpack(Enemies, state.enemies.word)
    assert (enemies["hp"] <= FULL_HP[enemies["type"]]).all()
    assert not enemies["disabled_turns"].any()
    assert within(state.scheduled_task_interval, 12, 12)
