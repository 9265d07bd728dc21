"""``doctor``: what around a run could go wrong, looked at before it does."""

import importlib.util
import itertools
import os
import platform
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import click
from rich.text import Text

from hackmatrix.tracking.bundles import steps_on_disk
from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.cli.listing import Listed, list_runs
from hackmatrix.tracking.cli.output import megabytes, say, table, visible
from hackmatrix.tracking.errors import RunFolderError
from hackmatrix.tracking.folding import count_steps_after
from hackmatrix.tracking.options import parse_options
from hackmatrix.tracking.replaying import owed, replay_command
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root, writable_root
from hackmatrix.tracking.run_folder import RunFolder
from hackmatrix.tracking.standing import Standing, read_standing

Verdict: TypeAlias = Literal["good", "note", "bad"]
_STYLES = {"good": "green", "note": "yellow", "bad": "red"}
_LITTLE, _VERY_LITTLE = 5e9, 5e8  # bytes of free disk
_SKEW_S = 2.0
_FAR_BEHIND = 1000  # steps
_OLD_S = 15.0
_REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "gcsfuse", "lustre", "ceph", "beegfs", "virtiofs")
_BACKENDS = (("wandb", "wandb"), ("tensorboard", "tensorboardX"))


class Check(NamedTuple):
    """One thing that was looked at; ``command`` is what delivers what is owed."""

    subject: str
    verdict: Verdict
    finding: str
    command: str | None = None


