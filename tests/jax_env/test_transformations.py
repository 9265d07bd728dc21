"""The functions under `jit` and `vmap`, nested, and without either; with any kind of key."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from boards import RICH, complete, data, enemy, host_state, one_to_batch, player, program, transmission
from random_positions import random_position

import hackmatrix.jax_env as game
from hackmatrix.jax_env import EnvParams, HackMatrix, batching, walls

SIZE = 12
step_all = jax.jit(jax.vmap(game.step))
FURNISHED = EnvParams(furnished_start=True)


def same(one, other):
    """Are two trees of arrays equal, types included."""
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(other)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for leaf, other_leaf in zip(leaves, others, strict=True):
        assert leaf.dtype == other_leaf.dtype
        np.testing.assert_array_equal(np.asarray(leaf), np.asarray(other_leaf))
    return True


@pytest.fixture(scope="module")
def batch():
    """(keys, states, actions) of positions set up by hand, actions legal and not."""
    random = Random(11)
    positions = [random_position(random) for _ in range(SIZE)]
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[host_state(one) for one in positions])
    actions = jnp.array([0, 1, 2, 3, 4, 4, 8, 9, 10, 21, 14, 40], jnp.int32)
    return jax.random.split(jax.random.key(5), SIZE), states, actions


@pytest.fixture(scope="module")
def stepped(batch):
    """The batch stepped under `jit` of `vmap`."""
    return step_all(*batch)


def one_of(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def test_vmap_is_a_loop(batch, stepped):
    for index in range(SIZE):
        assert same(game.step(*one_of(batch, index)), one_of(stepped, index))


def test_vmap_of_vmap(batch, stepped):
    def folded(tree):
        return jax.tree.map(lambda leaf: leaf.reshape(3, SIZE // 3, *leaf.shape[1:]), tree)

    assert same(jax.jit(jax.vmap(jax.vmap(game.step)))(*folded(batch)), folded(stepped))
    masks = jax.vmap(jax.vmap(game.action_mask))(folded(batch[1]))
    assert same(masks, folded(jax.vmap(game.action_mask)(batch[1])))


# What happens -> (position, action); as many as in `batch`, so that one program does for both.
EVENTS = {
    "siphon of data": ({"player": {"data_siphons": 1}, "blocks": [data(1, 0, 7)]}, 4),
    "siphon of a program": ({"player": {"data_siphons": 1}, "blocks": [program(0, 1)]}, 4),
    "siphon of nothing": ({"player": {"data_siphons": 1}, "resources": [{**player(4, 4), "credits": 2}]}, 4),
    "shot at an enemy": ({"enemies": [enemy("virus", 3, 0, hp=1), enemy("glitch", 3, 0)]}, 0),
    "shot at a transmission": ({"transmissions": [transmission(0, 4)]}, 3),
    "walk onto pickups": ({"resources": [{**player(0, 1), "credits": 2, "data_siphon": True}]}, 3),
    "strike": ({"player": RICH, "programs": [21], "enemies": [enemy("daemon", 3, 3), enemy("virus", 4, 4)]}, 21),
    "WARP": ({"player": RICH, "programs": [8], "enemies": [enemy("daemon", 3, 3)]}, 8),
    "enemies' turn": (
        {
            "player": {**player(2, 2), **RICH},
            "programs": [10],
            "turn": 20,
            "enemies": [enemy("virus", 5, 2), enemy("daemon", 2, 3), enemy("cryptog", 0, 5, stunned=True)],
            "transmissions": [transmission(0, 0, 1)],
            "blocks": [data(4, 2)],
        },
        10,
    ),
    "end of a stage": ({"exit": [1, 0], "enemies": [enemy("daemon", 3, 3)]}, 0),
    "death": ({"player": {"hp": 1}, "stage": 3, "enemies": [enemy("virus", 0, 2, spawned_from_siphon=True)]}, 0),
    "no action": ({"enemies": [enemy("virus", 0, 2)]}, 40),
}  # fmt: skip


def test_jit_is_no_jit():
    """Operation by operation, with the conditionals of the walls taken in Python; env axis last."""
    positions, actions = zip(*EVENTS.values(), strict=True)
    keys, actions = jax.random.split(jax.random.key(3), SIZE), jnp.array(actions, jnp.int32)
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[host_state(one) for one in positions])
    obs, state, reward, done, info = step_all(keys, states, actions)
    mask = jax.vmap(game.action_mask)(states)
    last = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), (jax.random.key_data(keys), states))
    with jax.disable_jit(), jax.numpy_rank_promotion("allow"):
        compact, *plain = game.env.batch_step(*last, actions)
        plain_mask = game.env.flags_of(game.env.legal_bits(last[1]))
    plain_state, plain_reward, plain_done, plain_info = plain
    assert same(jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), plain_state), state)
    assert same(game.expand_observation(compact.T), jax.vmap(game.flatten_observation)(obs))
    assert same((plain_mask, plain_done), (mask, done))
    np.testing.assert_allclose(plain_reward, reward, rtol=1e-6)
    assert plain_info.keys() == info.keys()
    for name, column in info.items():
        assert plain_info[name].dtype == column.dtype
        np.testing.assert_allclose(plain_info[name], column, rtol=1e-6, err_msg=name)
    # Or something else was compared than what the cases are called.
    for name, event in (("death", done), ("no action", info["invalid_action"]),
                        ("end of a stage", info["stage_completed"]),
                        ("siphon of nothing", info["siphon_quality"] < 0)):  # fmt: skip
        assert event.tolist() == [case == name for case in EVENTS]


def test_scan_of_vmap_over_some_of_the_arguments(batch):
    keys, states, _ = batch
    actions = jnp.array([0, 3, 10])

    def play(states, action):
        return jax.vmap(game.step, in_axes=(0, 0, None))(keys, states, action)[1], None

    scanned, _ = jax.jit(partial(jax.lax.scan, play))(states, actions)
    looped = states
    for action in actions:
        looped = step_all(keys, looped, jnp.full(SIZE, action))[1]
    assert same(scanned, looped)


def test_without_walls_the_results_are_the_same(batch, stepped, monkeypatch):
    """As on a backend that needs no walls: the phases are called plainly."""
    monkeypatch.setattr(walls.jax, "default_backend", lambda: "elsewhere")
    without = jax.jit(jax.vmap(batching.per_environment(game.env.batch_step)))
    keys, states, actions = batch
    compact, state, reward, done, _ = without(jax.random.key_data(keys), states, actions)
    assert same(state, stepped[1])
    np.testing.assert_allclose(reward, stepped[2], rtol=1e-6)
    assert same(done, stepped[3])
    monkeypatch.undo()
    assert same(game.expand_observation(compact), jax.vmap(game.flatten_observation)(stepped[0]))


def test_no_rule_knows_of_walls():
    """Only the files that put phases one behind the other, and those that lay out observations."""
    files = Path(game.__file__).parent.rglob("*.py")
    callers = {file.stem for file in files if "jax_env.walls import" in file.read_text(encoding="utf-8")}
    assert callers == {"batched", "env", "features", "observation", "step"}


@pytest.mark.parametrize("action", [4, np.int64(4), np.uint8(4), jnp.int32(4), jnp.uint32(4)])
def test_any_integer_is_an_action(batch, action):
    keys, states, _ = batch
    assert same(game.step(keys[4], one_of(states, 4), action), game.step(keys[4], one_of(states, 4), 4))


# The wide ones are 3, and so an action, in their lowest 32 bits.
@pytest.mark.parametrize(
    "action",
    [-1, 28, 2**31, 2**32 + 3, -(2**32) + 3, 10**30, np.int64(2**32 + 3), np.uint64(2**63 + 3),
     np.uint32(2**32 - 1), np.int8(-1)],
    ids=repr,
)  # fmt: skip
def test_any_other_integer_is_an_illegal_action(action):
    key, state = jax.random.key(0), game.state_from_dict({})
    expected = game.step(key, state, -1)
    assert expected[4]["invalid_action"]
    assert same(game.step(key, state, action), expected)
    if isinstance(action, np.integer):
        _, after, _, _, info = HackMatrix().batched().step(*one_to_batch((key, state)), action[None])
        assert same(one_of(after, 0), state)
        assert info["invalid_action"].all()


@pytest.mark.parametrize("action", [3.7, 3.0, np.float32(3), jnp.float32(3), True, np.bool_(0), "up", None])
def test_what_is_no_integer_is_refused(action):
    key, state = jax.random.key(0), game.state_from_dict({})
    for step in (game.step, game.step_compact, HackMatrix().step):
        with pytest.raises(TypeError, match=r"expected an integer, 0\.\.27"):
            step(key, state, action)
    with pytest.raises(TypeError, match="float32"):
        HackMatrix().batched().step(*one_to_batch((key, state)), jnp.array([3.0]))


WIDE_PLAY = """
import jax
import jax.numpy as jnp

