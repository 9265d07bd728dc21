"""The command line of the trainer: flags, and which of them contradict each other."""

import argparse
import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from option_types import seconds

from hackmatrix.purejaxrl.config import TrainConfig
from hackmatrix.tracking.options import nearest

_LONGEST_MESSAGE = 300
_MOST_SEEDS = 10_000  # each is a run with files of its own
_DAY_S = 86_400.0  # rarer samples say nothing, and threads cannot wait for ever

EXIT_CODES = """
exit codes:
  0    finished, or finished already; what a backend is still owed is told, with the command that delivers it
  1    failed
  2    the command line is wrong; nothing was begun
  3    another process of the run went away, or did not answer; the same command goes on
  130  Ctrl-C, after saving (a second Ctrl-C ends at once)
  143  SIGTERM, after saving
"""
EPILOG = (
    """
examples:
  offline, no account:       python scripts/train_purejaxrl.py
  Weights & Biases:          python scripts/train_purejaxrl.py --tracker wandb --entity YOU
  survives a disconnect:     python scripts/train_purejaxrl.py --tracker wandb --resume-run auto
  what tracking would cost:  python scripts/train_purejaxrl.py --benchmark --tracker wandb
"""
    + EXIT_CODES
)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Flags as a namespace; ``given`` has the hyperparameters that the command line names.

    A wrong command line ends the program with one sentence and exit code 2.
    """
    parser = _Parser(
        prog="train_purejaxrl.py",
        description="Train PPO in compiled chunks, tracked so that a run outlives its machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_tracking(parser)
    _add_saving(parser)
    _add_devices(parser)
    _add_benchmark(parser)
    _add_hyperparameters(parser)
    args = parser.parse_args(argv)
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    args.given = {name: value for name, value in vars(args).items() if name in fields}
    contradiction = _contradiction(args)
    if contradiction:
        parser.error(contradiction)
    return args


class _Parser(argparse.ArgumentParser):
    """Says one sentence instead of every flag there is, and which flag was meant."""

    def error(self, message: str) -> typing.NoReturn:
        """End the program."""
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]}... (shortened)"
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message and unknown.startswith("-"):
            message += nearest(unknown.split()[0].partition("=")[0], list(self._option_string_actions))
        self.exit(2, f"error: {message.rstrip('.')}; --help shows every flag\n".replace("?;", "?"))


def _add_tracking(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tracking")
    group.add_argument(
        "--tracker",
        metavar="NAMES",
        help="jsonl (default: a file, no account, no network), wandb, tensorboard, several with commas, or null",
    )
    group.add_argument("--wandb", action="store_true", help="the same as --tracker wandb")
    group.add_argument("--project", help="default: WANDB_PROJECT with wandb, else hackmatrix")
    group.add_argument("--entity", help="team at wandb; default: WANDB_ENTITY, else charles-team")
    group.add_argument(
        "--run-name", metavar="NAME", help="go on with this run where it exists, else begin it"
    )
    group.add_argument("--run-suffix", metavar="WORDS", help="behind the automatic name")
    group.add_argument(
        "--resume-run",
        metavar="NAME_OR_ID|auto",
        help="go on from the newest checkpoint; auto: of this command line's config, else a new run",
    )
    group.add_argument(
        "--fork-run",
        metavar="NAME[@STEP]",
        help="a new run of the same group from a checkpoint of NAME; the flags given are its own config",
    )
    group.add_argument(
        "--rewind",
        action="store_true",
        help="with wandb: cut the server's history where the run goes on, if the account may do that",
    )
    group.add_argument("--group", help="of runs that belong together")
    group.add_argument("--tags", metavar="A,B", help="comma-separated")
    group.add_argument("--notes", metavar="TEXT")
    group.add_argument(
        "--tracker-option",
        action="append",
        default=[],
        metavar="TRACKER.OPTION=VALUE",
        help="e.g. wandb.mode=offline, jsonl.fsync=second; may be repeated",
    )
    _add_system_metrics(group)


def _add_system_metrics(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--system-metrics",
        nargs="?",
        const=10.0,
        type=seconds(0.1, _DAY_S),
        metavar="SECONDS",
        help="also log processor, memory and device memory as system/..., every so many seconds (default 10)",
    )


def _add_devices(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("devices, hosts, seeds; how many there are changes no number of a run")
    group.add_argument(
        "--num-devices",
        type=_count,
        metavar="N",
        help="spread the shards over N devices; default: all that divide --num-shards",
    )
    group.add_argument(
        "--num-seeds",
        type=_count,
        default=1,
        metavar="K",
        help="train K agents with seeds from --seed on in one program, each to the bit as alone; they are K runs "
        "NAME-s<seed> of group NAME, and go on together",
    )
    group.add_argument(
        "--seed-batching",
        choices=["map", "vmap"],
        default="map",
        help="vmap: the agents side by side, for wide accelerators; equal to those alone up to rounding only",
    )
    group.add_argument(
        "--distributed",
        action=argparse.BooleanOptionalAction,
        help="one of several processes; start the same command on every host. Default: only on TPU hosts",
    )
    group.add_argument(
        "--coordinator", metavar="HOST:PORT", help="of the first process, where no cluster tells"
    )
    group.add_argument("--num-processes", type=_count, metavar="N", help="likewise")
    group.add_argument("--process-id", type=_count, metavar="I", help="likewise; of this one, from 0")


def _add_benchmark(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what tracking costs; nothing is kept")
    group.add_argument(
        "--benchmark",
        action="store_true",
        help="train under each tracker and under null by turns, in a temporary folder, for 5 minutes; without "
        "--tracker: jsonl, tensorboard and wandb (offline unless WANDB_MODE is set), whichever is installed. Exit "
        "code 0: each costs less than --max-overhead, 1: one costs more, 3: undecided",
    )
    group.add_argument(
        "--benchmark-chunks", type=_count, metavar="N", help="measure N chunks under each tracker instead"
    )
    group.add_argument(
        "--max-overhead", type=_share, metavar="SHARE", help="of training time, e.g. 0.5%%; default 1%%"
    )
    group.add_argument("-o", "--output", metavar="FILE", help="the benchmark's figures as JSON")
    group.add_argument(
        "--benchmark-self-test",
        action="store_true",
        help="see whether the benchmark finds a tracker that is slow by 2%%, and nothing where nothing is",
    )


def _add_saving(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("saving")
    group.add_argument(
        "--checkpoint-dir", metavar="DIR", help="folder of runs; default HACKMATRIX_DIR, else runs"
    )
    group.add_argument(
        "--save-interval",
        type=_count,
        metavar="UPDATES",
        help="also save every so many updates, rounded up to the end of a chunk",
    )
    group.add_argument(
        "--save-interval-minutes",
        type=_number,
        default=10.0,
        metavar="MINUTES",
        help="save after so many minutes, at the end of a chunk; default 10",
    )
    group.add_argument(
        "--keep",
        type=_count,
        default=3,
        metavar="N",
        help="keep the N newest checkpoints, and the best; default 3",
    )
    group.add_argument(
        "--keep-remote", choices=["all"], help="delete no version of a checkpoint at wandb; default as --keep"
    )
    group.add_argument(
        "--mirror",
        metavar="DIR|URL",
        help="copy each checkpoint there, e.g. a mounted drive or gs://BUCKET/runs, and resume from it",
    )
    group.add_argument(
        "--no-compile-cache",
        action="store_true",
        help="compile anew, though an equal program was compiled before",
    )
    group.add_argument("--no-artifact", action="store_true", help="keep checkpoints on this disk only")


def _add_hyperparameters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the run's config (one for ever)")
    kinds = typing.get_type_hints(TrainConfig)
    says = _field_docs()
    for field in dataclasses.fields(TrainConfig):
        flag = "--" + field.name.replace("_", "-")
        default = "the device's count" if field.name == "num_shards" else field.default
        options: dict[str, Any] = {
            "default": argparse.SUPPRESS,  # so that a flag that was given is told from one that was not
            "help": f"{says[field.name]} Default: {default}.".replace("%", "%%"),
        }
        if kinds[field.name] is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        else:
            group.add_argument(flag, type=_reader(kinds[field.name]), metavar="X", **options)


def _reader(kind: Any) -> Any:
    inner = typing.get_args(kind)
    if isinstance(kind, types.UnionType):
        kind = next(each for each in inner if each is not type(None))
    if kind is int:
        return _count
    return _number if kind is float else str


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number") from None


def _share(text: str) -> float:
    """A share of the whole: ``1%`` or ``0.01``."""
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (1 if number == text.strip() else 100)
    except ValueError:
        share = 0.0
    if not 0.0 < share < 1.0:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no share of training time; write 1% or 0.01")
    return share


def _count(text: str) -> int:
    """A whole number; ``2_000_000`` and ``2e6`` are, too."""
    try:
        return int(text)
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            number = 0.5
        if not number.is_integer():
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number") from None
        return int(number)


def _field_docs() -> dict[str, str]:
    """The sentence below each field of the config, so that it is written once."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(TrainConfig))).body
    assert isinstance(body, ast.ClassDef)
    says = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(field.target, ast.Name)
        ):
            says[field.target.id] = str(ast.literal_eval(text.value))
    return says


