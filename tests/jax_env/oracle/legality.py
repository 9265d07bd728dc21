"""Which actions are legal (docs/game.md, section 12, with the conditions of section 10)."""

from collections.abc import Callable
from typing import Any

from .geometry import cells_in_direction, surrounds
from .positions import at, block_at, cell_of, has_unsiphoned_block
from .tables import DIRECTIONS, PROGRAMS, SIPHON, Cell, Position


def has_ended(position: Position) -> bool:
    """Hp 0 or stage 9 (docs/game.md, section 16)."""
    return position["player"]["hp"] == 0 or position["stage"] == 9


def action_mask(position: Position) -> list[bool]:
    """28 booleans; does not ask whether the game has ended."""
    return [is_legal(position, action) for action in range(28)]


def is_legal(position: Position, action: int) -> bool:
    """One row of the table in section 12; numbers outside 0..27 are never legal."""
    if action in range(4):
        return _can_go_or_shoot(position, DIRECTIONS[action])
    if action == SIPHON:
        return position["player"]["data_siphons"] > 0
    return action in PROGRAMS and _can_run(position, action)


def target_of_look(position: Position, direction: Cell) -> tuple[str, dict[str, Any]] | None:
    """What a shot hits: enemies before transmissions, lowest slot first; blocks hide nothing (section 5)."""
    for cell in cells_in_direction(cell_of(position["player"]), direction):
        for kind in ("enemies", "transmissions"):
            found = at(position[kind], cell)
            if found:
                return kind, found[0]
    return None


def _can_go_or_shoot(position: Position, direction: Cell) -> bool:
    cells = list(cells_in_direction(cell_of(position["player"]), direction))
    if not cells:
        return False
    return not has_unsiphoned_block(position, cells[0]) or target_of_look(position, direction) is not None


def _can_run(position: Position, action: int) -> bool:
    player = position["player"]
    program = PROGRAMS[action]
    return (
        action in position["programs"]
        and player["credits"] >= program.credits
        and player["energy"] >= program.energy
        and _condition_holds(position, program.name)
    )


def _any_enemy(position: Position, holds: Callable[[dict[str, Any]], bool]) -> bool:
    return any(holds(enemy) for enemy in position["enemies"])


def _something_around(position: Position) -> bool:
    things = [*position["blocks"], *position["enemies"], *position["transmissions"]]
    return any(surrounds(cell_of(thing), cell_of(position["player"])) for thing in things)


# Programs that are not named have no condition but their price.
CONDITIONS: dict[str, Callable[[Position], bool]] = {
    "PUSH": lambda p: bool(p["enemies"]),
    "PULL": lambda p: bool(p["enemies"]),
    "CRASH": _something_around,
    "WARP": lambda p: bool(p["enemies"] or p["transmissions"]),
    "POLY": lambda p: bool(p["enemies"]),
    "DEBUG": lambda p: _any_enemy(p, lambda enemy: block_at(p, cell_of(enemy)) is not None),
    "ROW": lambda p: _any_enemy(p, lambda enemy: enemy["row"] == p["player"]["row"]),
    "COL": lambda p: _any_enemy(p, lambda enemy: enemy["col"] == p["player"]["col"]),
    "UNDO": lambda p: p["undo_available"],
    "SHOW": lambda p: not p["show_activated"],
    "RESET": lambda p: p["player"]["hp"] < 3,
    "CALM": lambda p: not p["scheduled_tasks_disabled"],
    "D_BOM": lambda p: _any_enemy(p, lambda enemy: enemy["type"] == "daemon"),
    "DELAY": lambda p: bool(p["transmissions"]),
    "ANTI-V": lambda p: _any_enemy(p, lambda enemy: enemy["type"] == "virus"),
    "SCORE": lambda p: p["stage"] < 8,
    "REDUC": lambda p: any(not block["siphoned"] and block["spawn_count"] > 0 for block in p["blocks"]),
    "ATK+": lambda p: p["atk_plus_uses"] < 2 and p["player"]["attack_damage"] < 3,
    "HACK": lambda p: any(block["siphoned"] for block in p["blocks"]),
}


def _condition_holds(position: Position, name: str) -> bool:
    return name not in CONDITIONS or CONDITIONS[name](position)
