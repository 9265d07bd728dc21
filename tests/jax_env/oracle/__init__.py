"""The game's rules once more, slowly and plainly, to hold the fast game against.

Everything works on positions as plain Python (docs/game.md, section 18) and is written from the rule book
alone. Nothing here imports JAX or the game. Chance is not imitated: ``step`` is shown the position that came
out, takes what was drawn from it, refuses what could not have been drawn, and computes all the rest itself.
"""

from .geometry import path_distance
from .legality import action_mask, has_ended
from .observation import flatten, observe
from .positions import complete
from .rewards import REWARD_PARTS, reward_breakdown
from .siphoning import siphon_enemy_adjacent, siphon_quality
from .tables import ENEMY_TYPES, PROGRAM_NAMES, Position, RuleViolation
from .turn import Outcome, step

__all__ = [
    "ENEMY_TYPES",
    "PROGRAM_NAMES",
    "REWARD_PARTS",
    "Outcome",
    "Position",
    "RuleViolation",
    "action_mask",
    "complete",
    "flatten",
    "has_ended",
    "observe",
    "path_distance",
    "reward_breakdown",
    "siphon_enemy_adjacent",
    "siphon_quality",
    "step",
]