@click.command(short_help="Look at credentials, clock, disk, file system and what is owed.")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--root", type=click.Path(path_type=Path), default=DEFAULT_ROOT, metavar="DIR", help="As DIR.")
@click.option("--json", "as_json", is_flag=True, help="Print one array of checks.")
def doctor(directory: Path | None, root: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Look at what around runs could go wrong: credentials, clock, free disk, file system, followers' lag.

    DIR is the folder of runs; default HACKMATRIX_DIR, else runs. Nothing is sent anywhere, and no secret is
    printed. The exit code is 0 whatever is found.
    """
    root = run_root(root if directory is None else directory)
    checks = [*_python(), *_credentials(), *_folder(root), *_followers(root)]
    if as_json:
        print_json(check._asdict() for check in checks)
        return
    rows = [(Text(each.verdict, style=_STYLES[each.verdict]), each.subject, each.finding) for each in checks]
    say(table(("", "", ""), rows))
    for command in dict.fromkeys(check.command for check in checks if check.command is not None):
        # In no table, which would break it where the terminal ends.
        click.echo(f"\ndeliver it: {visible(command)}")


def _python() -> Iterator[Check]:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and used here only

    yield Check("python", "good", f"{platform.python_version()} on {platform.platform()}")
    for backend, package in _BACKENDS:
        try:
            yield Check(backend, "good", f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Check(backend, "note", f"not installed: pip install 'hackmatrix[{backend}]'")


def _credentials() -> Iterator[Check]:
    """Whether W&B's client finds a key for the server that its own settings name; it is asked, not imitated."""
    if importlib.util.find_spec("wandb") is None:
        return
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        yield Check("W&B login", "note", f"WANDB_MODE is {os.environ['WANDB_MODE']}: nothing is sent")
        return
    try:
        from wandb.sdk import wandb_setup
        from wandb.sdk.lib.wbauth import read_netrc_auth

        said = wandb_setup.singleton().settings  # wandb.setup() would start a process
        host = str(said.base_url)
        if said.mode in ("offline", "disabled"):
            yield Check("W&B login", "note", f"its settings say {said.mode}: nothing is sent")
        elif said.api_key or said.identity_token_file:
            yield Check("W&B login", "good", f"its settings or variables have a key for {host}")
        elif read_netrc_auth(host=host):
            yield Check("W&B login", "good", f"a key for {host} is in the netrc file")
        else:
            yield Check("W&B login", "bad", f"no key for {host}: wandb login, or set WANDB_API_KEY")
    except ImportError as problem:
        told = f"whether there is a key could not be looked up ({problem}): wandb login --verify tells"
        yield Check("W&B login", "note", told)
    except Exception as problem:  # noqa: BLE001 - whatever its settings are like; its words may hold the key
        told = f"its settings or its key cannot be used ({type(problem).__name__}): wandb login"
        yield Check("W&B login", "bad", told)


def _folder(root: Path) -> Iterator[Check]:
    existing = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not root.exists():
        yield Check("folder of runs", "note", f"{root} does not exist yet; the first run makes it")
    else:
        try:
            writable_root(root)
            yield Check("folder of runs", "good", f"{root} can be written")
        except RunFolderError as problem:
            yield Check("folder of runs", "bad", str(problem))
    kind = _file_system(existing)
    if kind in ("tmpfs", "ramfs"):
        yield Check("file system", "note", f"{kind}: it is memory, and gone after a restart")
    elif kind.startswith(_REMOTE):
        told = "give a folder on this machine's own disk, and --mirror for safe keeping"
        yield Check("file system", "note", f"{kind}: locks and speed depend on a server; {told}")
    else:
        yield Check("file system", "good", kind)
    free = shutil.disk_usage(existing).free
    verdict: Verdict = "good" if free > _LITTLE else "note" if free > _VERY_LITTLE else "bad"
    yield Check("free disk", verdict, megabytes(free))
    yield from _clock(existing)


def _file_system(path: Path) -> str:
    """The kind of file system that a path lies on, e.g. ext4; ``unknown`` where the system does not tell."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "unknown"
    parents = {str(each) for each in (path.resolve(), *path.resolve().parents)}
    holding = [(len(place), kind) for place, kind in mounts if place.replace("\\040", " ") in parents]
    return max(holding, key=lambda each: each[0])[1] if holding else "unknown"


def _clock(folder: Path) -> Iterator[Check]:
    probe = folder / f".clock-{os.getpid()}"
    try:
        before = time.time()
        probe.touch()
        skew = probe.stat().st_mtime - before
        probe.unlink()
    except OSError:
        return
    year = time.gmtime().tm_year
    if abs(skew) > _SKEW_S:
        yield Check("clock", "bad", f"the disk's clock is {skew:+.1f} s from this machine's")
    elif year < 2024:
        yield Check("clock", "bad", f"it is set to the year {year}; times in rows would be wrong")
    else:
        yield Check("clock", "good", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def _followers(root: Path) -> Iterator[Check]:
    if not root.is_dir():
        return
    problems: list[str] = []
    ahead = 0
    for run in list_runs(root, problems):
        ahead += (run.identity.get("created") or 0) > run.now + 60
        tell = {"running": _behind, "lost": _uncertain}.get(run.status, _owed)
        yield from tell(run)
    if ahead:
        yield Check("clock", "note", f"{ahead} runs were begun in the future: a clock was or is wrong")
    for problem in problems:
        yield Check("run.json", "bad", problem)


def _owed(run: Listed) -> Iterator[Check]:
    """What a run that has ended said of the places that it went to."""
    identity = dict(run.identity)
    reports = identity.get("report", {}).get("backends", {})
    lacking = [place for place, report in reports.items() if not report.keys() >= {"pending", "problem"}]
    if lacking:
        told = f"{run.folder / 'run.json'} lacks what is owed to {', '.join(lacking)}; restore it or move it away"
        yield Check("run.json", "bad", told)
        return
    for backend in owed(identity):
        pending, problem = reports[backend]["pending"], reports[backend]["problem"]
        told = f"{pending} steps of {run.name} are owed ({problem})"
        if not pending:  # rows are all there, or travel with checkpoints
            told = f"is still owed a part of {run.name}: {problem}"
        yield Check(backend, "note", told, _replay(run, backend))
    for backend, report in reports.items():
        if report.get("kept"):
            first, last = report["kept"]
            told = f"steps {first} to {last} of {run.name} are an earlier attempt's there"
            yield Check(backend, "note", told)


def _behind(run: Listed) -> Iterator[Check]:
    """How far the places of a living run are behind it, as their followers tell."""
    name, folder = run.name, RunFolder(run.folder)
    yield Check("running", "good", f"{name}, at step {run.step}")
    size = folder.metrics.stat().st_size
    for place, standing in _standings(folder):
        rows = standing.takes_rows
        try:
            missing = count_steps_after(folder.metrics, size, standing.handed_over) if rows else 0
        except ValueError as problem:
            told = f"the rows of {name} are damaged ({problem}); see hackmatrix-runs verify {folder.path}"
            yield Check(place, "bad", told)
            continue
        said = [_given(missing, name) if rows else _holding(standing, name)]
        if standing.artifacts_owed:
            said.append(f"lacks {standing.artifacts_owed} artifact{'s' * (standing.artifacts_owed != 1)}")
        if standing.problem is not None:
            said.append(standing.problem)
        age = run.now - standing.time
        if age > _OLD_S and (missing > 1 or standing.problem is not None):
            said.append(f"unchanged for {age:,.0f} s")
        good = standing.problem is None and missing < _FAR_BEHIND
        yield Check(place, "good" if good else "note", "; ".join(said))


def _given(missing: int, name: str) -> str:
    but = "" if not missing else "but the newest " if missing == 1 else f"but {missing} "
    return f"was given all {but}step{'s' * (missing != 1)} of {name}"


def _holding(standing: Standing, name: str) -> str:
    step = standing.newest_checkpoint
    return f"holds no new checkpoint of {name} yet" if step is None else f"holds {name} up to step {step}"


def _uncertain(run: Listed) -> Iterator[Check]:
    """Of a killed run, where it may be incomplete: only its own process knew what had arrived."""
    folder = RunFolder(run.folder)
    reports = run.identity.get("report", {}).get("backends", {})
    standings = dict(_standings(folder))
    newest = max(steps_on_disk(folder.checkpoints), default=None)
    for place in dict.fromkeys([*reports, *standings]):
        standing = standings.get(place)
        if place in reports and _arrived(reports[place], standing, run.step, newest):
            continue  # replayed since
        given = None if standing is None else standing.handed_over
        after = "" if given is None else f" after {place} had been given step {given}"
        told = f"{run.name} was killed{after}; what arrived is not known here"
        yield Check(place, "note", told, _replay(run, place))


def _arrived(
    report: Mapping[str, Any], standing: Standing | None, step: int | None, checkpoint: int | None
) -> bool:
    """Whether a place confirmed all that it takes: rows up to ``step``, or else the newest checkpoint."""
    confirmed = report.get("confirmed")
    if standing is not None:
        takes_rows = standing.takes_rows
    else:
        takes_rows = confirmed is None or report.get("handed_over") is not None
    last = step if takes_rows else checkpoint
    return last is None or (confirmed is not None and confirmed >= last)


def _standings(folder: RunFolder) -> Iterator[tuple[str, Standing]]:
    for path in sorted(folder.followers.glob("*.json")):
        standing = read_standing(path)
        if standing is not None:
            yield path.stem, standing


def _replay(run: Listed, backend: str) -> str:
    """What delivers the rest, with the options that the run itself told; a mirror cannot do without one."""
    told = run.identity.get("report", {}).get("backends", {}).get(backend, {}).get("command") or ""
    words = itertools.pairwise(shlex.split(told))
    options = parse_options(word for flag, word in words if flag == "--tracker-option").get(backend, {})
    return replay_command(run.folder, backend, options or ({"path": "DIR"} if backend == "mirror" else {}))
