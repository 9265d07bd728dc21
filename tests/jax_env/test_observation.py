"""The observation, feature by feature and channel by channel: docs/game.md, section 13."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from boards import data, enemy, player, program, transmission

from hackmatrix.jax_env import flatten_observation, observe, state_from_dict
from hackmatrix.jax_env.observation import NUM_CHANNELS, expand_observation


def see(position):
    return jax.device_get(observe(state_from_dict(position)))


def lit(position, channel):
    """The cells where a channel is not zero, with its value."""
    grid = see(position).grid[..., channel]
    return {(int(row), int(col)): float(grid[row, col]) for row, col in zip(*np.nonzero(grid), strict=True)}


def thirds(number):
    return pytest.approx(number / 3)


@pytest.mark.parametrize(
    ("index", "position", "value"),
    [
        (0, {"player": player(3, 1)}, 3 / 5),
        (1, {"player": player(3, 1)}, 1 / 5),
        (2, {"player": {"hp": 2}}, 2 / 3),
        (3, {"player": {"credits": 15}}, 15 / 50),
        (3, {"player": {"credits": 51}}, 1),
        (3, {"player": {"credits": 9999}}, 1),
        (4, {"player": {"energy": 7}}, 7 / 50),
        (4, {"player": {"energy": 60}}, 1),
        (5, {"stage": 4}, 3 / 7),
        (5, {"stage": 9}, 8 / 7),
        (6, {"player": {"data_siphons": 3}}, 3 / 10),
        (6, {"player": {"data_siphons": 9999}}, 9999 / 10),
        (7, {"player": {"attack_damage": 2}}, 1 / 2),
        (8, {"show_activated": True}, 1),
        (9, {"scheduled_tasks_disabled": True}, 1),
    ],
)
def test_player_feature(index, position, value):
    assert see(position).player[index] == np.float32(value)


def test_the_start_of_a_game():
    start = see({})
    assert start.player.tolist() == pytest.approx([0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    assert start.programs.tolist() == [0] * 23
    assert lit({}, 40) == {(5, 5): 1}
    assert start.grid.sum() == 1


def test_programs():
    assert np.flatnonzero(see({"programs": [5, 10, 27]}).programs).tolist() == [0, 5, 22]


def test_shapes_and_types():
    start = see({})
    assert (start.player.shape, start.player.dtype) == ((10,), np.float32)
    assert (start.programs.shape, start.programs.dtype) == ((23,), np.int32)
    assert (start.grid.shape, start.grid.dtype) == ((6, 6, 42), np.float32)
    assert flatten_observation(observe(state_from_dict({}))).shape == (1545,)


ENEMIES = {
    "enemies": [
        enemy("virus", 1, 1, hp=1),
        enemy("daemon", 2, 2, stunned=True),
        enemy("glitch", 3, 3, spawned_from_siphon=True, from_scheduled_task=True, disabled_turns=9),
        enemy("cryptog", 0, 4),
    ]
}
BLOCKS = {
    "blocks": [
        data(1, 1, 7),
        data(2, 2, 3, siphoned=True, spawn_count=12),
        program(3, 3, 12),
        program(4, 4, 20, siphoned=True, spawn_count=1),
    ]
}
GROUND = {
    "resources": [{"row": 1, "col": 2, "credits": 2}, {"row": 3, "col": 4, "energy": 1, "data_siphon": True}],
    "siphon_centers": [[2, 5]],
    "exit": [0, 5],
}
CHANNELS = [
    (0, ENEMIES, {(1, 1): 1}),
    (1, ENEMIES, {(2, 2): 1}),
    (2, ENEMIES, {(3, 3): 1}),
    (3, ENEMIES, {(0, 4): 1}),
    (4, ENEMIES, {(1, 1): thirds(1), (2, 2): 1, (3, 3): thirds(2), (0, 4): thirds(2)}),
    (5, ENEMIES, {(2, 2): 1}),
    (6, ENEMIES, {(3, 3): 1}),
    (7, BLOCKS, {(1, 1): 1, (2, 2): 1}),
    (8, BLOCKS, {(3, 3): 1, (4, 4): 1}),
    (9, {**ENEMIES, **BLOCKS, **GROUND}, {}),
    (10, BLOCKS, {(1, 1): pytest.approx(7 / 9), (2, 2): pytest.approx(3 / 9)}),
    (11, BLOCKS, {(2, 2): 1, (4, 4): 1}),
    *[
        (12 + n, {"blocks": [program(2, 3, 5 + n), program(2, 4, 5 + (n + 1) % 23)]}, {(2, 3): 1})
        for n in range(23)
    ],
    (
        35,
        BLOCKS,
        {
            (1, 1): pytest.approx(7 / 9),
            (2, 2): pytest.approx(12 / 9),
            (3, 3): pytest.approx(2 / 9),
            (4, 4): pytest.approx(1 / 9),
        },
    ),
    (
        36,
        {"transmissions": [transmission(1, 1, 1), transmission(2, 2, 4), transmission(3, 3, 900)]},
        {(1, 1): 1 / 4, (2, 2): 1, (3, 3): 1},
    ),
    (37, GROUND, {(1, 2): thirds(2)}),
    (38, GROUND, {(3, 4): thirds(1)}),
    (39, GROUND, {(3, 4): 1}),
    (40, GROUND, {(0, 5): 1}),
    (41, GROUND, {(2, 5): 1}),
]


def test_every_channel_is_looked_at():
    assert [channel for channel, _, _ in CHANNELS] == list(range(NUM_CHANNELS))


@pytest.mark.parametrize(("channel", "position", "cells"), CHANNELS)
def test_channel(channel, position, cells):
    assert lit(position, channel) == cells


@pytest.mark.parametrize(
    ("cell", "show", "visible"),
    [((2, 5), False, True), ((5, 2), False, True), ((5, 5), False, False), ((5, 5), True, True)],
)
def test_a_hidden_cryptog_leaves_no_trace(cell, show, visible):
    position = {
        "player": player(2, 2),
        "show_activated": show,
        "enemies": [enemy("cryptog", *cell, stunned=True, spawned_from_siphon=True)],
    }
    seen = [channel for channel in range(7) if lit(position, channel)]
    assert seen == ([3, 4, 5, 6] if visible else [])


def test_on_one_cell_all_types_and_the_highest_visible_slot_show():
    position = {
        "enemies": [
            enemy("daemon", 3, 3, slot=2, hp=3),
            enemy("virus", 3, 3, slot=5, hp=1, stunned=True),
            enemy("cryptog", 3, 3, slot=9, hp=2, spawned_from_siphon=True),
        ]
    }
    assert [lit(position, channel) for channel in range(7)] == [
        {(3, 3): 1},
        {(3, 3): 1},
        {},
        {},
        {(3, 3): thirds(1)},
        {(3, 3): 1},
        {},
    ]


def test_of_several_transmissions_the_highest_slot_shows():
    position = {"transmissions": [transmission(3, 3, 1, slot=9), transmission(3, 3, 2, slot=4)]}
    assert lit(position, 36) == {(3, 3): 1 / 4}


@pytest.mark.parametrize("kind", ["virus", "daemon", "glitch", "cryptog"])
def test_a_transmission_does_not_tell_its_type(kind):
    positions = [
        {"transmissions": [transmission(3, 3, 2, one, spawned_from_siphon=True)], "show_activated": True}
        for one in (kind, "virus")
    ]
    assert np.array_equal(see(positions[0]).grid, see(positions[1]).grid)


@pytest.mark.parametrize(
    "unseen",
    [
        {"player": {"score": 9}},
        {"turn": 8},
        {"scheduled_task_interval": 3},
        {"next_scheduled_task_turn": 5},
        {"step_active": True},
        {"undo_available": True},
        {"atk_plus_uses": 1},
    ],
)
def test_what_is_not_observed(unseen):
    flat = [np.asarray(flatten_observation(observe(state_from_dict(one)))) for one in ({}, unseen)]
    assert np.array_equal(*flat)


def test_every_quotient_is_the_float32_nearest_to_it():
    """Of all numbers that positions can hold, with each scale."""
    credits_seen = np.arange(51)
    compact = np.zeros((10_000, 83), np.uint32)
    compact[:51, 3] = credits_seen
    compact[:, 6] = np.arange(10_000)
    compact[:9, 5] = np.arange(9)
    compact[:6, 0] = np.arange(6)
    compact[:100, 11] = np.arange(100)  # spawn_count of the first cell
    flat = np.asarray(expand_observation(jnp.asarray(compact)))
    assert np.array_equal(flat[:51, 3], (credits_seen / 50).astype(np.float32))
    assert np.array_equal(flat[:, 6], (np.arange(10_000) / 10).astype(np.float32))
    assert np.array_equal(flat[:9, 5], (np.arange(9) / 7).astype(np.float32))
    assert np.array_equal(flat[:6, 0], (np.arange(6) / 5).astype(np.float32))
    assert np.array_equal(flat[:100, 33 + 35], (np.arange(100) / 9).astype(np.float32))
