"""Random positions set up by hand, far wider than play reaches (docs/game.md, section 18).

Every function takes its chance from a ``random.Random``, so the same code serves a plain seeded run and
Hypothesis, whose ``randoms()`` can be shrunk. Numbers stay clear of the upper limits, because what becomes
of a position that play carries past a limit is free.
"""

from random import Random
from typing import Any

from hypothesis import strategies as st
from oracle import ENEMY_TYPES, complete
from oracle.geometry import cells_in_direction, is_one_region, neighbours
from oracle.tables import ALL_CELLS, CORNERS, DIRECTIONS, SLOTS, Cell, Position


def positions() -> st.SearchStrategy[Position]:
    """Hand-set positions for Hypothesis; they shrink towards an empty board."""
    return st.randoms(use_true_random=False).map(random_position)


def actions() -> st.SearchStrategy[int]:
    """All legal numbers of actions, and now and then one that is none."""
    return st.one_of(st.integers(0, 27), st.integers(0, 27), st.sampled_from([-1, 28, 1000]))


def random_position(random: Random) -> Position:
    """One complete position with anything that section 18 allows."""
    exit_ = random.choice(CORNERS) if random.random() < 0.7 else random.choice(ALL_CELLS)
    player_cell = _player_cell(random, exit_)
    blocks = _blocks(random, player_cell)
    block_cells = [(block["row"], block["col"]) for block in blocks]
    enemies = _enemies(random, player_cell, block_cells)
    stage = random.choices(range(1, 10), [10, 5, 5, 5, 5, 5, 10, 15, 1])[0]
    return complete(
        {
            "player": _player(random, player_cell),
            "stage": stage,
            "exit": list(exit_),
            "programs": _programs(random),
            "show_activated": random.random() < 0.2,
            "scheduled_tasks_disabled": random.random() < 0.2,
            "step_active": random.random() < 0.2,
            "undo_available": random.random() < 0.7,
            "atk_plus_uses": random.choice([0, 0, 1, 2]),
            "enemies": enemies,
            "transmissions": _transmissions(random, player_cell, block_cells, enemies),
            "blocks": blocks,
            "resources": _resources(random),
            "siphon_centers": random.sample(
                [list(cell) for cell in ALL_CELLS], random.choice([0, 0, 1, 2, 5])
            ),
            **_calendar(random),
        }
    )


def furnished_position(random: Random) -> Position:
    """A position as play may reach it: section 11's furniture, some programs, and enemies on the way."""
    stage = random.randint(2, 8)
    player_cell, exit_ = random.sample(CORNERS, 2)
    inner = [cell for cell in ALL_CELLS if cell not in CORNERS]
    block_cells: list[Cell] = random.sample(inner, random.randint(5, 11))
    while not is_one_region([cell for cell in ALL_CELLS if cell not in block_cells]):
        block_cells = random.sample(inner, len(block_cells))
    free = [cell for cell in inner if cell not in block_cells]
    pickups: list[dict[str, Any]] = [{**_on(cell), "data_siphon": True} for cell in CORNERS]
    pickups += [{**_on(cell), random.choice(["credits", "energy"]): random.randint(1, 3)} for cell in free]
    return complete(
        {
            "player": {
                **_on(player_cell),
                "hp": random.randint(1, 3),
                "credits": random.randint(0, 15),
                "energy": random.randint(0, 15),
                "data_siphons": random.randint(0, 3),
            },
            "stage": stage,
            "turn": 20,
            "next_scheduled_task_turn": 20 + random.randint(0, 12),
            "exit": list(exit_),
            "programs": _programs(random),
            "blocks": [_fresh_block(random, cell) for cell in block_cells],
            "resources": [one for one in pickups if (one["row"], one["col"]) not in (player_cell, exit_)],
            "transmissions": [
                {**_on(cell), "enemy_type": random.choice(ENEMY_TYPES)} for cell in random.sample(free, stage)
            ],
        }
    )


def _on(cell: Cell) -> dict[str, int]:
    return {"row": cell[0], "col": cell[1]}


def _player_cell(random: Random, exit_: Cell) -> Cell:
    chance = random.random()
    if chance < 0.3:
        return random.choice(neighbours(exit_))
    return exit_ if chance > 0.96 else random.choice(ALL_CELLS)


def _player(random: Random, cell: Cell) -> dict[str, int]:
    return {
        **_on(cell),
        "hp": random.choices([0, 1, 2, 3], [1, 10, 6, 14])[0],
        "credits": _amount(random, [0, 3, 12, 60, 9000]),
        "energy": _amount(random, [0, 3, 12, 60, 9000]),
        "data_siphons": _amount(random, [0, 1, 3, 12, 900]),
        "score": _amount(random, [0, 20, 20, 200, 9000]),
        "attack_damage": random.choice([1, 1, 2, 3]),
    }


