"""``doctor``: what around a run could go wrong, looked at before it does."""

import importlib.util
import netrc
import os
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import click
from rich.text import Text

from hackmatrix.tracking.cli.listing import Listed, list_runs
from hackmatrix.tracking.cli.output import console, megabytes, print_json, table
from hackmatrix.tracking.errors import RunFolderError
from hackmatrix.tracking.folding import count_steps_after
from hackmatrix.tracking.replaying import owed
from hackmatrix.tracking.roots import DEFAULT_ROOT, run_root, writable_root
from hackmatrix.tracking.run_folder import RunFolder

Verdict: TypeAlias = Literal["good", "note", "bad"]
_STYLES = {"good": "green", "note": "yellow", "bad": "red"}
_LITTLE, _VERY_LITTLE = 5e9, 5e8  # bytes of free disk
_SKEW_S = 2.0
_FAR_BEHIND = 1000  # steps
_REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "gcsfuse", "lustre", "ceph", "beegfs", "virtiofs")
_BACKENDS = (("wandb", "wandb"), ("tensorboard", "tensorboardX"))


class Check(NamedTuple):
    """One thing that was looked at."""

    subject: str
    verdict: Verdict
    finding: str


@click.command(short_help="Look at credentials, clock, disk, file system and what is owed.")
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one array of checks.")
def doctor(directory: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Look at what around runs could go wrong: credentials, clock, free disk, file system, followers' lag.

    DIR is the folder of runs; default HACKMATRIX_DIR, else runs. Nothing is sent anywhere, and no secret is
    printed. The exit code is 0 whatever is found.
    """
    root = run_root(directory if directory is not None else DEFAULT_ROOT)
    checks = [*_python(), *_credentials(), *_folder(root), *_followers(root)]
    if as_json:
        print_json(check._asdict() for check in checks)
        return
    rows = [(Text(each.verdict, style=_STYLES[each.verdict]), each.subject, each.finding) for each in checks]
    console().print(table(("", "", ""), rows))


def _python() -> Iterator[Check]:
    yield Check("python", "good", f"{platform.python_version()} on {platform.platform()}")
    for backend, package in _BACKENDS:
        if importlib.util.find_spec(package) is None:
            yield Check(backend, "note", f"not installed: pip install 'hackmatrix[{backend}]'")
        else:
            from importlib.metadata import version  # noqa: PLC0415 - used here only

            yield Check(backend, "good", f"{package} {version(package)}")


def _credentials() -> Iterator[Check]:
    if importlib.util.find_spec("wandb") is None:
        return
    if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
        yield Check("W&B login", "note", f"WANDB_MODE is {os.environ['WANDB_MODE']}: nothing is sent")
        return
    host = (
        os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("//")[-1].split("/")[0].split(":")[0]
    )
    if os.environ.get("WANDB_API_KEY"):
        yield Check("W&B login", "good", f"WANDB_API_KEY is set, for {host}")
    elif _in_netrc(host):
        yield Check("W&B login", "good", f"a key for {host} is in the netrc file")
    else:
        yield Check("W&B login", "bad", f"no key for {host}: wandb login, or set WANDB_API_KEY")


def _in_netrc(host: str) -> bool:
    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    try:
        return netrc.netrc(str(path)).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


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
        if run.status == "running":
            yield from _lag(run)
        yield from _unseen(run) if run.status in ("running", "lost") else _owed(run)
    if ahead:
        yield Check("clock", "note", f"{ahead} runs were begun in the future: a clock was or is wrong")
    for problem in problems:
        yield Check("run.json", "bad", problem)


def _owed(run: Listed) -> Iterator[Check]:
    """What a run that has ended said of the places that it went to."""
    name, identity = run.identity["name"], dict(run.identity)
    for backend in owed(identity):
        report = identity["report"]["backends"][backend]
        told = f"{report['pending']} steps of {name} are owed ({report['problem']})"
        yield Check(backend, "note", f"{told}: {_replay(run, backend)}")
    for backend, report in identity.get("report", {}).get("backends", {}).items():
        if report.get("kept"):
            first, last = report["kept"]
            yield Check(backend, "note", f"steps {first} to {last} of {name} are an earlier attempt's there")


def _unseen(run: Listed) -> Iterator[Check]:
    """Places of which only the run's own process knew, or knows, what they hold, and says so when it ends."""
    name = run.identity["name"]
    reports = run.identity.get("report", {}).get("backends", {})
    places = dict.fromkeys([*reports, *(["wandb"] if (run.folder / "wandb").is_dir() else [])])
    for place in places:
        confirmed = reports.get(place, {}).get("confirmed")
        if confirmed is not None and confirmed >= (run.step or 0):
            continue  # replayed since
        if run.status == "lost":
            told = f"{name} was killed, and what it still owes is not known here: {_replay(run, place)}"
            yield Check(place, "note", told)
        elif place != "tensorboard":
            told = f"what has arrived of {name} is known to its own process until it ends"
            yield Check(place, "note", told)


def _replay(run: Listed, backend: str) -> str:
    return f"hackmatrix-runs replay {run.folder} --tracker {backend}"


def _lag(run: Listed) -> Iterator[Check]:
    """How far TensorBoard's files are behind a living run, which alone can be seen from outside it."""
    files = sorted(run.folder.rglob("*tfevents*"))
    name = run.identity["name"]
    yield Check("running", "good", f"{name}, at step {run.step}")
    if not files or importlib.util.find_spec("tensorboardX") is None:
        return
    journal = RunFolder(run.folder).metrics
    behind = count_steps_after(journal, journal.stat().st_size, _last_event_step(files[-1]))
    verdict: Verdict = "good" if behind < _FAR_BEHIND else "note"
    yield Check("tensorboard", verdict, f"{behind} steps behind {name}")


def _last_event_step(path: Path) -> int | None:
    """The step of the last whole event of a file; none if nothing was logged into it."""
    from hackmatrix.tracking.backends.event_file import read_records  # noqa: PLC0415 - needs crc32c
    from hackmatrix.tracking.backends.tensorboard_events import read_step  # noqa: PLC0415 - needs tensorboardX

    last = None
    for record in read_records(path):
        last = read_step(record.data)
    return last
