"""Running a program: pay, then its effect.

Rules: docs/game.md, section 10.
"""

from dataclasses import replace

from jax import Array

from hackmatrix.jax_env.blocks import Blocks
from hackmatrix.jax_env.chance import Seed
from hackmatrix.jax_env.constants import DELAY
from hackmatrix.jax_env.programs.polymorph import poly
from hackmatrix.jax_env.programs.relocation import push_or_pull, warp
from hackmatrix.jax_env.programs.self_effects import pay_and_gain, reduce_spawns, set_flags
from hackmatrix.jax_env.programs.strikes import strike
from hackmatrix.jax_env.state import EnvState
from hackmatrix.jax_env.transmissions import delay

DELAYED_TURNS = 3


def run(state: EnvState, blocks: Blocks, action: Array, seed: Seed) -> EnvState:
    """The position after the program of that action number, which must be legal; unchanged for others.

    At most one of the effects below applies in each environment; those of the other programs leave their
    part as it is. WAIT has no effect but its price and the turn that it takes.
    """
    enemies = strike(state.enemies, state.player, blocks, action)
    enemies = push_or_pull(enemies, state.player, action)
    enemies = poly(enemies, action, seed)
    transmissions = state.transmissions.where(action == DELAY, delay(state.transmissions, DELAYED_TURNS))
    state = replace(
        set_flags(state, action),
        player=pay_and_gain(state.player, state.stage, action),
        enemies=enemies,
        transmissions=transmissions,
        cells=reduce_spawns(state.cells, action),
    )
    return warp(state, action, seed)
