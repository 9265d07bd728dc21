"""Positions for tests in few words, and one step from them."""

from typing import Any

import jax
from playing import Case, Transition, host_state, play

from hackmatrix.jax_env import state_from_dict, state_to_dict

RICH = {"credits": 50, "energy": 50}


def data(row: int, col: int, points: int = 4, **more: Any) -> dict[str, Any]:
    return {"row": row, "col": col, "kind": "data", "points": points, **more}


def program(row: int, col: int, action: int = 10, **more: Any) -> dict[str, Any]:
    return {"row": row, "col": col, "kind": "program", "program": action, **more}


def enemy(kind: str, row: int, col: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "row": row, "col": col, **more}


def transmission(row: int, col: int, turns: int = 5, kind: str = "virus", **more: Any) -> dict[str, Any]:
    return {"row": row, "col": col, "enemy_type": kind, "turns_remaining": turns, **more}


def player(row: int, col: int, **more: Any) -> dict[str, Any]:
    return {"row": row, "col": col, **more}


def one_to_batch(tree: Any) -> Any:
    """A batch of one: every leaf, an array of any library, gets an axis in front."""
    return jax.tree.map(lambda leaf: leaf[None], tree)


def complete(before: dict[str, Any]) -> dict[str, Any]:
    """The same position with every key."""
    return state_to_dict(state_from_dict(before))


def play_one(before: dict[str, Any], action: int, seed: int = 0) -> Transition:
    """What one action leads to."""
    (transition,) = play([Case(host_state(before), before, action)], seed)
    return transition


def play_all(cases: list[tuple[dict[str, Any], int]], seed: int = 0) -> list[Transition]:
    """What each action leads to from its own position."""
    return list(play([Case(host_state(before), before, action) for before, action in cases], seed))


def legal(before: dict[str, Any]) -> list[int]:
    """The legal actions."""
    return [action for action, allowed in enumerate(play_one(before, 0).mask) if allowed]


def where(transition: Transition) -> tuple[int, int]:
    """The player's cell."""
    return transition.after["player"]["row"], transition.after["player"]["col"]


def enemies(transition: Transition) -> list[tuple[str, int, int, int]]:
    """Type, row, column and hp of every enemy, in slot order."""
    return [(one["type"], one["row"], one["col"], one["hp"]) for one in transition.after["enemies"]]
