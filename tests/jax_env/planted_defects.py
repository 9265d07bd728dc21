"""Wrong rules to plant in the slow model: a comparison that does not notice one of them is worth nothing.

Each is the place of a name in ``oracle`` and what to put there.
"""

from typing import Any

import oracle
from oracle.geometry import are_adjacent, cells_in_direction, steps_between
from oracle.positions import at, block_at, cell_of, has_unsiphoned_block
from oracle.tables import SLOTS, Position


def _any_slot(members: list[dict[str, Any]], newcomer: dict[str, Any]) -> int | None:
    free = set(range(SLOTS)) - {member["slot"] for member in members}
    if not free:
        return None
    members.append({**newcomer, "slot": max(free)})
    members.sort(key=lambda one: one["slot"])
    return max(free)


def _last_daemon(position: Position) -> dict[str, Any]:
    daemons = [enemy for enemy in position["enemies"] if enemy["type"] == "daemon"]
    player = cell_of(position["player"])
    return min(daemons, key=lambda one: (steps_between(cell_of(one), player), -one["slot"]))


def _blocks_hide(position: Position, direction: tuple[int, int]) -> Any:
    for cell in cells_in_direction(cell_of(position["player"]), direction):
        for kind in ("enemies", "transmissions"):
            if at(position[kind], cell):
                return kind, at(position[kind], cell)[0]
        if block_at(position, cell):
            return None
    return None


def _siphoned_blocks_are_open(position: Position) -> int:
    blocked = [[has_unsiphoned_block(position, (r, c)) for c in range(6)] for r in range(6)]
    return oracle.path_distance(*cell_of(position["player"]), *position["exit"], blocked)


DEFECTS: dict[str, tuple[str, Any]] = {
    "a tie goes to the column": ("enemies.prefers_row", lambda dr, dc: abs(dr) > abs(dc)),
    "a disabled enemy cannot hit": ("enemies.can_hit", oracle.enemies.may_move),
    "a stunned enemy hits": ("enemies.can_hit", lambda _: True),
    "a disabled enemy moves": ("enemies.may_move", lambda one: not one["stunned"]),
    "a virus moves once": ("enemies.MOVES_PER_TURN", dict.fromkeys(oracle.ENEMY_TYPES, 1)),
    "newcomers take the highest slot": ("enemies.place_in_lowest_free_slot", _any_slot),
    "corners are no cells for spawns": ("enemies.ALL_CELLS", [(r, c) for r in range(1, 5) for c in range(6)]),
    "a siphon calls ten": ("siphoning.MOST_TRANSMISSIONS", 10),
    "a program block is worth little": ("siphoning.WORTH_OF_PROGRAM_BLOCK", 5),
    "shots stop at blocks": ("turn.target_of_look", _blocks_hide),
    "CRASH asks about four cells": ("legality.surrounds", are_adjacent),
    "D_BOM takes the last daemon": ("programs.nearest_daemon", _last_daemon),
    "the walk to the exit crosses siphoned blocks": ("turn.walking_distance", _siphoned_blocks_are_open),
    "cryptogs never hide": ("observation.is_visible", lambda *_: True),
    "the fifth stage pays less": ("rewards.STAGE_REWARDS", (1, 2, 4, 8, 15, 32, 64, 100)),
}
