"""Play HackMatrix by hand in the terminal.

Type an action's name or number; `?` lists the legal ones, `q`, Ctrl-D or Ctrl-C ends the game. The rules are in
docs/game.md; a position to start from can be written as in its section 18.

    python scripts/play.py
    python scripts/play.py --furnished --seed 7
    python scripts/play.py --position position.json

Exit code: 0, or 2 if an option or the position is wrong.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import jax

from hackmatrix.jax_env import (
    PROGRAM_NAMES,
    REWARD_PARTS,
    EnvParams,
    EnvState,
    PositionError,
    action_mask,
    render,
    reset,
    state_from_dict,
    step,
)

ACTION_NAMES = ("up", "down", "left", "right", "siphon", *PROGRAM_NAMES)


def main(arguments: list[str] | None = None) -> int:
    """Play one game; returns the exit code."""
    options = parse(arguments)
    try:
        play(first_position(options), jax.random.key(options.seed))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, PositionError) as error:
        print(f"{options.position}: {error}", file=sys.stderr)
        return 2
    except (EOFError, KeyboardInterrupt):
        print("\nGood bye.")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; argparse ends the program with code 2 if one is wrong."""
    parser = argparse.ArgumentParser(description="Play HackMatrix by hand in the terminal.")
    parser.add_argument("--seed", type=seed, default=0, help="what chance goes by (default: 0)")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--furnished", action="store_true", help="start on a board with blocks and pickups")
    start.add_argument("--position", type=Path, metavar="FILE.json", help="start from a position")
    return parser.parse_args(arguments)


def seed(text: str) -> int:
    """A number that a key can be made of."""
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{text} is out of range, expected 0..{2**32 - 1}")
    return number


def first_position(options: argparse.Namespace) -> EnvState:
    """From the file, or the start of a game."""
    if options.position is not None:
        return state_from_dict(json.loads(options.position.read_text(encoding="utf-8")))
    _, state = reset(jax.random.key(options.seed), EnvParams(furnished_start=options.furnished))
    return state


def play(state: EnvState, key: jax.Array) -> None:
    """Until the game or the player is done."""
    print(render(state))
    done = False
    while not done:
        action = ask(state)
        if action is None:
            print("Good bye.")
            return
        key, step_key = jax.random.split(key)
        _, state, reward, ended, info = step(step_key, state, action)
        done = bool(ended)
        print()
        print(render(state))
        print(account(ACTION_NAMES[action], float(reward), info))
    print("You have won." if bool(info["game_won"]) else "The game is over.", f"Score: {int(info['score'])}.")


def ask(state: EnvState) -> int | None:
    """A legal action, asked for until there is one; None to stop."""
    legal = [action for action, allowed in enumerate(action_mask(state).tolist()) if allowed]
    choices = ", ".join(f"{action} {ACTION_NAMES[action]}" for action in legal) or "none, only q"
    while True:
        answer = input("action> ").strip().lower()
        if answer in ("q", "quit", "exit"):
            return None
        if answer in ("", "?", "help"):
            print(f"legal: {choices}")
            continue
        action = action_of(answer)
        if action in legal:
            return action
        problem = "no action" if action is None else "not legal now"
        print(f"{answer!r} is {problem}; legal: {choices}")


def action_of(answer: str) -> int | None:
    """The action of a name, of the beginning of just one name, or of a number."""
    if answer.isascii() and answer.isdigit():
        return int(answer) if int(answer) < len(ACTION_NAMES) else None
    names = [name.lower() for name in ACTION_NAMES]
    if answer in names:
        return names.index(answer)
    begun = [action for action, name in enumerate(names) if name.startswith(answer)]
    return begun[0] if len(begun) == 1 else None


def account(name: str, reward: float, info: dict[str, Any]) -> str:
    """What the step brought."""
    parts = [f"{part} {float(info[part]):+.2f}" for part in REWARD_PARTS if float(info[part]) != 0]
    return f"{name}: reward {reward:+.2f} ({', '.join(parts) or 'nothing'})"


if __name__ == "__main__":
    sys.exit(main())
