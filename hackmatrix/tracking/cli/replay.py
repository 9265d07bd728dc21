"""``replay``: deliver to a backend what it lacks of a run, or of every run in a folder."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hackmatrix.tracking.errors import BackendUnreachableError, RunInUseError, RunNotFoundError, TrackingError
from hackmatrix.tracking.options import parse_options
from hackmatrix.tracking.protocol import FinishReport
from hackmatrix.tracking.replaying import replay
from hackmatrix.tracking.roots import DEFAULT_ROOT

_DONE, _OWED, _USAGE = 0, 1, 2
_EPILOG = """
examples:
  an offline run, to W&B:        hackmatrix-runs replay RUN --tracker wandb
  all of yesterday's machine:    hackmatrix-runs replay --all runs --tracker wandb
  curves in TensorBoard, too:    hackmatrix-runs replay RUN --tracker tensorboard
  its name is taken over there:  hackmatrix-runs replay RUN --tracker wandb --as NAME

exit codes: 0 all is there, 1 something is still owed (repeat it), 2 wrong usage
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; a wrong one ends the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="hackmatrix-runs replay",
        description="Deliver rows, media, artifacts, config, summary and status of a run on this disk, with "
        "their true times. What the tracker holds already is not sent again: stop it and repeat it at will.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "run_name", metavar="RUN", nargs="?", help="the run's folder, or its name below --root"
    )
    parser.add_argument("--all", dest="every", metavar="DIR", help="every run in this folder instead")
    parser.add_argument("--tracker", required=True, metavar="NAMES", help="e.g. wandb; several with commas")
    parser.add_argument("--as", dest="as_name", metavar="NAME", help="the name it gets there")
    parser.add_argument(
        "--root", default=DEFAULT_ROOT, metavar="DIR", help="default HACKMATRIX_DIR, else runs"
    )
    parser.add_argument("--project", help="default: the run's own")
    parser.add_argument("--entity", help="default: the run's own")
    parser.add_argument("--tracker-option", action="append", default=[], metavar="TRACKER.OPTION=VALUE")
    parser.add_argument(
        "--timeout", type=float, default=3600.0, metavar="SECONDS", help="for each run; default 3600"
    )
    args = parser.parse_args(argv)
    if (args.run_name is None) == (args.every is None):
        parser.error("give a RUN, or --all DIR for every run in a folder")
    if args.every is not None and args.as_name is not None:
        parser.error("--as names one run; it does not go with --all")
    return args


def main(argv: Sequence[str]) -> int:
    """Carry it out; the exit code."""
    try:
        args = parse(argv)
    except SystemExit as leaving:  # argparse has told already
        return int(leaving.code or 0)
    with _messages():
        if args.every is None:
            return _one(args, args.run_name)
        return _all(args, Path(args.every))


def _all(args: argparse.Namespace, root: Path) -> int:
    folders = [path.parent for path in sorted(root.glob("*/run.json"))]
    if not folders:
        _tell(f"error: there is no run in {str(root)!r}; give the folder that holds the runs")
        return _USAGE
    codes = []
    for index, folder in enumerate(folders, 1):
        print(f"[{index}/{len(folders)}] {folder.name}")  # noqa: T201 - a command line's own voice
        codes.append(_one(args, str(folder)))
        if codes[-1] == _USAGE:  # what is wrong with the first run is wrong with all
            return _USAGE
    return max(codes)


def _one(args: argparse.Namespace, run: str) -> int:
    try:
        with _bar() as progress:
            report = replay(
                run,
                args.tracker,
                root=args.root,
                as_name=args.as_name,
                project=args.project,
                entity=args.entity,
                options=parse_options(args.tracker_option),
                timeout=args.timeout,
                progress=progress,
            )
    except (BackendUnreachableError, RunInUseError) as problem:
        _tell(f"error: {problem}")
        return _OWED
    except RunNotFoundError as problem:
        _tell(f"error: {problem}; see hackmatrix-runs ls")
        return _USAGE
    except TrackingError as problem:
        _tell(f"error: {problem}")
        return _USAGE
    _tell_report(report)
    return _DONE if report.complete else _OWED


def _tell_report(report: FinishReport) -> None:
    for name, held in report.backends.items():
        missing = (
            f", {held.pending} steps still missing ({held.problem})" if held.pending or held.problem else ""
        )
        confirmed = "no step" if held.confirmed is None else f"steps up to {held.confirmed}"
        print(f"{name}: holds {confirmed} of {report.last_step}{missing}")  # noqa: T201 - a command line's voice


def _tell(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - a command line's own voice


@contextmanager
def _messages() -> Iterator[None]:
    """What the package has to say goes to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    logger = logging.getLogger("hackmatrix.tracking")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def _bar(width: int = 30) -> Iterator[Callable[[Mapping[str, int | None], int | None], None] | None]:
    """A bar on a terminal, of the backend that is furthest behind; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return

    def draw(handed: Mapping[str, int | None], last: int | None) -> None:
        least = min((-1 if step is None else step) for step in handed.values()) + 1
        whole = (last or 0) + 1
        filled = width * least // whole
        sys.stderr.write(f"\r  {'━' * filled}{'·' * (width - filled)} step {max(0, least - 1)} of {last} ")
        sys.stderr.flush()

    try:
        yield draw
    finally:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
