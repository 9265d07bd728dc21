"""What never breaks, however one plays: docs/game.md, section 20."""

from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from boards import RICH, complete, host_state, play_all
from hypothesis import given, settings
from hypothesis import strategies as st
from random_positions import random_position

from hackmatrix.jax_env import REWARD_PARTS, EnvParams, HackMatrix, action_mask, observe, step
from hackmatrix.jax_env.packed import fields_of
from hackmatrix.jax_env.state import FIRST_DATA_CONTENT, FIRST_PROGRAM_CONTENT, Cells, Enemies, Transmissions

GAMES, STEPS = 192, 64
FULL_HP = np.array([2, 3, 2, 2])
CORNERS = [0, 5, 30, 35]
TURN_TAKING = [0, 1, 2, 3, 4, 10]
DELAY, UNDO = 22, 14
ENV = HackMatrix()
few = settings(max_examples=4, deadline=None)


def choose(key, mask, state):
    """A legal action; half of the time one that leads to the exit, if there is one."""
    coin, pick = jax.random.split(key)
    up = jnp.where(state.exit_row > state.player.row, 0, 1)
    aside = jnp.where(state.exit_col > state.player.col, 3, 2)
    wish = jnp.where(state.exit_row == state.player.row, aside, up)
    wish = jnp.where(mask[wish], wish, aside)
    any_legal = jax.random.categorical(pick, jnp.where(mask, 0.0, -jnp.inf))
    return jnp.where(mask[wish] & jax.random.bernoulli(coin), wish, any_legal)


@jax.jit
def play(key, states):
    """Legal play without resets; all that is seen, (step, game, ...)."""

    def one(states, key):
        choice_keys, step_keys = jax.random.split(key, (2, GAMES))
        masks = jax.vmap(action_mask)(states)
        actions = jax.vmap(choose)(choice_keys, masks, states)
        obs, after, reward, done, info = jax.vmap(step)(step_keys, states, actions)
        same_obs = jax.tree.map(lambda a, b: jnp.all(a == b), obs, jax.vmap(observe)(after))
        seen = {
            "before": states,
            "after": after,
            "mask": masks,
            "action": actions,
            "reward": reward,
            "done": done,
            "info": info,
            "same_obs": jnp.stack(jax.tree.leaves(same_obs)),
        }
        return after, seen

    return jax.lax.scan(one, states, jax.random.split(key, STEPS))[1]


def unpack(layout, words):
    """The fields of packed words, on the host."""
    return {name: (words >> field.shift) & field.largest for name, field in fields_of(layout).items()}


def played(seed, states):
    """What happened, in one flat row of steps, without those of games that had ended before."""
    seen = jax.device_get(play(jax.random.key(seed), states))
    running = (seen["before"].player.hp > 0) & (seen["before"].stage < 9)
    assert seen.pop("same_obs").all()
    return jax.tree.map(lambda leaf: leaf[running], seen)


@jax.jit
def starts(key):
    """Half of the games begin bare, half furnished."""
    keys = jax.random.split(key, GAMES // 2)
    begin = [
        jax.vmap(lambda k, p=params: ENV.reset(k, p)[1])(keys) for params in (EnvParams(), EnvParams(True))
    ]
    return jax.tree.map(lambda bare, furnished: jnp.concatenate([bare, furnished]), *begin)


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


@few
@given(st.integers(0, 2**31 - 1))
def test_games_from_a_start(seed):
    seen = played(seed, starts(jax.random.key(seed)))
    assert seen["mask"].any(axis=1).all()
    check_ranges(seen["after"])
    check_step(seen)
    check_board(seen["after"])
    assert seen["info"]["stage_completed"].sum() > 50  # or nothing much was seen


@few
@given(st.integers(0, 2**31 - 1))
def test_games_from_any_position(seed):
    random = Random(seed)
    positions = []
    while len(positions) < GAMES:
        position = random_position(random)
        figures = complete(position)["player"]
        if max(figures["credits"], figures["energy"], figures["data_siphons"], figures["score"]) < 9000:
            positions.append(host_state(position))
    seen = played(seed, jax.tree.map(lambda *leaves: np.stack(leaves), *positions))
    stuck = ~seen["mask"].any(axis=1)  # possible here; then the action drawn was none
    seen = jax.tree.map(lambda leaf: leaf[~stuck], seen)
    check_ranges(seen["after"])
    check_step(seen)


@few
@given(st.integers(0, 2**31 - 1))
def test_undo_restores_exactly(seed):
    """After any position, UNDO gives it back but for its own flag."""
    random = Random(seed)
    cases = []
    for _ in range(64):
        position = complete(random_position(random))
        ready = {"programs": sorted({*position["programs"], UNDO}), "undo_available": True}
        figures = {**position["player"], **RICH, "hp": max(position["player"]["hp"], 1)}
        stage = min(position["stage"], 8)
        cases.append(({**position, **ready, "player": figures, "stage": stage}, UNDO))
    for (before, _), undone in zip(cases, play_all(cases, seed % 1000), strict=True):
        assert undone.after == {**before, "undo_available": False}
        assert undone.reward == pytest.approx(-0.01)
        assert not undone.done
