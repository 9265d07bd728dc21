"""Positions as plain Python: defaults, copies, and who stands where (docs/game.md, sections 2 and 18)."""

from collections.abc import Mapping
from typing import Any

from .tables import FULL_HP, SLOTS, Cell, Position

PLAYER = {
    "row": 0,
    "col": 0,
    "hp": 3,
    "credits": 0,
    "energy": 0,
    "data_siphons": 0,
    "score": 0,
    "attack_damage": 1,
}
NUMBERS_AND_FLAGS = {
    "stage": 1,
    "turn": 0,
    "show_activated": False,
    "scheduled_tasks_disabled": False,
    "step_active": False,
    "undo_available": False,
    "atk_plus_uses": 0,
    "scheduled_task_interval": 12,
    "next_scheduled_task_turn": 12,
}
ORIGINS = {"spawned_from_siphon": False, "from_scheduled_task": False}


def complete(position: Mapping[str, Any]) -> Position:
    """The same position with every key written, as ``state_to_dict`` would write it."""
    return {
        "player": PLAYER | position.get("player", {}),
        **{key: position.get(key, default) for key, default in NUMBERS_AND_FLAGS.items()},
        "exit": list(position.get("exit", (5, 5))),
        "programs": sorted(position.get("programs", [])),
        "enemies": _slotted([_complete_enemy(one) for one in position.get("enemies", [])]),
        "transmissions": _slotted(
            [{"turns_remaining": 1, **ORIGINS, **one} for one in position.get("transmissions", [])]
        ),
        "blocks": _row_major([_complete_block(one) for one in position.get("blocks", [])]),
        "resources": _row_major(
            [
                {"credits": 0, "energy": 0, "data_siphon": False, **one}
                for one in position.get("resources", [])
                if one.get("credits") or one.get("energy") or one.get("data_siphon")
            ]
        ),
        "siphon_centers": sorted(list(cell) for cell in position.get("siphon_centers", [])),
    }


def _complete_enemy(enemy: Mapping[str, Any]) -> dict[str, Any]:
    return {"hp": FULL_HP[enemy["type"]], "disabled_turns": 0, "stunned": False, **ORIGINS, **enemy}


def _complete_block(block: Mapping[str, Any]) -> dict[str, Any]:
    fresh = block["points"] if block["kind"] == "data" else 2
    return {"spawn_count": fresh, "siphoned": False, **block}


def _slotted(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        ({"slot": number, **member} for number, member in enumerate(members)), key=lambda one: one["slot"]
    )


def _row_major(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(members, key=cell_of)


def copy_of(position: Position) -> Position:
    """A copy that can be changed without touching the original."""
    copy = dict(position)
    copy["player"] = dict(position["player"])
    for key in ("enemies", "transmissions", "blocks", "resources"):
        copy[key] = [dict(member) for member in position[key]]
    for key in ("exit", "programs"):
        copy[key] = list(position[key])
    copy["siphon_centers"] = [list(cell) for cell in position["siphon_centers"]]
    return copy


def cell_of(thing: Mapping[str, Any]) -> Cell:
    """Where the player, an enemy, a transmission, a block or a pickup is."""
    return thing["row"], thing["col"]


def exit_cell(position: Position) -> Cell:
    """The exit as a cell."""
    row, col = position["exit"]
    return row, col


def at(members: list[dict[str, Any]], cell: Cell) -> list[dict[str, Any]]:
    """The members on that cell, lowest slot first."""
    return [member for member in members if cell_of(member) == cell]


def block_at(position: Position, cell: Cell) -> dict[str, Any] | None:
    """The block on that cell, siphoned or not."""
    found = at(position["blocks"], cell)
    return found[0] if found else None


def has_unsiphoned_block(position: Position, cell: Cell) -> bool:
    """Whether the cell keeps the player out (docs/game.md, section 9)."""
    block = block_at(position, cell)
    return block is not None and not block["siphoned"]


def place_in_lowest_free_slot(members: list[dict[str, Any]], newcomer: dict[str, Any]) -> int | None:
    """Add a newcomer and say in which slot, or lose it without trace when all 20 are taken (section 2)."""
    taken = {member["slot"] for member in members}
    for slot in range(SLOTS):
        if slot not in taken:
            members.append({**newcomer, "slot": slot})
            members.sort(key=lambda one: one["slot"])
            return slot
    return None