def _contradiction(args: argparse.Namespace) -> str | None:
    """What two flags say against each other; also settles which tracker was asked for, and whether processes meet."""
    if args.wandb and args.tracker not in (None, "wandb"):
        return f"--wandb is --tracker wandb, and --tracker {args.tracker} was given; give one of them"
    args.benchmark = args.benchmark or args.benchmark_self_test
    args.tracker_given = args.tracker is not None or args.wandb
    args.tracker = args.tracker if args.tracker is not None else "wandb" if args.wandb else "jsonl"
    contradiction = next((says for wrong, says in _rules(args) if wrong), None)
    if args.coordinator is not None:  # only now: the rules look at what was asked for
        args.distributed = True
    return contradiction


def _rules(args: argparse.Namespace) -> Iterator[tuple[bool, str]]:
    """What must not be, and the sentence for it."""
    yield from _benchmark_rules(args)
    resumes = args.resume_run is not None
    for one, other, too in (
        ("--run-name", "--resume-run", args.run_name is not None and resumes),
        ("--run-name", "--run-suffix", args.run_name is not None and args.run_suffix is not None),
        # The suffix names the run that auto begins.
        (
            "--resume-run",
            "--run-suffix",
            args.resume_run not in (None, "auto") and args.run_suffix is not None,
        ),
        ("--fork-run", "--resume-run", args.fork_run is not None and args.resume_run not in (None, "auto")),
    ):
        yield too, f"{one} and {other} contradict each other; give one of them"
    is_null = args.tracker.strip() == "null"
    for flag, given in (("--resume-run", resumes), ("--fork-run", args.fork_run), ("--mirror", args.mirror)):
        yield is_null and bool(given), f"--tracker null keeps nothing that {flag} needs; give --tracker jsonl"
    for flag, given in (("--rewind", args.rewind), ("--keep-remote", args.keep_remote)):
        yield (
            bool(given) and "wandb" not in args.tracker,
            f"{flag} is wandb's affair; give --tracker wandb too",
        )
    interval, minutes = args.save_interval, args.save_interval_minutes
    yield (
        interval is not None and interval < 1,
        f"--save-interval {interval}: give at least 1, or leave it out",
    )
    yield not minutes > 0, f"--save-interval-minutes {minutes}: give a number above 0"
    yield args.checkpoint_dir == "", "--checkpoint-dir is empty; give a folder, or leave it out"
    several = args.num_seeds != 1
    yield (
        not 1 <= args.num_seeds <= _MOST_SEEDS,
        f"--num-seeds {args.num_seeds}: give at least 1, and at most {_MOST_SEEDS} of one group",
    )
    yield several and args.fork_run is not None, "--fork-run begins one run; leave --num-seeds out"
    yield args.benchmark and several, "--benchmark measures one run; leave --num-seeds out"
    yield from _process_rules(args)
    yield args.keep < 1, f"--keep {args.keep}: keep at least 1 checkpoint, from which the run can go on"