from hackmatrix.jax_env import HackMatrix

game = HackMatrix()
batched = game.batched()

def play(carry, key):
    compact, state = carry
    choices, steps = jax.random.split(key, (2, 4))
    logits = jnp.where(batched.action_mask(state), 0.0, -jnp.inf)
    action = jax.vmap(jax.random.categorical)(choices, logits).at[0].set(2**32 + 3)
    assert action.dtype == jnp.int64
    return batched.step(steps, state, action)[:2], None

keys = jax.random.split(jax.random.key(0), 16)
start = batched.reset(keys[:4])
(compact, state), _ = jax.jit(lambda start, keys: jax.lax.scan(play, start, keys))(start, keys)
assert state.turn[0] == 0 and (state.turn[1:] > 0).all(), state.turn
assert game.features(compact).dtype == jnp.float32
for leaf in jax.tree.leaves((compact, state)):
    assert leaf.dtype in (jnp.int32, jnp.uint32, bool), leaf.dtype
"""


def test_with_64_bits_switched_on_nothing_gets_wider():
    """In a process of its own, as the switch holds for all of one."""
    environment = {**os.environ, "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", WIDE_PLAY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


def test_typed_and_raw_keys_are_the_same_key():
    state = game.state_from_dict({"exit": [0, 1]})
    typed = game.step(jax.random.key(9), state, 3)
    raw = game.step(jax.random.PRNGKey(9), state, 3)
    assert same(typed, raw)
    assert same(game.reset(jax.random.key(9), FURNISHED), game.reset(jax.random.PRNGKey(9), FURNISHED))


def test_longer_keys_are_taken():
    """Those of "rbg" have four words; each of them matters."""
    state = game.state_from_dict({"exit": [0, 1]})
    keys = [jnp.zeros(4, jnp.uint32).at[word].set(1) for word in range(4)]
    boards = [game.step(jax.random.wrap_key_data(key, impl="rbg"), state, 3)[1] for key in keys]
    words = [np.asarray(board.cells.word).tobytes() for board in boards]
    assert len(set(words)) == 4


def test_equal_inputs_give_equal_outputs(batch, stepped):
    assert same(step_all(*batch), stepped)


def test_params(batch):
    key = batch[0][0]
    assert same(game.reset(key), game.reset(key, EnvParams()))
    assert same(game.step(key, one_of(batch[1], 0), 0), game.step(key, one_of(batch[1], 0), 0, FURNISHED))
    assert hash(FURNISHED) == hash(EnvParams(furnished_start=True))
    assert same(jax.jit(game.reset)(key, FURNISHED), game.reset(key, FURNISHED))
    mapped = jax.vmap(game.reset, in_axes=(0, None))(batch[0], FURNISHED)
    assert same(one_of(mapped, 0), game.reset(key, FURNISHED))
    with pytest.raises(AttributeError):
        FURNISHED.furnished_start = False


def test_a_furnished_start():
    board = game.state_to_dict(game.reset(jax.random.key(2), FURNISHED)[1])
    assert (board["stage"], board["turn"], board["player"]) == (1, 0, complete({})["player"])
    assert len(board["transmissions"]) == 1
    assert 5 <= len(board["blocks"]) <= 11
    assert board["exit"] in ([0, 5], [5, 0], [5, 5])


def test_observe_gives_what_step_returned(batch, stepped):
    assert same(jax.vmap(game.observe)(stepped[1]), stepped[0])


def test_strict_callers_are_served(batch, stepped):
    """Whatever a caller forbids in its own code, the rules may broadcast and promote."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"), jax.debug_key_reuse(True):
        assert same(jax.jit(partial(jax.vmap(game.step)))(*batch)[1], stepped[1])


