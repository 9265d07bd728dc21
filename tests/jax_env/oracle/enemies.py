"""The enemies' turn, part by part (docs/game.md, sections 4, 6, 7 and 8)."""

from typing import Any

from . import draws
from .geometry import are_adjacent, sign
from .positions import at, cell_of, has_unsiphoned_block, place_in_lowest_free_slot
from .tables import ALL_CELLS, FULL_HP, MOVES_PER_TURN, SLOTS, Cell, Position


def enemies_turn(position: Position, after: Position, *, board_will_be_cleared: bool) -> None:
    """All six parts. When the step completes the stage, a scheduled spawn is wiped away unseen."""
    count_down(position)
    if not position["step_active"]:
        for enemy in position["enemies"]:
            if may_move(enemy):
                for _ in range(MOVES_PER_TURN[enemy["type"]]):
                    enemy["row"], enemy["col"] = cell_after_move(position, enemy)
    hit(position)
    scheduled_spawn(position, after, board_will_be_cleared=board_will_be_cleared)
    for enemy in position["enemies"]:
        enemy["stunned"] = False
        enemy["disabled_turns"] = max(0, enemy["disabled_turns"] - 1)
    position["step_active"] = False


def count_down(position: Position) -> None:
    """Transmissions come nearer, slot by slot; at zero they become enemies."""
    for transmission in list(position["transmissions"]):
        transmission["turns_remaining"] -= 1
        if transmission["turns_remaining"] <= 0:
            position["transmissions"].remove(transmission)
            place_in_lowest_free_slot(position["enemies"], newborn(transmission))


def newborn(transmission: dict[str, Any]) -> dict[str, Any]:
    """The enemy that a transmission announced."""
    return {
        "type": transmission["enemy_type"],
        "row": transmission["row"],
        "col": transmission["col"],
        "hp": FULL_HP[transmission["enemy_type"]],
        "disabled_turns": 0,
        "stunned": False,
        "spawned_from_siphon": transmission["spawned_from_siphon"],
        "from_scheduled_task": transmission["from_scheduled_task"],
    }


def may_move(enemy: dict[str, Any]) -> bool:
    """Neither stunned nor disabled."""
    return not enemy["stunned"] and enemy["disabled_turns"] == 0


def prefers_row(dr: int, dc: int) -> bool:
    """Whether the move goes along the rows first; a tie does."""
    return abs(dr) >= abs(dc)


def cell_after_move(position: Position, enemy: dict[str, Any]) -> Cell:
    """One move: towards the player, not onto the player, swerving at a block without looking again."""
    row, col = cell_of(enemy)
    player = cell_of(position["player"])
    dr, dc = player[0] - row, player[1] - col
    wanted = (row + sign(dr), col) if prefers_row(dr, dc) else (row, col + sign(dc))
    if wanted == player:
        wanted = (row, col)
    if enemy["type"] != "glitch" and has_unsiphoned_block(position, wanted):
        wanted = (wanted[0], col + sign(dc)) if prefers_row(dr, dc) else (row + sign(dr), wanted[1])
    return wanted


def hit(position: Position) -> None:
    """Every adjacent enemy that is not stunned takes 1 hp; disabled ones hit too."""
    player = position["player"]
    for enemy in position["enemies"]:
        if can_hit(enemy) and are_adjacent(cell_of(enemy), cell_of(player)):
            player["hp"] = max(0, player["hp"] - 1)


def can_hit(enemy: dict[str, Any]) -> bool:
    """Only a stun keeps an enemy from hitting."""
    return not enemy["stunned"]


def eligible_for_spawn(position: Position) -> list[Cell]:
    """Cells without player, unsiphoned block, enemy or transmission; (0,0) should there be none."""
    free = [
        cell
        for cell in ALL_CELLS
        if cell != cell_of(position["player"])
        and not has_unsiphoned_block(position, cell)
        and not at(position["enemies"], cell)
        and not at(position["transmissions"], cell)
    ]
    return free or [(0, 0)]


def scheduled_spawn(position: Position, after: Position, *, board_will_be_cleared: bool) -> None:
    """One transmission when the date has come; with all slots taken only the date moves on (section 8)."""
    interval = position["scheduled_task_interval"]
    due = position["turn"] >= position["next_scheduled_task_turn"]
    if position["scheduled_tasks_disabled"] or interval <= 0 or not due:
        return
    position["next_scheduled_task_turn"] = position["turn"] + interval
    taken = {one["slot"] for one in position["transmissions"]}
    if board_will_be_cleared or len(taken) == SLOTS:
        return
    slot = min(set(range(SLOTS)) - taken)
    (row, col), enemy_type = draws.scheduled_spawn(after, slot, eligible_for_spawn(position))
    newcomer = {
        "row": row,
        "col": col,
        "turns_remaining": 1,
        "enemy_type": enemy_type,
        "spawned_from_siphon": False,
        "from_scheduled_task": True,
    }
    place_in_lowest_free_slot(position["transmissions"], newcomer)
