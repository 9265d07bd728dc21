"""The runs of several seeds: ``NAME-s<seed>`` of group NAME, found, resumed and named together."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from hackmatrix.purejaxrl import ConfigError
from hackmatrix.tracking import FoundRun, RunConflictError, RunExistsError, RunInUseError
from hackmatrix.tracking.naming import RunName, format_run_name, next_number

Look = Callable[[str], FoundRun | None]


def name_of_seed(group: str, seed: int) -> str:
    """The name of one seed's run."""
    return f"{group}-s{seed}"


def group_of(name: str, seed: int) -> str | None:
    """The group whose run of this seed has this name; none if it is no such name."""
    group = name.removesuffix(f"-s{seed}")
    return group if group not in ("", name) else None


def group_size(run: FoundRun | None) -> int:
    """How many runs the group of a run was begun with; 1 where there is none."""
    size = 1 if run is None else run.config.get("num_seeds", 1)
    if not isinstance(size, int):
        raise ConfigError(
            f"a run of the group says that there are {size!r} of them; it was not begun by this script"
        )
    return size


def find_group(group: str, seeds: Sequence[int], look: Look) -> list[FoundRun | None]:
    """All runs of a group, ready to go on from one step: the newest that each has a whole checkpoint of.

    Where one has none, all of them start again at their first update.

    Args:
        group: its name.
        seeds: of its runs.
        look: name -> run.
    """
    found = [look(name_of_seed(group, seed)) for seed in seeds]
    there = [run for run in found if run is not None]
    step = min((-1 if run.step is None else run.step for run in there), default=-1)
    if len(there) < len(found):
        step = -1
    while True:
        for run in there:
            run.fetch_checkpoint(step)  # falls back to an older whole one, and says so in ``step``
        steps = {-1 if run.step is None else run.step for run in there}
        if len(steps) <= 1:
            return found
        step = min(steps)


def open_group(
    prefix: str, suffix: str | None, root: Path, first: int, open_run: Callable[[str, str], None]
) -> str:
    """Open the first seed's run under a name that no run of the day has.

    Args:
        prefix: of the name.
        suffix: likewise.
        root: the folder of runs.
        first: the first seed.
        open_run: given run name and group; raises where there is such a run already.

    Returns:
        The group's name.
    """
    refused: list[str] = []
    while True:
        today = date.today()  # noqa: DTZ011 - the local day, as in every name
        taken = [path.name for path in root.iterdir()] if root.is_dir() else []
        group = format_run_name(
            RunName(prefix, today, next_number([*taken, *refused], prefix, today), suffix)
        )
        try:
            open_run(name_of_seed(group, first), group)
        except (RunConflictError, RunExistsError, RunInUseError):
            refused.append(group)
            continue
        return group
