"""The 15 reward components, as formulas over plain facts of one step.

Rules: docs/game.md, section 14.
"""

from types import ModuleType
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from hackmatrix.jax_env.constants import RESET, SIPHON

# Reward by completed stage; the entries in front of stage 1 and behind stage 8 are for stages that nobody
# completes.
STAGE_REWARDS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 100, 0], np.float32)
_STAGES_BELOW = np.concatenate([[0], np.cumsum(STAGE_REWARDS)[:-1]]).astype(np.float32)
MEDIUM_HP = 2


class StepFacts(NamedTuple):
    """What the rewards of a step depend on; arrays of one shape, or plain numbers.

    "Before" is before the action, "after" is after the stage set-up. `kills` and `data_siphons` are net
    differences and not below 0. A distance of -1 stands for "no path".
    """

    action: Any
    stage_after: Any
    stage_completed: Any
    game_won: Any
    player_died: Any
    hp_before: Any
    hp_after: Any
    score_before: Any
    score_after: Any
    credits_before: Any
    credits_after: Any
    energy_before: Any
    energy_after: Any
    kills: Any
    data_siphons: Any
    distance_before: Any
    distance_after: Any
    siphon_better: Any
    siphon_missed_credits: Any
    siphon_missed_energy: Any
    siphon_enemy_adjacent: Any


def reward_parts(facts: StepFacts, xp: ModuleType = jnp) -> dict[str, Any]:
    """The components by name, in the order of `REWARD_PARTS`.

    Args:
        facts: of a step that took place; an illegal action has its own rule.
        xp: `jax.numpy`, or `numpy` for plain numbers.
    """
    f = facts
    hp_change = f.hp_after - f.hp_before
    credits_change, energy_change = f.credits_after - f.credits_before, f.energy_after - f.energy_before
    closer = _walk(f.distance_before, xp) - _walk(f.distance_after, xp)
    stage_reward = xp.asarray(STAGE_REWARDS)[xp.clip(f.stage_after - 1, 0, 9)]
    lost_rewards = xp.asarray(_STAGES_BELOW)[xp.clip(f.stage_after, 0, 9)]
    siphoned_badly = (f.action == SIPHON) & f.siphon_better
    wasted = (f.action == RESET) & (f.hp_before == MEDIUM_HP)
    missed = 0.05 * f.siphon_missed_credits + 0.05 * f.siphon_missed_energy
    return {
        "step_penalty": xp.full(xp.shape(f.hp_after), -0.01),
        "stage_completion": xp.where(f.stage_completed, stage_reward, 0.0),
        "score_gain": 0.5 * (f.score_after - f.score_before),
        "kills": 0.3 * f.kills,
        "data_siphon": 1.0 * f.data_siphons,
        "distance_shaping": 0.05 * xp.maximum(closer, 0),
        "damage_penalty": 1.0 * xp.minimum(hp_change, 0),
        "hp_recovery": 1.0 * xp.maximum(hp_change, 0),
        "victory": xp.where(f.game_won, 500.0 + 100.0 * f.score_after, 0.0),
        "death_penalty": xp.where(f.player_died, -0.5 * lost_rewards, 0.0),
        "siphon_death_penalty": xp.where(f.player_died & f.siphon_enemy_adjacent, -10.0, 0.0),
        "resource_gain": 0.05 * credits_change + 0.05 * energy_change,
        "resource_holding": xp.where(f.stage_completed, 0.01 * f.credits_after + 0.01 * f.energy_after, 0.0),
        "program_waste": xp.where(wasted, -0.3, 0.0),
        "siphon_quality": xp.where(siphoned_badly, -0.5 * missed, 0.0),
    }


def _walk(distance: Any, xp: ModuleType) -> Any:
    """No path counts as 0 steps, which reads as "arrived"."""
    return xp.maximum(distance, 0)
