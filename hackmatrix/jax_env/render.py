"""A position as text, for people and for failing tests.

Each cell is drawn in two lines: who is there above, what lies there below.
"""

from typing import Any

import numpy as np

from hackmatrix.jax_env.compact import visible
from hackmatrix.jax_env.constants import FIRST_PROGRAM, GRID_SIZE
from hackmatrix.jax_env.positions import state_to_dict
from hackmatrix.jax_env.programs import PROGRAM_NAMES
from hackmatrix.jax_env.state import EnvState

_WIDTH = 9
_LEGEND = (
    "@ player   V2 virus, hp 2 (D daemon, G glitch, C cryptog; z stunned, x5 disabled for 5 turns)   "
    "?3 transmission, 3 turns\n"
    "[5] data block   [ROW] program block   {5} siphoned   $2 credits   +1 energy   % data siphon   > exit   "
    "o siphon centre"
)


def render(state: EnvState, *, only_visible: bool = False) -> str:
    """The board with row 5 on top, figures of the player above it, programs and legend below.

    A cell that has more than there is room for ends in `~`, and is told in full below the board.

    Args:
        state: of one game.
        only_visible: leave out cryptogs that are hidden from the player (docs/game.md, section 13).

    Raises:
        PositionError: the state is batched.
    """
    position = state_to_dict(state)
    if only_visible:
        seen = np.asarray(visible(state.enemies, state.player, state.show_activated))
        position["enemies"] = [member for member in position["enemies"] if seen[member["slot"]]]
    rule = "   " + ("+" + "-" * _WIDTH) * GRID_SIZE + "+"
    lines = [_headline(position), rule]
    crowded = []
    for row in reversed(range(GRID_SIZE)):
        texts = [[drawn(position, row, col) for col in range(GRID_SIZE)] for drawn in (_actors, _ground)]
        for label, line in zip((f" {row} ", "   "), texts, strict=True):
            lines.append(f"{label}|" + "|".join(_cut(text).center(_WIDTH) for text in line) + "|")
            crowded += [f"~ [{row}, {col}]: {text}" for col, text in enumerate(line) if _cut(text) != text]
        lines.append(rule)
    lines.append("    " + " ".join(str(col).center(_WIDTH) for col in range(GRID_SIZE)))
    return "\n".join([*lines, *crowded, _programs(position), _LEGEND])


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "~"


def _headline(position: dict[str, Any]) -> str:
    player = position["player"]
    flags = [
        name
        for name in ("show_activated", "scheduled_tasks_disabled", "step_active", "undo_available")
        if position[name]
    ]
    numbers = ("hp", "credits", "energy", "data_siphons", "attack_damage", "score")
    figures = "  ".join(f"{name} {player[name]}" for name in numbers)
    stage = "won" if position["stage"] == 9 else f"stage {position['stage']}"
    date = f"next_scheduled_task_turn {position['next_scheduled_task_turn']}"
    return f"{stage}  turn {position['turn']}  {figures}  {date}" + "".join(f"  ({flag})" for flag in flags)


def _here(position: dict[str, Any], part: str, row: int, col: int) -> list[dict[str, Any]]:
    return [member for member in position[part] if (member["row"], member["col"]) == (row, col)]


def _actors(position: dict[str, Any], row: int, col: int) -> str:
    """The player, enemies and transmissions of a cell."""
    marks = ["@"] if (position["player"]["row"], position["player"]["col"]) == (row, col) else []
    marks += [
        f"{member['type'][0].upper()}{member['hp']}"
        + "z" * member["stunned"]
        + (f"x{member['disabled_turns']}" if member["disabled_turns"] else "")
        for member in _here(position, "enemies", row, col)
    ]
    marks += [f"?{member['turns_remaining']}" for member in _here(position, "transmissions", row, col)]
    return " ".join(marks)


def _ground(position: dict[str, Any], row: int, col: int) -> str:
    """The block, pickups and marks of a cell."""
    marks = []
    for block in _here(position, "blocks", row, col):
        is_data = block["kind"] == "data"
        name = str(block["points"]) if is_data else PROGRAM_NAMES[block["program"] - FIRST_PROGRAM]
        marks.append(f"{{{name}}}" if block["siphoned"] else f"[{name}]")
    for resource in _here(position, "resources", row, col):
        marks += [f"${resource['credits']}"] if resource["credits"] else []
        marks += [f"+{resource['energy']}"] if resource["energy"] else []
        marks += ["%"] if resource["data_siphon"] else []
    marks += [">"] if position["exit"] == [row, col] else []
    marks += ["o"] if [row, col] in position["siphon_centers"] else []
    return " ".join(marks)


def _programs(position: dict[str, Any]) -> str:
    names = [f"{action} {PROGRAM_NAMES[action - FIRST_PROGRAM]}" for action in position["programs"]]
    return "programs: " + (", ".join(names) or "none")
