"""What the player is shown (docs/game.md, section 13)."""

from typing import NamedTuple

import numpy as np

from .positions import Position, cell_of, exit_cell
from .tables import ENEMY_TYPES, PROGRAMS


class Observed(NamedTuple):
    """The three arrays, float32 but for the programs."""

    player: np.ndarray
    programs: np.ndarray
    grid: np.ndarray


def over(number: int, divisor: int) -> np.float32:
    """A quotient as float32 arithmetic gives it."""
    return np.float32(number) / np.float32(divisor)


def is_visible(position: Position, enemy: dict) -> bool:
    """Cryptogs hide outside the player's row and column, unless SHOW was played."""
    player = position["player"]
    in_line = enemy["row"] == player["row"] or enemy["col"] == player["col"]
    return enemy["type"] != "cryptog" or in_line or position["show_activated"]


def observe(position: Position) -> Observed:
    """The observation of a position, as it is before or after any step."""
    owned = [int(action in position["programs"]) for action in PROGRAMS]
    return Observed(_player(position), np.array(owned, np.int32), _grid(position))


def flatten(observed: Observed) -> np.ndarray:
    """The 1545 numbers: player, programs, grid in row-major order."""
    return np.concatenate([observed.player, observed.programs.astype(np.float32), observed.grid.reshape(-1)])


def _player(position: Position) -> np.ndarray:
    player = position["player"]
    return np.array(
        [
            over(player["row"], 5),
            over(player["col"], 5),
            over(player["hp"], 3),
            min(over(player["credits"], 50), np.float32(1)),
            min(over(player["energy"], 50), np.float32(1)),
            over(position["stage"] - 1, 7),
            over(player["data_siphons"], 10),
            over(player["attack_damage"] - 1, 2),
            np.float32(position["show_activated"]),
            np.float32(position["scheduled_tasks_disabled"]),
        ],
        np.float32,
    )


def _grid(position: Position) -> np.ndarray:
    grid = np.zeros((6, 6, 42), np.float32)
    for enemy in position["enemies"]:  # in slot order, so the highest visible slot has the last word
        if is_visible(position, enemy):
            shown = grid[cell_of(enemy)]
            shown[ENEMY_TYPES.index(enemy["type"])] = 1
            shown[4] = over(enemy["hp"], 3)
            shown[5] = enemy["stunned"]
            shown[6] = enemy["spawned_from_siphon"]
    for block in position["blocks"]:
        shown = grid[cell_of(block)]
        if block["kind"] == "data":
            shown[7] = 1
            shown[10] = over(block["points"], 9)
        else:
            shown[8] = 1
            shown[12 + block["program"] - 5] = 1
        shown[11] = block["siphoned"]
        shown[35] = over(block["spawn_count"], 9)
    for transmission in position["transmissions"]:
        grid[cell_of(transmission)][36] = min(over(transmission["turns_remaining"], 4), np.float32(1))
    for pickup in position["resources"]:
        shown = grid[cell_of(pickup)]
        shown[37] = over(pickup["credits"], 3)
        shown[38] = over(pickup["energy"], 3)
        shown[39] = pickup["data_siphon"]
    grid[exit_cell(position)][40] = 1
    for row, col in position["siphon_centers"]:
        grid[row, col, 41] = 1
    return grid
