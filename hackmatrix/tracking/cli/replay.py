"""``replay``: deliver to a backend what it lacks of a run."""

import argparse
import logging
import sys
from typing import Any

from hackmatrix.tracking.errors import BackendUnreachableError, RunInUseError, TrackingError
from hackmatrix.tracking.options import parse_options
from hackmatrix.tracking.replaying import replay
from hackmatrix.tracking.roots import DEFAULT_ROOT


def add_to(commands: Any) -> None:
    """Add the subcommand to a parser's subparsers."""
    parser = commands.add_parser(
        "replay",
        help="deliver to a backend what it lacks of a run",
        description="Deliver rows, media, artifacts, config, summary and status of a run on this disk. "
        "What the backend holds already is not sent again, so it may be stopped and repeated.",
    )
    parser.add_argument("run_name", metavar="RUN", help="the run's folder, or its name below --root")
    parser.add_argument("--tracker", required=True, metavar="NAMES", help="e.g. wandb; several with commas")
    parser.add_argument("--as", dest="as_name", metavar="NAME", help="the name it gets there")
    parser.add_argument(
        "--root", default=DEFAULT_ROOT, metavar="DIR", help="default HACKMATRIX_DIR, else runs"
    )
    parser.add_argument("--project", help="default: the run's own")
    parser.add_argument("--entity", help="default: the run's own")
    parser.add_argument("--tracker-option", action="append", default=[], metavar="TRACKER.OPTION=VALUE")
    parser.add_argument("--timeout", type=float, default=3600.0, metavar="SECONDS", help="default 3600")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry it out."""
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger("hackmatrix.tracking").addHandler(handler)
    try:
        report = replay(
            args.run_name,
            args.tracker,
            root=args.root,
            as_name=args.as_name,
            project=args.project,
            entity=args.entity,
            options=parse_options(args.tracker_option),
            timeout=args.timeout,
        )
    except TrackingError as problem:
        print(f"error: {problem}", file=sys.stderr)  # noqa: T201 - a command line's own voice
        return 1 if isinstance(problem, BackendUnreachableError | RunInUseError) else 2
    finally:
        logging.getLogger("hackmatrix.tracking").removeHandler(handler)
    for name, held in report.backends.items():
        missing = (
            f", {held.pending} steps still missing ({held.problem})" if held.pending or held.problem else ""
        )
        confirmed = "no step" if held.confirmed is None else f"steps up to {held.confirmed}"
        print(f"{name}: holds {confirmed} of {report.last_step}{missing}")  # noqa: T201 - likewise
    return 0 if report.complete else 1
