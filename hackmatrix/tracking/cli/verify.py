"""``verify``: is a run on the disk what the tracker promises?"""

from pathlib import Path

import click

from hackmatrix.tracking.cli.finding import open_run
from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.cli.output import visible
from hackmatrix.tracking.errors import RunFolderError, RunNotFoundError
from hackmatrix.tracking.mending import repair
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root
from hackmatrix.tracking.verifying import Finding, verify

_SOUND, _DAMAGED = 0, 1


@click.command(name="verify", short_help="Check every promise on the disk; mend with --repair.")
@click.argument("name", metavar="RUN")
@click.option("--repair", "mend", is_flag=True, help="Mend what can be mended; nothing is deleted unseen.")
@click.option("--root", type=click.Path(path_type=Path), default=DEFAULT_ROOT, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print one array of findings.")
def verify_command(name: str, mend: bool, root: Path, as_json: bool) -> int:  # noqa: FBT001 - click passes options by name
    """Check a run on the disk: run.json, every line of both journals, steps, tags, checkpoints, artifacts.

    With --repair rows behind damage go to discarded/, unfinished files are removed, damaged checkpoints are
    put aside, and a journal that lost rows takes them back from the newest whole checkpoint.

    \b
    Exit codes:
      0  the run is sound, or was made so
      1  there is damage (left)
      2  wrong usage, or --repair of a run that is being written
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    folder = _folder(name, root)
    before = verify(folder)
    if mend and before:
        repair(folder)
    left = verify(folder) if mend and before else before
    if as_json:
        print_json({**each._asdict(), "mended": each not in left} for each in [*before, *_new(before, left)])
    else:
        _tell(folder, before, left, mend=mend)
    return _DAMAGED if left else _SOUND


def _folder(name: str, root: Path) -> Path:
    """A run's folder; also one whose description is what is damaged."""
    try:
        return open_run(name, root).folder
    except (RunFolderError, RunNotFoundError):
        for folder in (Path(name), run_root(root) / name):
            if (folder / "run.json").exists() or (folder / "metrics.jsonl").exists():
                return folder
        raise


def _new(before: list[Finding], left: list[Finding]) -> list[Finding]:
    return [each for each in left if each not in before]


def _tell(folder: Path, before: list[Finding], left: list[Finding], *, mend: bool) -> None:
    for each in [*before, *_new(before, left)]:
        state = "damaged" if each in left else "mended "
        hint = f" (--repair {each.mend})" if each.mend and not mend else ""
        click.echo(visible(f"{state}  {each.file}: {each.problem}{hint}"))
    if not before:
        click.echo(f"sound    {folder}")
