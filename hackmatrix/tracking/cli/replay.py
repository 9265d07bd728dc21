"""``replay``: deliver to a backend what it lacks of a run, or of every run in a folder."""

import argparse
import logging
import math
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from hackmatrix.tracking.cli.finding import open_run
from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.errors import (
    BackendOptionError,
    BackendUnreachableError,
    MissingPackageError,
    RunConflictError,
    RunInUseError,
    TrackingError,
    UnknownBackendError,
)
from hackmatrix.tracking.options import parse_options
from hackmatrix.tracking.protocol import BackendReport
from hackmatrix.tracking.replaying import replay
from hackmatrix.tracking.roots import DEFAULT_ROOT

_DONE, _OWED, _USAGE, _CTRL_C = 0, 1, 2, 130
_WRONG_WITH_ALL = (UnknownBackendError, BackendOptionError, MissingPackageError)
_log = logging.getLogger("hackmatrix.tracking")
_CLEARED = "\r\x1b[2K"  # the line, on a terminal
_EPILOG = """
examples:
  an offline run, to W&B:        hackmatrix-runs replay RUN --tracker wandb
  all of yesterday's machine:    hackmatrix-runs replay --all runs --tracker wandb
  curves in TensorBoard, too:    hackmatrix-runs replay RUN --tracker tensorboard
  its name is taken over there:  hackmatrix-runs replay RUN --tracker wandb --as NAME

exit codes: 0 all is there, 1 something is still owed (repeat it), 2 wrong usage, 130 stopped by Ctrl-C
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
        "run_name", metavar="RUN", nargs="?", help="the run's folder, or its name or id below --root"
    )
    parser.add_argument("--all", dest="every", metavar="DIR", help="every run in this folder instead")
    parser.add_argument("--tracker", required=True, metavar="NAMES", help="e.g. wandb; several with commas")
    parser.add_argument("--as", dest="as_name", metavar="NAME", help="the name it gets there")
    parser.add_argument(
        "--root", type=Path, default=DEFAULT_ROOT, metavar="DIR", help="default HACKMATRIX_DIR, else runs"
    )
    parser.add_argument("--project", help="default: the run's own")
    parser.add_argument("--entity", help="default: the run's own")
    parser.add_argument("--tracker-option", action="append", default=[], metavar="TRACKER.OPTION=VALUE")
    parser.add_argument(
        "--timeout", type=_seconds, default=3600.0, metavar="SECONDS", help="for each run; default 3600"
    )
    parser.add_argument(
        "--json", dest="as_json", action="store_true", help="print one array, an object per run and tracker"
    )
    args = parser.parse_args(argv)
    if (args.run_name is None) == (args.every is None):
        parser.error("give a RUN, or --all DIR for every run in a folder")
    if args.every is not None and args.as_name is not None:
        parser.error("--as names one run; it does not go with --all")
    return args


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def main(argv: Sequence[str]) -> int:
    """Carry it out; the exit code."""
    try:
        args = parse(argv)
    except SystemExit as leaving:  # argparse has told already
        return int(leaving.code or 0)
    told: list[dict[str, Any]] = []
    code = _USAGE
    try:
        with _messages():
            code = _one(args, told) if args.every is None else _all(args, Path(args.every), told)
    except KeyboardInterrupt:
        _log.setLevel(logging.CRITICAL + 1)  # what its threads meet while the process leaves helps nobody
        _tell("stopped; the same command again sends the rest")
        code = _CTRL_C
    finally:  # what is delivered stays so, however this ends
        if args.as_json and (told or code != _USAGE):
            print_json(told)
    return code


def _all(args: argparse.Namespace, root: Path, told: list[dict[str, Any]]) -> int:
    """Every run of a folder; what is wrong with one of them holds none of the others back."""
    folders = [path.parent for path in sorted(root.glob("*/run.json"))]
    if not folders:
        _tell(f"error: there is no run in {str(root)!r}; give the folder that holds the runs")
        return _USAGE
    owing = []
    for index, folder in enumerate(folders, 1):
        _say(args, f"[{index}/{len(folders)}] {folder.name}")
        try:
            if not _delivered(args, folder, told):
                owing.append(folder.name)
        except _WRONG_WITH_ALL as problem:
            _tell(f"error: {problem}")
            return _USAGE
        except TrackingError as problem:
            _refused(_name(folder), _with_help(problem), told)
            owing.append(folder.name)
    done = f"{len(folders) - len(owing)} of {len(folders)} runs are delivered"
    _say(args, f"{done}; not, or not whole: {', '.join(owing)}" if owing else done)
    return _OWED if owing else _DONE


def _one(args: argparse.Namespace, told: list[dict[str, Any]]) -> int:
    try:
        folder = open_run(args.run_name, args.root).folder
        try:
            return _DONE if _delivered(args, folder, told) else _OWED
        except (BackendUnreachableError, RunInUseError) as problem:
            _refused(_name(folder), str(problem), told)
            return _OWED
    except TrackingError as problem:
        _tell(f"error: {_with_help(problem)}")
        return _USAGE


def _name(folder: Path) -> str:
    """Also of ``.`` and ``..``, which have none in themselves."""
    return folder.resolve().name if folder.name in ("", "..") else folder.name


def _refused(run: str, problem: str, told: list[dict[str, Any]]) -> None:
    _tell(f"error: {problem}")
    told.append({"run": run, "backend": None, "problem": problem})


def _with_help(problem: TrackingError) -> str:
    if isinstance(problem, RunConflictError):
        return f"{problem}; deliver it under another name: replay RUN --tracker NAMES --as NAME"
    return str(problem)


def _delivered(args: argparse.Namespace, folder: Path, told: list[dict[str, Any]]) -> bool:
    """Deliver one run, and say what is where; true if nothing is owed."""
    with _bar() as progress:
        report = replay(
            folder,
            args.tracker,
            as_name=args.as_name,
            project=args.project,
            entity=args.entity,
            options=parse_options(args.tracker_option),
            timeout=args.timeout,
            progress=progress,
        )
    for backend, held in report.backends.items():
        told.append({"run": _name(folder), "backend": backend, "last_step": report.last_step, **asdict(held)})
        _say(args, _sentence(backend, held, report.last_step))
    return report.complete


def _sentence(backend: str, held: BackendReport, last_step: int | None) -> str:
    confirmed = "no step" if held.confirmed is None else f"steps up to {held.confirmed}"
    said = f"{backend}: holds {confirmed} of {last_step}"
    if held.pending or held.problem:
        why = f" ({held.problem})" if held.problem else ""
        lacks = f"{held.pending} steps are still owed{why}"
        if not held.pending:  # rows are all there, or travel with checkpoints
            lacks = f"is still owed a part: {held.problem}"
        said += f"; {lacks}; the same command again sends the rest"
    return f"{said}\n  {held.url}" if held.url else said


def _say(args: argparse.Namespace, message: str) -> None:
    if not args.as_json:
        print(message, flush=True)  # noqa: T201 - a command line's own voice


def _tell(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - a command line's own voice


class _BesideBar(logging.StreamHandler[TextIO]):
    """Messages on lines of their own, whatever the bar has drawn on the newest."""

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream.isatty():
            self.stream.write(_CLEARED)
        super().emit(record)


@contextmanager
def _messages() -> Iterator[None]:
    """What the package has to say goes to standard error."""
    handler = _BesideBar(sys.stderr)
    _log.addHandler(handler)
    try:
        yield
    finally:
        _log.removeHandler(handler)


@contextmanager
def _bar(width: int = 30) -> Iterator[Callable[[Mapping[str, int | None], int | None], None] | None]:
    """A bar on a terminal, of the backend that is furthest behind; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return

    def draw(handed: Mapping[str, int | None], last: int | None) -> None:
        sys.stderr.write(_CLEARED + bar_line(handed, last, width))
        sys.stderr.flush()

    try:
        yield draw
    finally:
        sys.stderr.write(_CLEARED)
        sys.stderr.flush()


def bar_line(handed: Mapping[str, int | None], last: int | None, width: int) -> str:
    """How far the backend is that is furthest behind, and what it is waited for."""
    name, step = min(handed.items(), key=lambda each: -1 if each[1] is None else each[1])
    filled = 0 if step is None else width * (step + 1) // ((last or 0) + 1)
    if step is None:
        now = "asking what is there"
    elif step == last:
        now = "all is sent; waiting until it is confirmed"
    else:
        now = f"step {step} of {last}"
    return f"  {name}  {'━' * filled}{'·' * (width - filled)}  {now}"