def _amount(random: Random, limits: list[int]) -> int:
    """Mostly small, sometimes large: uniform up to a limit that is drawn first."""
    return random.randint(0, random.choices(limits, [4, 4, 8, 3, 1])[0])


def _programs(random: Random) -> list[int]:
    share = random.choice([0.2, 0.6, 1, 1])
    return [action for action in range(5, 28) if random.random() < share]


def _calendar(random: Random) -> dict[str, int]:
    """The turn near the date of the schedule, so that spawns are often due."""
    turn = random.choice([0, random.randint(0, 40), random.randint(0, 40), random.randint(0, 900_000_000)])
    return {
        "turn": turn,
        "next_scheduled_task_turn": max(0, turn + random.randint(-3, 12)),
        "scheduled_task_interval": random.choice([12, 12, 12, 12, 0, 1, 5, 10_000]),
    }


def _fresh_block(random: Random, cell: Cell) -> dict[str, Any]:
    if random.random() < 0.5:
        return {**_on(cell), "kind": "program", "program": random.randint(5, 27)}
    return {**_on(cell), "kind": "data", "points": random.randint(1, 9)}


def _blocks(random: Random, player_cell: Cell) -> list[dict[str, Any]]:
    """Few or many, fresh or not, anywhere; often of few different points, so that ties are common."""
    density = random.choice([0, 0.1, 0.2, 0.35, 0.6, 1])
    siphoned = random.choice([0, 0.3, 0.3, 0.8])
    near = set(neighbours(player_cell))
    blocks = []
    for cell in ALL_CELLS:
        if random.random() >= (max(density, 0.4) if cell in near and density else density):
            continue
        block = _fresh_block(random, cell)
        if block["kind"] == "data":
            limit = random.choice([2, 2, 9, 99])
            block["points"] = random.randint(0, limit)
        if random.random() < 0.4:
            block["spawn_count"] = random.randint(0, random.choice([1, 12, 99]))
        block["siphoned"] = random.random() < siphoned
        blocks.append(block)
    return blocks


def _resources(random: Random) -> list[dict[str, Any]]:
    density = random.choice([0, 0.1, 0.5, 1])
    limit = random.choice([1, 3, 3, 99])
    return [
        {
            **_on(cell),
            "credits": random.randint(0, limit),
            "energy": random.randint(0, limit),
            "data_siphon": random.random() < 0.2,
        }
        for cell in ALL_CELLS
        if random.random() < density
    ]


def _slots(random: Random, count: int) -> list[int]:
    """The lowest slots, or any: holes must be filled before the end is reached."""
    return list(range(count)) if random.random() < 0.4 else random.sample(range(SLOTS), count)


def _hot_cells(player_cell: Cell, block_cells: list[Cell]) -> list[list[Cell]]:
    """Kinds of places, to be drawn equally often: anywhere, near the player, in line, on it, on blocks."""
    row, col = player_cell
    surrounding = [c for c in ALL_CELLS if max(abs(c[0] - row), abs(c[1] - col)) == 1]
    in_line = [cell for direction in DIRECTIONS for cell in cells_in_direction(player_cell, direction)]
    places = [ALL_CELLS, ALL_CELLS, ALL_CELLS, neighbours(player_cell), surrounding, in_line, [player_cell]]
    return [*places, block_cells] if block_cells else places


def _count(random: Random) -> int:
    return random.choice([0, 0, 1, 2, 3, 5, 8, 12, 19, 20])


def _enemies(random: Random, player_cell: Cell, block_cells: list[Cell]) -> list[dict[str, Any]]:
    places = _hot_cells(player_cell, block_cells)
    return [
        {
            "slot": slot,
            "type": random.choice(ENEMY_TYPES),
            **_on(random.choice(random.choice(places))),
            "hp": random.randint(1, 3),
            "disabled_turns": random.choice([0, 0, 0, 0, 1, 3, 99]),
            "stunned": random.random() < 0.2,
            "spawned_from_siphon": random.random() < 0.3,
            "from_scheduled_task": random.random() < 0.2,
        }
        for slot in _slots(random, _count(random))
    ]


def _transmissions(
    random: Random, player_cell: Cell, block_cells: list[Cell], enemies: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    places = _hot_cells(player_cell, block_cells)
    if enemies:
        places.append([(enemy["row"], enemy["col"]) for enemy in enemies])
    soonest = random.choice([1, 1, 2])  # when none is due now, full slots stay full
    return [
        {
            "slot": slot,
            **_on(random.choice(random.choice(places))),
            "turns_remaining": random.choice([soonest, soonest, 2, 3, 4, 5, random.randint(2, 990)]),
            "enemy_type": random.choice(ENEMY_TYPES),
            "spawned_from_siphon": random.random() < 0.3,
            "from_scheduled_task": random.random() < 0.2,
        }
        for slot in _slots(random, _count(random))
    ]
