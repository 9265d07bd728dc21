"""Play HackMatrix by hand in the terminal, or watch a trained checkpoint play.

Type an action's name or number; `?` lists the legal ones, `q`, Ctrl-D or Ctrl-C ends the game. The rules are in
docs/game.md; a position to start from can be written as in its section 18.

    python scripts/play.py
    python scripts/play.py --furnished --seed 7
    python scripts/play.py --position position.json
    python scripts/play.py --watch hackmatrix-jax-jan25-26-1

Exit code: 0; 2 if an option, the position or the run to watch is wrong; 130 after Ctrl-C.
"""

import argparse
import sys
from pathlib import Path

from leaving import unless_interrupted
from option_types import add_folder_of_runs, seconds, whole

MOST_SECONDS = 3600.0  # between two moves watched


def main(arguments: list[str] | None = None) -> int:
    """Play one game; returns the exit code."""
    options = parse(arguments)

    def play() -> int:
        from terminal_game import play_one_game  # noqa: PLC0415 - takes seconds, in which Ctrl-C may come

        return play_one_game(options)

    return unless_interrupted(play, farewell="Good bye.")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The options; argparse ends the program with code 2 if one is wrong."""
    parser = argparse.ArgumentParser(
        description="Play HackMatrix by hand in the terminal, or watch a trained checkpoint play.",
        epilog="exit codes: 0 done, 2 an option, the position or the run to watch is wrong, 130 Ctrl-C",
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**32 - 1), default=0, help="what chance goes by (default: 0)"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--furnished", action="store_true", help="start on a board with blocks and pickups")
    start.add_argument("--position", type=Path, metavar="FILE.json", help="start from a position")
    parser.add_argument("--watch", metavar="RUN", help="watch the newest checkpoint of a run play, greedily")
    add_folder_of_runs(parser)
    parser.add_argument(
        "--pause",
        type=seconds(0, MOST_SECONDS),
        default=0.5,
        metavar="SECONDS",
        help="between two moves watched (default: 0.5)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
