"""The order of a step (docs/game.md, sections 4, 5 and 16)."""

from typing import Any, NamedTuple

from . import programs
from .enemies import enemies_turn
from .geometry import path_distance
from .legality import has_ended, is_legal, target_of_look
from .positions import at, block_at, cell_of, copy_of, exit_cell
from .rewards import REWARD_PARTS, reward_breakdown
from .siphoning import siphon, siphon_enemy_adjacent, siphon_quality
from .stages import complete_stage
from .tables import ACTION, DIRECTIONS, PROGRAMS, SIPHON, SIZE, TURN_TAKING, Position


class Outcome(NamedTuple):
    """What a step must give: components are exact, to be compared as float32."""

    position: Position
    components: dict[str, float]
    done: bool
    info: dict[str, int | bool]


def step(position: Position, action: int, after: Position) -> Outcome:
    """Play one action in a complete position.

    Args:
        position: before the step, every key written.
        action: any integer.
        after: what the game made of it; only what chance decides is read from it.

    Raises:
        RuleViolation: ``after`` shows a draw that the rules do not allow.
    """
    if has_ended(position):
        return _nothing_happens(position, dict.fromkeys(REWARD_PARTS, 0.0), done=True)
    if not is_legal(position, action):
        components = dict.fromkeys(REWARD_PARTS, 0.0) | {"step_penalty": -0.01}
        return _nothing_happens(position, components, done=False)

    now = copy_of(position)
    now["undo_available"] = action != ACTION["UNDO"]
    _act(now, action, after)
    completed = (
        (action in range(4) or action == ACTION["WARP"])
        and cell_of(now["player"]) == exit_cell(now)
        and now["stage"] <= 8
    )
    if action in TURN_TAKING:
        now["turn"] += 1
        enemies_turn(now, after, board_will_be_cleared=completed)
    died = now["player"]["hp"] == 0
    if completed:
        complete_stage(now, after)
    won = now["stage"] == 9
    facts = _facts(position, now, action) | {
        "stage_completed": completed,
        "game_won": won,
        "player_died": died,
    }
    return Outcome(
        position=now,
        components=reward_breakdown(**facts),
        done=died or won,
        info=_info(now, completed=completed, died=died, won=won, invalid=False),
    )


def _act(position: Position, action: int, after: Position) -> None:
    """The action's own effect. UNDO's is to give back everything, its price included: nothing."""
    if action in range(4):
        _walk_or_shoot(position, action)
    elif action == SIPHON:
        siphon(position, after)
    elif action != ACTION["UNDO"]:
        program = PROGRAMS[action]
        position["player"]["credits"] -= program.credits
        position["player"]["energy"] -= program.energy
        programs.run(position, program.name, after)


def _walk_or_shoot(position: Position, action: int) -> None:
    player = position["player"]
    found = target_of_look(position, DIRECTIONS[action])
    if found is None:
        player["row"] += DIRECTIONS[action][0]
        player["col"] += DIRECTIONS[action][1]
        _pick_up(position)
        return
    kind, target = found
    if kind == "enemies":
        programs.hurt(position, [target], by=player["attack_damage"])
    else:
        position["transmissions"].remove(target)


def _pick_up(position: Position) -> None:
    player = position["player"]
    for pickup in at(position["resources"], cell_of(player)):
        player["credits"] += pickup["credits"]
        player["energy"] += pickup["energy"]
        player["data_siphons"] += pickup["data_siphon"]
        position["resources"].remove(pickup)


def walking_distance(position: Position) -> int:
    """From the player to the exit, around every block, siphoned or not; -1 without a path (section 14)."""
    blocked = [[block_at(position, (row, col)) is not None for col in range(SIZE)] for row in range(SIZE)]
    return path_distance(*cell_of(position["player"]), *exit_cell(position), blocked)


def _facts(before: Position, after: Position, action: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"action": action, "stage_after": after["stage"]}
    for name in ("hp", "score", "credits", "energy"):
        facts[f"{name}_before"] = before["player"][name]
        facts[f"{name}_after"] = after["player"][name]
    better, missed_credits, missed_energy = siphon_quality(before) if action == SIPHON else (False, 0, 0)
    return facts | {
        "kills": max(0, len(before["enemies"]) - len(after["enemies"])),
        "data_siphons": max(0, after["player"]["data_siphons"] - before["player"]["data_siphons"]),
        "distance_before": walking_distance(before),
        "distance_after": walking_distance(after),
        "siphon_better": better,
        "siphon_missed_credits": missed_credits,
        "siphon_missed_energy": missed_energy,
        "siphon_enemy_adjacent": siphon_enemy_adjacent(after),
    }


def _info(position: Position, *, completed: bool, died: bool, won: bool, invalid: bool) -> dict[str, Any]:
    return {
        "stage": position["stage"],
        "score": position["player"]["score"],
        "hp": position["player"]["hp"],
        "stage_completed": completed,
        "player_died": died,
        "game_won": won,
        "invalid_action": invalid,
    }


def _nothing_happens(position: Position, components: dict[str, float], *, done: bool) -> Outcome:
    """The state comes back as it was (docs/game.md, section 16)."""
    info = _info(position, completed=False, died=False, won=False, invalid=True)
    return Outcome(position=position, components=components, done=done, info=info)
