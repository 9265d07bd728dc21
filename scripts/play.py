"""Play HackMatrix by hand in the terminal, or watch a trained checkpoint play.

Type an action's name or number; `?` lists the legal ones, `q`, Ctrl-D or Ctrl-C ends the game. The rules are in
docs/game.md; a position to start from can be written as in its section 18.

    python scripts/play.py
    python scripts/play.py --furnished --seed 7
    python scripts/play.py --position position.json
    python scripts/play.py --watch hackmatrix-jax-jan25-26-1

Exit code: 0, or 2 if an option, the position or the run to watch is wrong.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from trained import load_trained

from hackmatrix.jax_env import (
    PROGRAM_NAMES,
    REWARD_PARTS,
    EnvParams,
    EnvState,
    PositionError,
    action_mask,
    observe_compact,
    render,
    reset,
    state_from_dict,
    step,
)
from hackmatrix.purejaxrl import CheckpointError, ConfigError, make_parts
from hackmatrix.tracking import TrackingError
from hackmatrix.tracking.roots import DEFAULT_ROOT

Chooser: TypeAlias = Callable[[EnvState], int | None]  # a legal action; None to stop
ACTION_NAMES = ("up", "down", "left", "right", "siphon", *PROGRAM_NAMES)


def main(arguments: list[str] | None = None) -> int:
    """Play one game; returns the exit code."""
    options = parse(arguments)
    try:
        play(first_position(options), jax.random.key(options.seed), chooser(options))
    except (CheckpointError, ConfigError, TrackingError) as error:
        print(error, file=sys.stderr)
        return 2
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
    parser.add_argument("--watch", metavar="RUN", help="watch the newest checkpoint of a run play, greedily")
    parser.add_argument("--checkpoint-dir", default=DEFAULT_ROOT, metavar="DIR", help="the folder of runs")
    parser.add_argument(
        "--pause", type=float, default=0.5, metavar="SECONDS", help="between two moves watched"
    )
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


def chooser(options: argparse.Namespace) -> Chooser:
    """Who plays: a person, or the network of a run."""
    if options.watch is None:
        return ask
    _, config, env, runner = load_trained(options.watch, options.checkpoint_dir)
    if config.env != "hackmatrix":
        raise ConfigError(
            f"run {options.watch} was trained on {config.env}; only a HackMatrix run can be watched"
        )
    policy = make_parts(config, env)

    @jax.jit
    def best(state: EnvState) -> jax.Array:
        logits, _ = policy.forward(runner.params, observe_compact(state)[None])
        return jnp.argmax(jnp.where(action_mask(state), logits[0], -jnp.inf))

    def choose(state: EnvState) -> int:
        time.sleep(max(0.0, options.pause))
        return int(best(state))

    return choose


def play(state: EnvState, key: jax.Array, choose: Chooser) -> None:
    """Until the game or the player is done."""
    print(render(state))
    done = False
    while not done:
        action = choose(state)
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
