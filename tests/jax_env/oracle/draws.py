"""What chance decided, read off the position that came out (docs/game.md, section 15).

Each function is told what the rules allow, and raises ``RuleViolation`` when ``after`` shows something else.
"""

from typing import Any

from .positions import cell_of
from .tables import ENEMY_TYPES, Cell, Position, RuleViolation


def member_in_slot(after: Position, kind: str, slot: int, why: str) -> dict[str, Any]:
    """The enemy or transmission that must be in this slot afterwards."""
    for member in after[kind]:
        if member["slot"] == slot:
            return member
    raise RuleViolation(f"{why}: nothing in {kind} slot {slot} of the position that came out")


def siphon_type(after: Position, slot: int) -> str:
    """The type of a transmission that a siphon placed: any of the four (section 9)."""
    return _one_of_four(member_in_slot(after, "transmissions", slot, "siphoned block")["enemy_type"])


def scheduled_spawn(after: Position, slot: int, eligible: list[Cell]) -> tuple[Cell, str]:
    """Cell and type of a scheduled spawn: any eligible cell, any of the four types (section 8)."""
    drawn = member_in_slot(after, "transmissions", slot, "scheduled spawn")
    if cell_of(drawn) not in eligible:
        raise RuleViolation(f"scheduled spawn on {cell_of(drawn)}, which is not among {eligible}")
    return cell_of(drawn), _one_of_four(drawn["enemy_type"])


def warp_target(position: Position, after: Position) -> tuple[str, dict[str, Any]]:
    """The one enemy or transmission that WARP removed (section 10).

    When the stage went on, the board is cleared and several may have stood where the player stands now; which
    of them it was makes no difference.
    """
    things = [(kind, member) for kind in ("enemies", "transmissions") for member in position[kind]]
    if after["stage"] != position["stage"]:
        gone = [(kind, one) for kind, one in things if cell_of(one) == cell_of(after["player"])][:1]
    else:
        left = {(kind, one["slot"]) for kind in ("enemies", "transmissions") for one in after[kind]}
        gone = [(kind, one) for kind, one in things if (kind, one["slot"]) not in left]
    if len(gone) != 1:
        raise RuleViolation(f"WARP removes exactly one enemy or transmission, not {gone}")
    return gone[0]


def poly_type(after: Position, enemy: dict[str, Any]) -> str:
    """What POLY made of an enemy: one of the three other types (section 10)."""
    drawn = member_in_slot(after, "enemies", enemy["slot"], "POLY")["type"]
    if drawn == enemy["type"]:
        raise RuleViolation(f"POLY left the enemy in slot {enemy['slot']} a {drawn}")
    return _one_of_four(drawn)


def _one_of_four(enemy_type: str) -> str:
    if enemy_type not in ENEMY_TYPES:
        raise RuleViolation(f"no such enemy type: {enemy_type!r}")
    return enemy_type
