"""What a position written as plain Python may hold: keys, types, ranges and defaults.

Rules: docs/game.md, section 18, "Positions as plain Python".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hackmatrix.jax_env.constants import (
    ENEMY_TYPES,
    FIRST_PROGRAM,
    GRID_SIZE,
    MAX_ENEMIES,
    NUM_ACTIONS,
    SCHEDULE_INTERVAL,
)


class PositionError(ValueError):
    """A position is not one: names the place, the value and what would be right."""


class _Required:
    """Stands where a key has no default."""


REQUIRED: Final = _Required()


@dataclass(frozen=True)
class Whole:
    """An int in low..high, bounds included; a bool is none."""

    low: int
    high: int
    default: Any = REQUIRED

    def read(self, value: Any, place: str) -> int:
        """The value as a plain int, or `PositionError`."""
        is_int = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not is_int or not self.low <= value <= self.high:
            raise PositionError(f"{place} is {value!r}, expected {self.low}..{self.high}")
        return int(value)


@dataclass(frozen=True)
class Truth:
    """A bool; 0 and 1 are none."""

    default: Any = False

    def read(self, value: Any, place: str) -> bool:
        """The value as a plain bool, or `PositionError`."""
        if not isinstance(value, (bool, np.bool_)):
            raise PositionError(f"{place} is {value!r}, expected True or False")
        return bool(value)


@dataclass(frozen=True)
class OneOf:
    """One of a few strings."""

    options: tuple[str, ...]
    default: Any = REQUIRED

    def read(self, value: Any, place: str) -> str:
        """The string itself, or `PositionError`."""
        if not isinstance(value, str) or value not in self.options:
            raise PositionError(f"{place} is {value!r}, expected one of {', '.join(self.options)}")
        return value


Spec = Whole | Truth | OneOf

COORDINATE: Final = Whole(0, GRID_SIZE - 1)
_SLOT = Whole(0, MAX_ENEMIES - 1, default=None)
_DATE = {"low": 0, "high": 1_000_000_000}
_AMOUNT = {"low": 0, "high": 9999, "default": 0}

PLAYER: Final[Mapping[str, Spec]] = {
    "row": Whole(0, GRID_SIZE - 1, default=0),
    "col": Whole(0, GRID_SIZE - 1, default=0),
    "hp": Whole(0, 3, default=3),
    "credits": Whole(**_AMOUNT),
    "energy": Whole(**_AMOUNT),
    "data_siphons": Whole(**_AMOUNT),
    "attack_damage": Whole(1, 3, default=1),
    "score": Whole(**_AMOUNT),
}
# The single numbers and flags of a position; the parts with a structure of their own are beside it.
PROGRESS: Final[Mapping[str, Spec]] = {
    "stage": Whole(1, 9, default=1),
    "turn": Whole(**_DATE, default=0),
    "show_activated": Truth(),
    "scheduled_tasks_disabled": Truth(),
    "step_active": Truth(),
    "undo_available": Truth(),
    "atk_plus_uses": Whole(0, 2, default=0),
    "scheduled_task_interval": Whole(**_DATE, default=SCHEDULE_INTERVAL),
    "next_scheduled_task_turn": Whole(**_DATE, default=SCHEDULE_INTERVAL),
}
STRUCTURES: Final = (
    "player",
    "exit",
    "programs",
    "enemies",
    "transmissions",
    "blocks",
    "resources",
    "siphon_centers",
)
ENEMY: Final[Mapping[str, Spec]] = {
    "type": OneOf(ENEMY_TYPES),
    "row": COORDINATE,
    "col": COORDINATE,
    "hp": Whole(1, 3, default=None),  # the type's full hp
    "disabled_turns": Whole(0, 99, default=0),
    "stunned": Truth(),
    "spawned_from_siphon": Truth(),
    "from_scheduled_task": Truth(),
    "slot": _SLOT,
}
TRANSMISSION: Final[Mapping[str, Spec]] = {
    "row": COORDINATE,
    "col": COORDINATE,
    "turns_remaining": Whole(1, 999, default=1),
    "enemy_type": OneOf(ENEMY_TYPES),
    "spawned_from_siphon": Truth(),
    "from_scheduled_task": Truth(),
    "slot": _SLOT,
}
BLOCK_KIND: Final = OneOf(("data", "program"))
_BLOCK: Final[Mapping[str, Spec]] = {
    "row": COORDINATE,
    "col": COORDINATE,
    "kind": BLOCK_KIND,
    "spawn_count": Whole(0, 99, default=None),  # the points, or 2
    "siphoned": Truth(),
}
PROGRAM_ACTION: Final = Whole(FIRST_PROGRAM, NUM_ACTIONS - 1)
DATA_BLOCK: Final[Mapping[str, Spec]] = {**_BLOCK, "points": Whole(0, 99)}
PROGRAM_BLOCK: Final[Mapping[str, Spec]] = {**_BLOCK, "program": PROGRAM_ACTION}
RESOURCE: Final[Mapping[str, Spec]] = {
    "row": COORDINATE,
    "col": COORDINATE,
    "credits": Whole(0, 99, default=0),
    "energy": Whole(0, 99, default=0),
    "data_siphon": Truth(),
}


def read_record(value: Any, place: str, schema: Mapping[str, Spec]) -> dict[str, Any]:
    """All of the schema's keys with checked values; what is left out gets its default.

    Raises:
        PositionError: no dict, an unknown key, a required key missing, or a value that its spec refuses.
    """
    record = read_dict(value, place, schema)
    missing = [key for key, spec in schema.items() if spec.default is REQUIRED and key not in record]
    if missing:
        raise PositionError(f"{place} has no {missing[0]!r}, expected one; it is {value!r}")
    return {
        key: spec.read(record[key], _join(place, key)) if key in record else spec.default
        for key, spec in schema.items()
    }


def read_dict(value: Any, place: str, known: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """A dict without unknown keys, or `PositionError`."""
    if not isinstance(value, dict):
        raise PositionError(f"{place or 'the position'} is {value!r}, expected a dict")
    for key in value:
        if key not in known:
            raise PositionError(f"{_join(place, str(key))} is unknown, expected one of {', '.join(known)}")
    return value


def read_list(value: Any, place: str) -> list[Any]:
    """A list, or `PositionError`."""
    if not isinstance(value, list):
        raise PositionError(f"{place} is {value!r}, expected a list")
    return value


def read_cell(value: Any, place: str) -> tuple[int, int]:
    """A [row, col] on the board, or `PositionError`."""
    if not isinstance(value, list) or len(value) != 2:
        raise PositionError(f"{place} is {value!r}, expected [row, col]")
    row, col = (COORDINATE.read(part, f"{place}[{index}]") for index, part in enumerate(value))
    return row, col


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