class TestHackMatrix:
    """The object, for code that expects one."""

    env = HackMatrix()

    def test_it_is_the_functions_with_flat_observations(self, batch):
        key, state, action = one_of(batch, 4)
        obs, *rest = self.env.step(key, state, action, self.env.default_params)
        expected_obs, *expected = game.step(key, state, action)
        assert same(rest, expected)
        assert same(obs, game.flatten_observation(expected_obs))
        obs, state = self.env.reset(key, FURNISHED)
        assert same(
            (obs, state), (game.flatten_observation(game.observe(state)), game.reset(key, FURNISHED)[1])
        )
        assert same(self.env.get_action_mask(state), game.action_mask(state))

    def test_spaces(self):
        space = self.env.observation_space(self.env.default_params)
        assert (space.shape, space.dtype, space.low, space.high) == ((1545,), jnp.float32, 0, np.inf)
        actions = self.env.action_space(self.env.default_params)
        assert (actions.n, actions.shape, actions.dtype) == (28, (), jnp.int32)
        assert self.env.num_actions == 28

    def test_log_columns_can_be_read_of_every_step(self, batch, stepped):
        actions, info = batch[2], stepped[4]
        columns = {
            tag: np.asarray(info[source] if isinstance(source, str) else source(actions, info))
            for tag, (source, _) in self.env.log_columns.items()
        }
        assert all(column.shape == (SIZE,) for column in columns.values())
        assert {f"reward/{name}" for name in game.REWARD_PARTS} <= set(columns)
        assert columns["actions/move_frac"].tolist() == [True] * 4 + [False] * 8
        assert columns["actions/siphon_frac"].sum() == 2
        assert columns["actions/program_frac"].sum() == 5  # 40 is none
        assert {reduction for _, reduction in self.env.log_columns.values()} == {
            "mean",
            "max",
            "episode_mean",
        }


