"""The numbers of the rule book, as tables (docs/game.md, sections 1, 3, 6 and 10)."""

from typing import Any, NamedTuple

Position = dict[str, Any]
Cell = tuple[int, int]


class RuleViolation(AssertionError):  # noqa: N818  the word says it: not an error, a broken rule
    """What came out of a step could not have been drawn under the rules."""


class Program(NamedTuple):
    """The price of a program; its condition is in ``legality``, its effect in ``programs``."""

    name: str
    credits: int
    energy: int


SIZE = 6
ALL_CELLS: list[Cell] = [(row, col) for row in range(SIZE) for col in range(SIZE)]
CORNERS: list[Cell] = [(0, 0), (0, 5), (5, 0), (5, 5)]
SLOTS = 20

UP, DOWN, LEFT, RIGHT, SIPHON = range(5)
DIRECTIONS: list[Cell] = [(+1, 0), (-1, 0), (0, -1), (0, +1)]  # in the order of actions 0-3

ENEMY_TYPES = ("virus", "daemon", "glitch", "cryptog")
FULL_HP = {"virus": 2, "daemon": 3, "glitch": 2, "cryptog": 2}
MOVES_PER_TURN = {"virus": 2, "daemon": 1, "glitch": 1, "cryptog": 1}

PROGRAMS: dict[int, Program] = {
    5: Program("PUSH", 0, 2),
    6: Program("PULL", 0, 2),
    7: Program("CRASH", 3, 2),
    8: Program("WARP", 2, 2),
    9: Program("POLY", 1, 1),
    10: Program("WAIT", 0, 1),
    11: Program("DEBUG", 3, 0),
    12: Program("ROW", 3, 1),
    13: Program("COL", 3, 1),
    14: Program("UNDO", 1, 0),
    15: Program("STEP", 0, 3),
    16: Program("SIPH+", 5, 0),
    17: Program("EXCH", 4, 0),
    18: Program("SHOW", 2, 0),
    19: Program("RESET", 0, 4),
    20: Program("CALM", 2, 4),
    21: Program("D_BOM", 3, 0),
    22: Program("DELAY", 1, 2),
    23: Program("ANTI-V", 3, 0),
    24: Program("SCORE", 0, 5),
    25: Program("REDUC", 2, 1),
    26: Program("ATK+", 4, 4),
    27: Program("HACK", 2, 2),
}
PROGRAM_NAMES = tuple(program.name for program in PROGRAMS.values())
ACTION = {program.name: action for action, program in PROGRAMS.items()}
TURN_TAKING = {UP, DOWN, LEFT, RIGHT, SIPHON, ACTION["WAIT"]}
