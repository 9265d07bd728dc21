"""The effects of the 23 programs (docs/game.md, section 10); their price is already paid."""

from collections.abc import Callable
from typing import Any

from . import draws
from .geometry import kept_on_board, sign, steps_between, surrounds
from .positions import block_at, cell_of
from .tables import FULL_HP, Position

Enemy = dict[str, Any]


def hurt(position: Position, enemies: list[Enemy], *, by: int, stun: bool = False) -> None:
    """Take hp from each; who has none left is gone, who survives may be stunned."""
    for enemy in list(enemies):
        enemy["hp"] -= by
        if enemy["hp"] <= 0:
            position["enemies"].remove(enemy)
        elif stun:
            enemy["stunned"] = True


def run(position: Position, name: str, after: Position) -> None:
    """Apply the effect of one program to the position."""
    EFFECTS[name](position, after)


def _push(position: Position, _: Position) -> None:
    player = position["player"]
    for enemy in position["enemies"]:
        row = enemy["row"] + sign(enemy["row"] - player["row"])
        col = enemy["col"] + sign(enemy["col"] - player["col"])
        enemy["row"], enemy["col"] = kept_on_board((row, col))


def _pull(position: Position, _: Position) -> None:
    player = position["player"]
    for enemy in position["enemies"]:
        enemy["row"] += sign(player["row"] - enemy["row"])
        enemy["col"] += sign(player["col"] - enemy["col"])


def _crash(position: Position, _: Position) -> None:
    hurt(position, position["enemies"], by=1)


def _warp(position: Position, after: Position) -> None:
    kind, target = draws.warp_target(position, after)
    position[kind].remove(target)
    position["player"]["row"], position["player"]["col"] = cell_of(target)


def _poly(position: Position, after: Position) -> None:
    for enemy in position["enemies"]:
        enemy["type"] = draws.poly_type(after, enemy)
        enemy["hp"] = FULL_HP[enemy["type"]]


def _wait(position: Position, _: Position) -> None:
    """Nothing but the turn, which the order of the step takes."""


def _debug(position: Position, _: Position) -> None:
    on_blocks = [enemy for enemy in position["enemies"] if block_at(position, cell_of(enemy))]
    hurt(position, on_blocks, by=1, stun=True)


def _row(position: Position, _: Position) -> None:
    hurt(position, [one for one in position["enemies"] if one["row"] == position["player"]["row"]], by=1)


def _col(position: Position, _: Position) -> None:
    hurt(position, [one for one in position["enemies"] if one["col"] == position["player"]["col"]], by=1)


def _step(position: Position, _: Position) -> None:
    position["step_active"] = True


def _siph_plus(position: Position, _: Position) -> None:
    position["player"]["data_siphons"] += 1


def _exch(position: Position, _: Position) -> None:
    position["player"]["energy"] += 4


def _show(position: Position, _: Position) -> None:
    position["show_activated"] = True


def _reset(position: Position, _: Position) -> None:
    position["player"]["hp"] = 3


def _calm(position: Position, _: Position) -> None:
    position["scheduled_tasks_disabled"] = True


def nearest_daemon(position: Position) -> Enemy:
    """The daemon with the fewest steps to the player, the lowest slot on a tie."""
    daemons = [enemy for enemy in position["enemies"] if enemy["type"] == "daemon"]
    return min(
        daemons,
        key=lambda enemy: (steps_between(cell_of(enemy), cell_of(position["player"])), enemy["slot"]),
    )


def _d_bom(position: Position, _: Position) -> None:
    target = nearest_daemon(position)
    position["enemies"].remove(target)
    around = [enemy for enemy in position["enemies"] if surrounds(cell_of(enemy), cell_of(target))]
    hurt(position, around, by=1, stun=True)


def _delay(position: Position, _: Position) -> None:
    for transmission in position["transmissions"]:
        transmission["turns_remaining"] += 3


def _anti_v(position: Position, _: Position) -> None:
    hurt(position, [one for one in position["enemies"] if one["type"] == "virus"], by=1, stun=True)


def _score(position: Position, _: Position) -> None:
    position["player"]["score"] += 8 - position["stage"]


def _reduc(position: Position, _: Position) -> None:
    for block in position["blocks"]:
        if not block["siphoned"]:
            block["spawn_count"] = max(0, block["spawn_count"] - 1)


def _atk_plus(position: Position, _: Position) -> None:
    position["player"]["attack_damage"] += 1
    position["atk_plus_uses"] += 1


def _hack(position: Position, _: Position) -> None:
    hacked = []
    for enemy in position["enemies"]:
        block = block_at(position, cell_of(enemy))
        if block is not None and block["siphoned"]:
            hacked.append(enemy)
    hurt(position, hacked, by=2)


# UNDO is not here: it gives back the whole position, price included, and the order of the step sees to that.
EFFECTS: dict[str, Callable[[Position, Position], None]] = {
    "PUSH": _push,
    "PULL": _pull,
    "CRASH": _crash,
    "WARP": _warp,
    "POLY": _poly,
    "WAIT": _wait,
    "DEBUG": _debug,
    "ROW": _row,
    "COL": _col,
    "STEP": _step,
    "SIPH+": _siph_plus,
    "EXCH": _exch,
    "SHOW": _show,
    "RESET": _reset,
    "CALM": _calm,
    "D_BOM": _d_bom,
    "DELAY": _delay,
    "ANTI-V": _anti_v,
    "SCORE": _score,
    "REDUC": _reduc,
    "ATK+": _atk_plus,
    "HACK": _hack,
}
