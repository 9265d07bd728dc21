"""The game's sizes, numbers and names; plain Python values.

Rules: docs/game.md, sections 1-3 and 6.
"""

from typing import Final

GRID_SIZE: Final = 6
NUM_CELLS: Final = GRID_SIZE * GRID_SIZE
NUM_ACTIONS: Final = 28
NUM_PROGRAMS: Final = 23
MAX_ENEMIES: Final = 20
MAX_TRANSMISSIONS: Final = 20
CORNERS: Final = ((0, 0), (0, 5), (5, 0), (5, 5))

MAX_HP: Final = 3
MAX_ATTACK_DAMAGE: Final = 3
MAX_ATK_PLUS_USES: Final = 2
LAST_STAGE: Final = 8
WON_STAGE: Final = LAST_STAGE + 1
SCHEDULE_INTERVAL: Final = 12

# The actions, by number. Whatever comes from outside and is not legal becomes NO_ACTION, for which no rule
# asks, so that nothing happens.
NO_ACTION: Final = -1
UP: Final = 0
DOWN: Final = 1
LEFT: Final = 2
RIGHT: Final = 3
SIPHON: Final = 4
PUSH: Final = 5
PULL: Final = 6
CRASH: Final = 7
WARP: Final = 8
POLY: Final = 9
WAIT: Final = 10
DEBUG: Final = 11
ROW: Final = 12
COL: Final = 13
UNDO: Final = 14
STEP: Final = 15
SIPH_PLUS: Final = 16
EXCH: Final = 17
SHOW: Final = 18
RESET: Final = 19
CALM: Final = 20
D_BOM: Final = 21
DELAY: Final = 22
ANTI_V: Final = 23
SCORE: Final = 24
REDUC: Final = 25
ATK_PLUS: Final = 26
HACK: Final = 27
FIRST_PROGRAM: Final = PUSH  # program n of docs/game.md, section 10, is action FIRST_PROGRAM + n

# Row and column step of the actions UP, DOWN, LEFT and RIGHT.
DIRECTIONS: Final = ((1, 0), (-1, 0), (0, -1), (0, 1))

VIRUS: Final = 0
DAEMON: Final = 1
GLITCH: Final = 2
CRYPTOG: Final = 3
ENEMY_TYPES: Final = ("virus", "daemon", "glitch", "cryptog")
FULL_HP: Final = (2, 3, 2, 2)

REWARD_PARTS: Final = (
    "step_penalty",
    "stage_completion",
    "score_gain",
    "kills",
    "data_siphon",
    "distance_shaping",
    "damage_penalty",
    "hp_recovery",
    "victory",
    "death_penalty",
    "siphon_death_penalty",
    "resource_gain",
    "resource_holding",
    "program_waste",
    "siphon_quality",
)
