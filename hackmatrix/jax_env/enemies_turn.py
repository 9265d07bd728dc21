"""The enemies' turn, part by part; nothing happens where no turn was taken (bool (env,)).

Rules: docs/game.md, section 4, step 5.
"""

from dataclasses import replace

from jax import Array

from hackmatrix.jax_env import enemies, transmissions
from hackmatrix.jax_env.cellset import CellSet
from hackmatrix.jax_env.chance import Seed
from hackmatrix.jax_env.schedule import scheduled_spawn
from hackmatrix.jax_env.state import EnvState


def transmissions_arrive(state: EnvState, turn_taken: Array) -> EnvState:
    """Part 1."""
    still_to_come, due = transmissions.count_down(state.transmissions, turn_taken)
    arrived = transmissions.arrive(state.enemies, state.transmissions, due)
    return replace(state, enemies=arrived, transmissions=still_to_come)


def enemies_move_and_hit(state: EnvState, unsiphoned: CellSet, turn_taken: Array) -> EnvState:
    """Parts 2 and 3: STEP keeps everybody from moving, but not from hitting."""
    moved = enemies.move(state.enemies, state.player, unsiphoned, turn_taken & ~state.step_active)
    return replace(state, enemies=moved, player=enemies.hit(moved, state.player, turn_taken))


def turn_ends(state: EnvState, unsiphoned: CellSet, turn_taken: Array, seed: Seed) -> EnvState:
    """Parts 4 to 6."""
    state = scheduled_spawn(state, unsiphoned, turn_taken, seed)
    return replace(
        state,
        enemies=enemies.recover(state.enemies, turn_taken),
        step_active=state.step_active & ~turn_taken,
    )
