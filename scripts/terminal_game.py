"""One game in the terminal, played by a person or by the network of a run."""

import argparse
import io
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
from hackmatrix.jax_env.constants import WON_STAGE
from hackmatrix.purejaxrl import CheckpointError, ConfigError, make_parts
from hackmatrix.tracking import TrackingError

Chooser: TypeAlias = Callable[[EnvState], int | None]  # a legal action; None to stop
ACTION_NAMES = ("up", "down", "left", "right", "siphon", *PROGRAM_NAMES)
_LONGEST_ANSWER = 40  # characters that are repeated of a typed line
_LONGEST_PROBLEM = 300  # likewise of what is wrong with a position, which may show its values


def play_one_game(options: argparse.Namespace) -> int:
    """Play as the command line says; the exit code."""
    try:
        state, choose = first_position(options), chooser(options)
    except (CheckpointError, ConfigError, PositionError, TrackingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        play(state, jax.random.key(options.seed), choose)
    except EOFError:
        print("\nGood bye.")
    return 0


def first_position(options: argparse.Namespace) -> EnvState:
    """From the file, or the start of a game."""
    if options.position is not None:
        return read_position(options.position)
    _, state = reset(jax.random.key(options.seed), EnvParams(furnished_start=options.furnished))
    return state


def read_position(file: Path) -> EnvState:
    """The position that a file holds.

    Raises:
        PositionError: it holds none; names the file, and what to mend.
    """
    try:
        return state_from_dict(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        problem = f"it cannot be read ({error.strerror}); give a file with a position"
    except RecursionError:
        problem = "its brackets are nested too deeply for a position"
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        problem = f"it is no JSON: {error}"
    except PositionError as error:
        problem = str(error)
    except ValueError:  # Python reads no number of more than 4300 digits
        problem = "it has a number of thousands of digits, expected 1000000000 at most"
    if len(problem) > _LONGEST_PROBLEM:
        problem = f"{problem[:_LONGEST_PROBLEM]}... (shortened)"
    raise PositionError(f"--position {str(file)!r}: {problem}")


def chooser(options: argparse.Namespace) -> Chooser:
    """Who plays: a person, or the network of a run."""
    if options.watch is None:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")  # what is no text is no action
        return ask if sys.stdin is not None else lambda _: None
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
        time.sleep(options.pause)
        return int(best(state))

    return choose


def play(state: EnvState, key: jax.Array, choose: Chooser) -> None:
    """Until the game or the player is done."""
    show(state)
    won, done = int(state.stage) == WON_STAGE, int(state.player.hp) == 0
    while not (won or done):
        action = choose(state)
        if action is None:
            print("Good bye.")
            return
        key, step_key = jax.random.split(key)
        _, state, reward, ended, info = step(step_key, state, action)
        won, done = bool(info["game_won"]), bool(ended)
        print()
        show(state)
        print(account(ACTION_NAMES[action], float(reward), info))
    print("You have won." if won else "The game is over.", f"Score: {int(state.player.score)}.", flush=True)


def show(state: EnvState) -> None:
    """What the player sees of the board."""
    print(render(state, only_visible=True), flush=True)


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
        print(f"{answer[:_LONGEST_ANSWER]!a} is {problem}; legal: {choices}")


def action_of(answer: str) -> int | None:
    """The action of a name, of the beginning of just one name, or of a number."""
    numbers = [str(action) for action in range(len(ACTION_NAMES))]
    if answer in numbers:
        return numbers.index(answer)
    names = [name.lower() for name in ACTION_NAMES]
    if answer in names:
        return names.index(answer)
    begun = [action for action, name in enumerate(names) if name.startswith(answer)]
    return begun[0] if len(begun) == 1 else None


def account(name: str, reward: float, info: dict[str, Any]) -> str:
    """What the step brought."""
    parts = [f"{part} {float(info[part]):+.2f}" for part in REWARD_PARTS if float(info[part]) != 0]
    return f"{name}: reward {reward:+.2f} ({', '.join(parts) or 'nothing'})"
