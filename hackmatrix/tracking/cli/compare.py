"""``compare``: what differs between two runs, and where their numbers part."""

import fnmatch
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import RenderableType
from rich.text import Text

from hackmatrix.tracking.cli.finding import open_run
from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.cli.listing import read_end
from hackmatrix.tracking.cli.output import number, say, table, visible
from hackmatrix.tracking.columns import Column
from hackmatrix.tracking.config import ABSENT, config_difference
from hackmatrix.tracking.lines import STEP
from hackmatrix.tracking.provenance import Recorded, recorded
from hackmatrix.tracking.reading import RunReader
from hackmatrix.tracking.roots import DEFAULT_ROOT
from hackmatrix.tracking.run_folder import RunFolder

_VOLATILE = ("*per_second*", "*seconds*", "*_time", "system/*")  # differ between equal runs
_OF_THE_PROCESS = ("number", "started", "ended", "process", "from_step", "status")


class Difference(NamedTuple):
    """One thing in which two runs differ; ``a`` and ``b`` are none where it is not there."""

    kind: str  # config, attempt, package, result, parting
    key: str
    a: Any
    b: Any
    step: int | None = None


@click.command(short_help="Tell in what two runs differ, and from which step on.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--ignore", multiple=True, metavar="GLOB", help=f"Also pass over these tags, as {', '.join(_VOLATILE)}."
)
@click.option("--root", type=click.Path(path_type=Path), default=DEFAULT_ROOT, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print one array of differences.")
def compare(first: str, second: str, ignore: tuple[str, ...], root: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Tell in what two runs differ: config, platform, packages, results, and the first step they part at.

    Packages are those of each run's newest attempt, where it recorded its provenance (the training script does).

    The exit code is 0 with differences, too.

    \b
    Examples:
      hackmatrix-runs compare A B
      hackmatrix-runs compare A B --ignore "debug/*" --json
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    a, b = open_run(first, root), open_run(second, root)
    ours, theirs = recorded(a), recorded(b)
    differences = [*_configs(a, b), *_attempts(a, b, ours, theirs), *_packages(ours, theirs), *_results(a, b)]
    parting, sentence = _parting(a, b, (*_VOLATILE, *ignore))
    if as_json:
        print_json(each._asdict() for each in [*differences, *([parting] if parting else [])])
        return
    for kind, title, same in (
        ("config", "config", "the same"),
        ("attempt", "versions and platform", "the same"),
        ("package", "packages", _same_packages(a, ours, b, theirs)),
        ("result", "results", "equal"),
    ):
        mine = [each for each in differences if each.kind == kind]
        said: list[RenderableType] = [Text.assemble((title, "bold underline"), "" if mine else f"  {same}")]
        if mine:
            rows = [(each.key, _shown(each.a), _shown(each.b), _delta(each)) for each in mine]
            said.append(table(("", a.name, b.name, "B - A" if kind == "result" else ""), rows))
        say(*said, "")
    say(Text.assemble(("rows", "bold underline"), f"  {visible(sentence)}"))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return shlex.join(map(str, value))  # a command, in most cases
    return "-" if value is None else number(value) if isinstance(value, float) else str(value)


def _delta(each: Difference) -> str:
    if each.kind != "result" or each.a is None or each.b is None:
        return ""
    return f"{each.b - each.a:+.4g}"


def _differing(kind: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Difference]:
    for key, one, other in config_difference(a, b):
        yield Difference(kind, key, None if one is ABSENT else one, None if other is ABSENT else other)


def _configs(a: RunReader, b: RunReader) -> Iterator[Difference]:
    return _differing("config", a.config, b.config)


def _attempts(
    a: RunReader, b: RunReader, ours: Recorded | None, theirs: Recorded | None
) -> Iterator[Difference]:
    def facts(run: RunReader, own: Recorded | None, other: Recorded | None) -> dict[str, Any]:
        newest = run.attempts[-1] if run.attempts else {}
        found = {key: value for key, value in newest.items() if key not in _OF_THE_PROCESS}
        if own is None or other is None:  # else one would lack everything
            return found
        there = other.facts.get("untracked", ())
        untracked = [path for path in own.facts.get("untracked", ()) if path not in there]
        return {**found, **own.facts, "untracked": untracked or None}

    return _differing("attempt", facts(a, ours, theirs), facts(b, theirs, ours))


def _packages(ours: Recorded | None, theirs: Recorded | None) -> Iterator[Difference]:
    if ours is not None and theirs is not None:
        yield from _differing("package", ours.packages, theirs.packages)


def _same_packages(a: RunReader, ours: Recorded | None, b: RunReader, theirs: Recorded | None) -> str:
    lacking = dict.fromkeys(run.name for run, own in ((a, ours), (b, theirs)) if own is None)
    return f"not recorded by {' and '.join(lacking)}" if lacking else "the same"


def _results(a: RunReader, b: RunReader) -> Iterator[Difference]:
    def figures(run: RunReader) -> dict[str, Any]:
        return {**read_end(RunFolder(run.folder))[1], **run.summary}

    return _differing("result", figures(a), figures(b))


def _parting(a: RunReader, b: RunReader, volatile: Sequence[str]) -> tuple[Difference | None, str]:
    """The first step and tag at which two runs differ, and a sentence about it."""
    import numpy as np

    mine, theirs = a.read_columns(), b.read_columns()
    tags = [
        tag
        for tag in mine
        if tag in theirs
        and not tag.startswith("_")
        and not any(fnmatch.fnmatchcase(tag, x) for x in volatile)
    ]
    steps, at, bt = np.intersect1d(mine[STEP].values, theirs[STEP].values, return_indices=True)
    if not len(steps) or not tags:
        return None, "no step and tag stands in both"
    first: tuple[int, str] | None = None
    for tag in tags:
        differs = np.flatnonzero(_unequal(mine[tag], at, theirs[tag], bt))
        if len(differs) and (first is None or differs[0] < first[0]):
            first = int(differs[0]), tag
    if first is None:
        return None, f"equal in all {len(steps):,} steps that both have, up to step {steps[-1]:,}"
    index, tag = first
    step, one, other = int(steps[index]), _value(mine[tag], at[index]), _value(theirs[tag], bt[index])
    told = f"they part at step {step:,}: {tag} is {_exact(one)} and {_exact(other)}"
    before = f"the {index:,} steps before it are equal" if index else "the first that both have"
    return Difference("parting", tag, one, other, step), f"{told} ({before})"


def _unequal(mine: Column, at: Any, theirs: Column, bt: Any) -> Any:
    import numpy as np

    a, b = mine.values[at], theirs.values[bt]
    nans = np.isnan(a) & np.isnan(b)
    here = np.ones(len(at), np.bool_) if mine.present is None else mine.present[at]
    there = np.ones(len(bt), np.bool_) if theirs.present is None else theirs.present[bt]
    return (here != there) | (here & there & (a != b) & ~nans)


def _value(column: Column, index: int) -> Any:
    return None if column.present is not None and not column.present[index] else column.values[index].item()


def _exact(value: Any) -> str:
    return "not there" if value is None else repr(value)
