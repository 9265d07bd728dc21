"""What the value of an option may be, for argparse: one sentence if it is anything else."""

import argparse
import math
from collections.abc import Callable

from hackmatrix.tracking.roots import DEFAULT_ROOT

_LONGEST_SHOWN = 40
_LONGEST_NUMBER = 30  # digits; Python refuses to read thousands


def whole(low: int, high: int) -> Callable[[str], int]:
    """The type of a whole number in low..high, bounds included."""

    def read(text: str) -> int:
        try:
            number = int(text) if len(text) <= _LONGEST_NUMBER else None
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise argparse.ArgumentTypeError(
                f"{text[:_LONGEST_SHOWN]!r} is no whole number from {low} to {high}; give one"
            )
        return number

    return read


def seconds(low: float, high: float) -> Callable[[str], float]:
    """The type of a number of seconds in low..high, bounds included."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(
                f"{text[:_LONGEST_SHOWN]!r} is no number of seconds from {low:g} to {high:g}; give one"
            )
        return number

    return read


def add_folder_of_runs(parser: argparse.ArgumentParser) -> None:
    """Let the folder of runs be named."""
    parser.add_argument(
        "--checkpoint-dir",
        type=folder,
        default=DEFAULT_ROOT,
        metavar="DIR",
        help="the folder of runs; default HACKMATRIX_DIR, else runs",
    )


def folder(text: str) -> str:
    """The type of a folder's name, which must not be empty: that would mean the current one, unsaid."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give a folder, or leave it out")
    return text
