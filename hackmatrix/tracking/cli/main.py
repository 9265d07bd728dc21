"""Which subcommand was asked for."""

import argparse
import sys
from collections.abc import Sequence

from hackmatrix.tracking.cli import replay


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 something is still owed or damaged, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="hackmatrix-runs", description="What people do with runs that lie on this disk."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    replay.add_to(commands)
    args = parser.parse_args(argv)
    return int(args.run(args))


if __name__ == "__main__":
    sys.exit(main())