class TestBatched:
    """Many games at once."""

    def test_a_step_is_the_public_step_with_a_compact_observation(self, batch, stepped):
        compact, *rest = HackMatrix().batched().step(*batch)
        assert (compact.shape, compact.dtype) == ((SIZE, 83), jnp.uint32)
        assert same(tuple(rest), stepped[1:])
        assert same(game.expand_observation(compact), jax.vmap(game.flatten_observation)(stepped[0]))

    def test_the_mask(self, batch):
        assert same(HackMatrix().batched().action_mask(batch[1]), jax.vmap(game.action_mask)(batch[1]))

    @pytest.mark.parametrize("params", [EnvParams(), FURNISHED])
    def test_reset_where(self, batch, params):
        keys, states, _ = batch
        games = HackMatrix().batched(params)
        compact = jax.vmap(game.env.step_compact)(keys, states, jnp.full(SIZE, -1))[0]
        ended = jnp.arange(SIZE) % 3 == 0
        new_compact, new_states = games.reset_where(ended, keys, compact, states)
        fresh = games.reset(keys)
        for index in range(SIZE):
            expected = one_of(fresh, index) if ended[index] else (compact[index], one_of(states, index))
            assert same((new_compact[index], one_of(new_states, index)), expected)

    def test_expanding_keeps_leading_axes(self, batch):
        compact, _ = HackMatrix().batched(FURNISHED).reset(batch[0])
        folded = game.expand_observation(compact.reshape(3, 4, 83))
        assert same(folded.reshape(SIZE, 1545), game.expand_observation(compact))
        assert same(game.expand_observation(compact[0]), game.expand_observation(compact)[0])

    def test_a_network_takes_in_the_flat_observation_and_the_player_s_cell(self, batch):
        compact, states = HackMatrix().batched(FURNISHED).reset(batch[0])
        features = np.asarray(HackMatrix().features(compact))
        assert (features.shape, features.dtype) == ((SIZE, 1581), np.float32)
        assert same(features[:, :1545], game.expand_observation(compact))
        cells = 6 * np.asarray(states.player.row) + np.asarray(states.player.col)
        assert same(features[:, 1545:], np.eye(36, dtype=np.float32)[cells])

    def test_networks_may_be_differentiated_behind_it(self, batch):
        compact, _ = HackMatrix().batched(FURNISHED).reset(batch[0])

        def loss(weight):
            return jnp.sum((game.expand_observation(compact) @ weight) ** 2)

        flat = game.expand_observation(compact)
        weight = jnp.ones(1545)
        np.testing.assert_allclose(jax.jit(jax.grad(loss))(weight), 2 * flat.T @ (flat @ weight), rtol=1e-4)