def _process_rules(args: argparse.Namespace) -> Iterator[tuple[bool, str]]:
    told = (args.coordinator, args.num_processes, args.process_id)
    if all(each is None for each in told):
        return
    yield (
        any(each is None for each in told),
        "--coordinator, --num-processes and --process-id belong together; give all of them, or none",
    )
    yield (
        args.distributed is False,
        "--no-distributed trains alone, and --coordinator is of several processes; give one of them",
    )
    host, _, port = args.coordinator.rpartition(":")
    yield (
        not (host and port.isdecimal() and 0 < int(port) < 2**16),
        f"--coordinator {args.coordinator!r}: give host and port of the first process, e.g. 10.0.0.2:1234",
    )
    yield (
        not 0 <= args.process_id < args.num_processes,
        f"--process-id {args.process_id} of --num-processes {args.num_processes}: give 0 to N - 1",
    )


def _benchmark_rules(args: argparse.Namespace) -> Iterator[tuple[bool, str]]:
    for flag, given in (
        ("--resume-run", args.resume_run),
        ("--fork-run", args.fork_run),
        ("--run-name", args.run_name),
        ("--mirror", args.mirror),
        ("--checkpoint-dir", args.checkpoint_dir),
    ):
        yield (
            args.benchmark and given is not None,
            f"--benchmark keeps nothing that {flag} is about; leave it out",
        )
    for flag, given in (
        ("--benchmark-chunks", args.benchmark_chunks),
        ("--max-overhead", args.max_overhead),
        ("--output", args.output),
    ):
        yield not args.benchmark and given is not None, f"{flag} needs --benchmark"
    chunks = args.benchmark_chunks
    yield chunks is not None and chunks < 1, f"--benchmark-chunks {chunks}: give at least 1, or leave it out"
