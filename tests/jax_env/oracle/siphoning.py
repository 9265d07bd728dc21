"""Action 4 and the figures that judge it (docs/game.md, sections 9 and 14)."""

from typing import Any, NamedTuple

from . import draws
from .geometry import are_adjacent, neighbours
from .positions import at, block_at, cell_of, place_in_lowest_free_slot
from .tables import ALL_CELLS, Cell, Position

WORTH_OF_PROGRAM_BLOCK = 100
MOST_TRANSMISSIONS = 9


def siphon_target(position: Position) -> dict[str, Any] | None:
    """The adjacent unsiphoned block of highest worth; ties go to the first of up, down, left, right."""
    best, best_worth = None, 0  # so that a data block of 0 points is never a target
    for cell in neighbours(cell_of(position["player"])):
        block = block_at(position, cell)
        if block is None or block["siphoned"]:
            continue
        worth = WORTH_OF_PROGRAM_BLOCK if block["kind"] == "program" else block["points"]
        if worth > best_worth:
            best, best_worth = block, worth
    return best


def siphon(position: Position, after: Position) -> None:
    """Spend a data siphon; take the target, if there is one, and call its transmissions."""
    player = position["player"]
    player["data_siphons"] -= 1
    block = siphon_target(position)
    if block is None:
        return
    if block["kind"] == "data":
        player["score"] += block["points"]
    else:
        position["programs"] = sorted({*position["programs"], block["program"]})
    block["siphoned"] = True
    centre = [player["row"], player["col"]]
    if centre not in position["siphon_centers"]:
        position["siphon_centers"] = sorted([*position["siphon_centers"], centre])
    position["next_scheduled_task_turn"] += 5
    for _ in range(min(block["spawn_count"], MOST_TRANSMISSIONS)):
        newcomer = {
            "row": block["row"],
            "col": block["col"],
            "turns_remaining": 3,
            "enemy_type": None,
            "spawned_from_siphon": True,
            "from_scheduled_task": False,
        }
        slot = place_in_lowest_free_slot(position["transmissions"], newcomer)
        if slot is not None:
            placed = next(one for one in position["transmissions"] if one["slot"] == slot)
            placed["enemy_type"] = draws.siphon_type(after, slot)


class Harvest(NamedTuple):
    """What the quality figure sees from one cell."""

    credits: int
    energy: int
    points: list[int]
    programs: set[int]


def harvest(position: Position, cell: Cell) -> Harvest:
    """The cross of a cell: itself and its neighbours, without those that hold a siphoned block."""
    if block_at(position, cell):
        return Harvest(0, 0, [], set())
    credits_seen, energy_seen = 0, 0
    points: list[int] = []
    programs: set[int] = set()
    for near in [cell, *neighbours(cell)]:
        block = block_at(position, near)
        if block is None:
            for pickup in at(position["resources"], near):
                credits_seen += pickup["credits"]
                energy_seen += pickup["energy"]
        elif block["siphoned"]:
            continue
        elif block["kind"] == "data":
            if block["points"] > 0:
                points.append(block["points"])
        elif block["program"] not in position["programs"]:
            programs.add(block["program"])
    return Harvest(credits_seen, energy_seen, sorted(points), programs)


def siphon_quality(position: Position) -> tuple[bool, int, int]:
    """Whether a better place existed, and the credits and energy missed (docs/game.md, section 14)."""
    here = harvest(position, cell_of(position["player"]))
    better = []
    for cell in ALL_CELLS:
        there = harvest(position, cell)
        same_blocks = there.points == here.points and there.programs == here.programs
        at_least = there.credits >= here.credits and there.energy >= here.energy
        more = there.credits > here.credits or there.energy > here.energy
        if same_blocks and at_least and more:
            better.append(there)
    if not better:
        return False, 0, 0
    missed_credits = max(there.credits for there in better) - here.credits
    missed_energy = max(there.energy for there in better) - here.energy
    return True, missed_credits, missed_energy


def siphon_enemy_adjacent(position: Position) -> bool:
    """Whether an enemy that came from a siphon is adjacent to the player."""
    return any(
        enemy["spawned_from_siphon"] and are_adjacent(cell_of(enemy), cell_of(position["player"]))
        for enemy in position["enemies"]
    )
