"""The 15 reward components (docs/game.md, section 14), in exact arithmetic until the very end."""

from fractions import Fraction
from typing import Any

STAGE_REWARDS = (1, 2, 4, 8, 16, 32, 64, 100)
RESET_ACTION, SIPHON_ACTION = 19, 4

REWARD_PARTS = (
    "step_penalty",
    "stage_completion",
    "score_gain",
    "kills",
    "data_siphon",
    "distance_shaping",
    "damage_penalty",
    "hp_recovery",
    "victory",
    "death_penalty",
    "siphon_death_penalty",
    "resource_gain",
    "resource_holding",
    "program_waste",
    "siphon_quality",
)


def reward_breakdown(**facts: Any) -> dict[str, float]:
    """The formulas applied to the facts as they are, keys as in section 18."""

    def gain(name: str) -> int:
        return facts[f"{name}_after"] - facts[f"{name}_before"]

    completed, died, stage = facts["stage_completed"], facts["player_died"], facts["stage_after"]
    holding = facts["credits_after"] + facts["energy_after"]
    missed = facts["siphon_missed_credits"] + facts["siphon_missed_energy"]
    badly_siphoned = facts["action"] == SIPHON_ACTION and facts["siphon_better"]
    wasted = facts["action"] == RESET_ACTION and facts["hp_before"] == 2
    # No path (-1) counts as no distance.
    walked = max(0, facts["distance_before"]) - max(0, facts["distance_after"])
    values = {
        "step_penalty": Fraction(-1, 100),
        "stage_completion": STAGE_REWARDS[stage - 2] if completed and 2 <= stage <= 9 else 0,
        "score_gain": Fraction(1, 2) * gain("score"),
        "kills": Fraction(3, 10) * facts["kills"],
        "data_siphon": facts["data_siphons"],
        "distance_shaping": Fraction(5, 100) * max(0, walked),
        "damage_penalty": min(0, gain("hp")),
        "hp_recovery": max(0, gain("hp")),
        "victory": 500 + 100 * facts["score_after"] if facts["game_won"] else 0,
        "death_penalty": Fraction(-1, 2) * sum(STAGE_REWARDS[: stage - 1]) if died else 0,
        "siphon_death_penalty": -10 if died and facts["siphon_enemy_adjacent"] else 0,
        "resource_gain": Fraction(5, 100) * (gain("credits") + gain("energy")),
        "resource_holding": Fraction(1, 100) * holding if completed else 0,
        "program_waste": Fraction(-3, 10) if wasted else 0,
        "siphon_quality": Fraction(-1, 2) * Fraction(5, 100) * missed if badly_siphoned else 0,
    }
    assert tuple(values) == REWARD_PARTS
    return {name: float(value) for name, value in values.items()}
