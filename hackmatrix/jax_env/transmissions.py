"""Transmissions: how they are placed, count down and become enemies.

Rules: docs/game.md, section 7.
"""

import jax.numpy as jnp
from jax import Array

from hackmatrix.jax_env import slots
from hackmatrix.jax_env.constants import MAX_ENEMIES, MAX_TRANSMISSIONS
from hackmatrix.jax_env.slots import SLOT
from hackmatrix.jax_env.state import Enemies, Transmissions, full_hp


def place(transmissions: Transmissions, number: Array, newcomer: Transmissions) -> Transmissions:
    """Put newcomers into the lowest free slots, as far as there are any.

    Args:
        transmissions: the slots, (20, env).
        number: int32 (env,), how many come.
        newcomer: what a slot receives, (20, env) or (env,) for all the same.
    """
    free = ~transmissions.present
    return transmissions.where(free & (slots.rank(free) < number), newcomer)


def count_down(transmissions: Transmissions, turn_taken: Array) -> tuple[Transmissions, Array]:
    """Let all of them count down; returns those still to come and, bool (20, env), which are due."""
    counting = transmissions.present & turn_taken
    turns = transmissions.turns_remaining - 1
    due = counting & (turns <= 0)
    counted = transmissions.replace(turns_remaining=jnp.maximum(turns, 0))
    return transmissions.where(counting, counted).without(due), due


def arrive(enemies: Enemies, transmissions: Transmissions, due: Array) -> Enemies:
    """Put an enemy for each due transmission into the lowest free enemy slot, slot by slot.

    The k-th of those due gets the k-th free slot; without one it is lost.
    """
    newcomers = Enemies(jnp.zeros_like(transmissions.word)).replace(
        row=transmissions.row,
        col=transmissions.col,
        type=transmissions.enemy_type,
        hp=full_hp(transmissions.enemy_type),
        spawned_from_siphon=transmissions.spawned_from_siphon,
        from_scheduled_task=transmissions.from_scheduled_task,
    )
    free = ~enemies.present
    free_rank = jnp.where(free, slots.rank(free), MAX_ENEMIES)
    due_rank = jnp.where(due, slots.rank(due), -1)
    word = enemies.word
    for slot in range(MAX_TRANSMISSIONS):
        word = jnp.where(free_rank == due_rank[slot], newcomers.word[slot], word)
    return Enemies(word)


def delay(transmissions: Transmissions, turns: int) -> Transmissions:
    """Every transmission comes so many enemies' turns later."""
    later = transmissions.replace(turns_remaining=transmissions.turns_remaining + turns)
    return transmissions.where(transmissions.present, later)


def remove(transmissions: Transmissions, slot: Array, really: Array) -> Transmissions:
    """Take the transmission in `slot` (env,) off the board where `really`."""
    return transmissions.without((slot == SLOT) & really)
