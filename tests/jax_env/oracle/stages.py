"""A new stage: what is certain about it, and what may have been drawn (docs/game.md, section 11)."""

from typing import Any

from .geometry import is_one_region
from .positions import cell_of, exit_cell
from .tables import ALL_CELLS, CORNERS, ENEMY_TYPES, PROGRAMS, Cell, Position, RuleViolation


def complete_stage(position: Position, after: Position) -> None:
    """Points 1 to 9; the furniture is taken from ``after`` once it is known to be allowed."""
    player = position["player"]
    position["stage"] += 1
    player["hp"] = min(3, player["hp"] + 1)
    position["show_activated"] = False
    position["scheduled_tasks_disabled"] = False
    position["step_active"] = False
    position["atk_plus_uses"] = 0
    position["enemies"] = []
    position["siphon_centers"] = []
    check_furniture(after, player_cell=cell_of(player), transmissions=min(position["stage"], 8))
    for key in ("exit", "blocks", "resources", "transmissions"):
        position[key] = [dict(one) if isinstance(one, dict) else one for one in after[key]]


def check_furniture(after: Position, *, player_cell: Cell, transmissions: int) -> None:
    """Raise ``RuleViolation`` unless points 5 to 9 could have drawn this board for this player."""
    exit_ = exit_cell(after)
    _require(exit_ in CORNERS and exit_ != player_cell, f"exit on {exit_}, player on {player_cell}")
    blocked = _check_blocks(after["blocks"])
    _check_resources(after["resources"], blocked, [c for c in CORNERS if c not in (exit_, player_cell)])
    _check_transmissions(after["transmissions"], {*blocked, *CORNERS, player_cell}, transmissions)


def _check_blocks(blocks: list[dict[str, Any]]) -> list[Cell]:
    cells = [cell_of(block) for block in blocks]
    _require(5 <= len(blocks) <= 11, f"{len(blocks)} blocks, expected 5..11")
    _require(cells == sorted(set(cells)), f"blocks are not one per cell in row-major order: {cells}")
    _require(not set(cells) & set(CORNERS), f"a block on a corner: {cells}")
    _require(is_one_region([c for c in ALL_CELLS if c not in cells]), f"blocks cut the board apart: {cells}")
    for block in blocks:
        if block["kind"] == "data":
            value = {"points": block["points"], "spawn_count": block["points"]}
            _require(1 <= block["points"] <= 9, f"a data block of {block['points']} points")
        else:
            value = {"program": block["program"], "spawn_count": 2}
            _require(block["program"] in PROGRAMS, f"a block of program {block['program']}")
        fresh = {"row": block["row"], "col": block["col"], "kind": block["kind"], "siphoned": False} | value
        _require(block == fresh, f"block {block}, expected {fresh}")
    return cells


def _check_resources(
    resources: list[dict[str, Any]], blocked: list[Cell], with_data_siphon: list[Cell]
) -> None:
    cells = [cell_of(one) for one in resources]
    expected = sorted({*ALL_CELLS} - {*CORNERS} - {*blocked} | {*with_data_siphon})
    _require(cells == expected, f"pickups on {cells}, expected {expected}")
    for one in resources:
        found = (one["credits"], one["energy"], one["data_siphon"])
        if cell_of(one) in CORNERS:
            _require(found == (0, 0, True), f"{found} on the corner {cell_of(one)}")
        else:
            _require(found in _PICKUPS, f"{found} on {cell_of(one)}")


_PICKUPS = [(n, 0, False) for n in (1, 2, 3)] + [(0, n, False) for n in (1, 2, 3)]


def _check_transmissions(transmissions: list[dict[str, Any]], forbidden: set[Cell], count: int) -> None:
    cells = [cell_of(one) for one in transmissions]
    _require(len(cells) == count, f"{len(cells)} transmissions, expected {count}")
    _require(len(set(cells)) == count, f"two transmissions share a cell: {cells}")
    _require(not set(cells) & forbidden, f"a transmission on a forbidden cell: {cells}")
    for slot, one in enumerate(transmissions):
        _require(one["enemy_type"] in ENEMY_TYPES, f"no such type: {one['enemy_type']}")
        fresh = {
            "slot": slot,
            "row": one["row"],
            "col": one["col"],
            "enemy_type": one["enemy_type"],
            "turns_remaining": 1,
            "spawned_from_siphon": False,
            "from_scheduled_task": False,
        }
        _require(one == fresh, f"transmission {one}, expected {fresh}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise RuleViolation(f"new stage: {message}")
