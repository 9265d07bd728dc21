"""The start of a game.

Rules: docs/game.md, sections 2 and 11.
"""

import jax
import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env.chance import seed_from_words
from hackmatrix.jax_env.constants import (
    GRID_SIZE,
    MAX_ENEMIES,
    MAX_HP,
    MAX_TRANSMISSIONS,
    NUM_CELLS,
    SCHEDULE_INTERVAL,
)
from hackmatrix.jax_env.progress import set_up
from hackmatrix.jax_env.state import Cells, Enemies, EnvState, Player, Transmissions


def bare_start(envs: int) -> EnvState:
    """Stage 1 with an empty board, for so many environments; env axis last."""

    def number(value: int) -> Array:
        return jnp.full((envs,), value, jnp.int32)

    def flag() -> Array:
        return jnp.zeros((envs,), bool)

    def words(*shape: int) -> Array:
        return jnp.zeros((*shape, envs), jnp.uint32)

    return EnvState(
        player=Player(
            row=number(0),
            col=number(0),
            hp=number(MAX_HP),
            credits=number(0),
            energy=number(0),
            data_siphons=number(0),
            attack_damage=number(1),
            score=number(0),
        ),
        stage=number(1),
        turn=number(0),
        exit_row=number(GRID_SIZE - 1),
        exit_col=number(GRID_SIZE - 1),
        owned_programs=words(),
        show_activated=flag(),
        scheduled_tasks_disabled=flag(),
        step_active=flag(),
        undo_available=flag(),
        atk_plus_uses=number(0),
        scheduled_task_interval=number(SCHEDULE_INTERVAL),
        next_scheduled_task_turn=number(SCHEDULE_INTERVAL),
        enemies=Enemies(words(MAX_ENEMIES)),
        transmissions=Transmissions(words(MAX_TRANSMISSIONS)),
        cells=Cells(words(NUM_CELLS)),
    )


def furnished_start(key_words: Array) -> EnvState:
    """Stage 1 with a board drawn like those of later stages; key words uint32 (words, env)."""
    start = bare_start(key_words.shape[1])
    return furnished_start_where(jnp.ones_like(start.show_activated), key_words, start)


def furnished_start_where(wanted: Array, key_words: Array, state: EnvState) -> EnvState:
    """A new game on a drawn board where `wanted`, bool (env,); the same position elsewhere."""
    start = bare_start(wanted.shape[0])
    state = jax.tree.map(lambda new, old: jnp.where(wanted, new, old), start, state)
    return set_up(state, wanted, seed_from_words(key_words))
