"""What never breaks, however one plays: docs/game.md, section 20."""

from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from boards import RICH, complete, host_state, play_all
from hypothesis import given, settings
from hypothesis import strategies as st
from invariants import UNDO, check_board, check_ranges, check_step
from night import MORE, UNLIMITED
from random_positions import random_position

from hackmatrix.jax_env import EnvParams, HackMatrix, action_mask, observe, step

GAMES, STEPS = 192, 64
ENV = HackMatrix()
few = settings(max_examples=4 * MORE, deadline=None)
pytestmark = UNLIMITED


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
