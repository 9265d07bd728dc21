"""Play whole games with a trained network, and log what came of them in a run of its own.

    python scripts/evaluate.py hackmatrix-jax-jan25-26-1
    python scripts/evaluate.py hackmatrix-jax-jan25-26-1 --policy random --games 1024

The new run has ``job_type="eval"`` and the group of the run that it judges: a finished run gets no rows. It is begun
when the games are over, so that an evaluation that is broken off leaves none.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaving import unless_interrupted
from option_types import add_folder_of_runs, whole
from stopping import USAGE

if TYPE_CHECKING:
    from judging import Judged

EXIT_CODES = """
exit codes:
  0    done
  1    failed
  2    the command line is wrong, or there is no such run or checkpoint
  130  Ctrl-C: before the games were over nothing is logged, afterwards the run is marked as interrupted
  143  SIGTERM, while the run was being logged
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    args = _parse(argv)

    def play() -> "Judged | None":
        from judging import judge  # noqa: PLC0415 - takes seconds, in which Ctrl-C may come

        return judge(args)

    judged = unless_interrupted(play, farewell="Interrupted; nothing was logged.")
    if judged is None:
        return USAGE
    from judging import log  # noqa: PLC0415 - imported above by then

    return log(args, judged)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Play whole games with a trained network.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_name", metavar="RUN", help="the run whose network plays")
    parser.add_argument("--step", type=whole(0, 2**63 - 1), help="of the checkpoint; default: the newest")
    parser.add_argument(
        "--games", type=whole(2, 1_000_000), default=512, help="how many, 2 to 1000000; default 512"
    )
    parser.add_argument("--policy", choices=["greedy", "sample", "random"], default="greedy")
    parser.add_argument("--seed", type=whole(0, 2**32 - 1), default=0, help="what chance goes by; default 0")
    add_folder_of_runs(parser)
    parser.add_argument("--tracker", default="jsonl", metavar="NAMES", help="default jsonl")
    parser.add_argument("--tracker-option", action="append", default=[], metavar="TRACKER.OPTION=VALUE")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
