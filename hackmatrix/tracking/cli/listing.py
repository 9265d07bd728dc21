"""What a list shows of each run, read from its description and the end of its journal."""

import difflib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hackmatrix.tracking.cli.where import FilterError
from hackmatrix.tracking.errors import RunFolderError
from hackmatrix.tracking.lines import decode_row
from hackmatrix.tracking.mirrored import end_of
from hackmatrix.tracking.protocol import Number
from hackmatrix.tracking.run_folder import RunFolder

_TAIL = 16 << 10  # bytes at the end of a journal that are searched for the newest figures
_RETURNS = ("mean_episode_return", "episode_return", "return")
_GROUPS = ("config", "summary", "last", "attempt")


@dataclass(frozen=True)
class Listed:
    """One run of a list.

    Attributes:
        last: the newest value of each tag near the end of the journal.
        now: unix seconds, from which ages are counted.
    """

    folder: Path
    identity: Mapping[str, Any]
    status: str
    step: int | None
    last: Mapping[str, Number]
    now: float

    @property
    def name(self) -> str:
        """By which it is found: its folder's, which of a copied or renamed one is not the run's own."""
        return self.folder.name

    def summary(self) -> dict[str, Number]:
        """Figures of the run as a whole; the newest ones where it has not told yet."""
        return {**self.last, **self.identity.get("summary", {})}

    def fields(self) -> dict[str, Any]:
        """Everything that can be sorted by and asked for, groups left out."""
        attempts = self.identity.get("attempts", [])
        figures = self.summary()
        return {
            "name": self.name,
            "id": self.identity.get("id"),
            "status": self.status,
            "step": self.step,
            "return": next((x for name in _RETURNS if (x := _ending(figures, name)) is not None), None),
            "steps_per_second": _ending(figures, "steps_per_second"),
            "age": self.now - self.identity.get("created", self.now),
            "created": self.identity.get("created"),
            "tags": list(self.identity.get("tags", [])),
            "project": self.identity.get("project"),
            "entity": self.identity.get("entity"),
            "group": self.identity.get("group"),
            "job_type": self.identity.get("job_type"),
            "notes": self.identity.get("notes"),
            "attempts": len(attempts),
            "host": attempts[-1].get("host") if attempts else None,
            "url": self.identity.get("url"),
            "folder": str(self.folder),
        }

    def group(self, name: str) -> Mapping[str, Any]:
        """What stands below ``config``, ``summary``, ``last`` or ``attempt``."""
        attempts = self.identity.get("attempts", [])
        groups: dict[str, Mapping[str, Any]] = {
            "config": self.identity.get("config", {}),
            "summary": self.summary(),
            "last": self.last,
            "attempt": attempts[-1] if attempts else {},
        }
        return groups[name]

    def lookup(self, field: str) -> Any:
        """The value of a field; none where the run lacks it.

        Raises:
            FilterError: no run has such a field.
        """
        group, dot, key = field.partition(".")
        if dot and group in _GROUPS:
            return _ending(self.group(group), key)
        fields = self.fields()
        if field not in fields:
            raise FilterError(_unknown(field, [*fields, *(f"{group}.KEY" for group in _GROUPS)]))
        return fields[field]


def _unknown(field: str, known: list[str]) -> str:
    close = difflib.get_close_matches(field, known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Is it config.{field} or summary.{field}?"
    return f"no run has a field {field!r}.{hint} Known: {', '.join(known)}."


def lacked(runs: Sequence[Listed], fields: Iterable[str]) -> str:
    """A sentence about the asked fields that none of the runs has; empty if there are none."""
    for field in fields:
        group, dot, key = field.partition(".")
        if dot and runs and all(run.lookup(field) is None for run in runs):
            known = {name for run in runs for name in run.group(group)}
            parts = {name.replace("/", ".").rsplit(".", 1)[-1] for name in known}
            close = difflib.get_close_matches(key, sorted(known | parts), 1)
            return f"none has {field!r}" + (f"; did you mean '{group}.{close[0]}'?" if close else "")
    return ""


def _ending(values: Mapping[str, Any], key: str) -> Any:
    """The value of a key, or of the only one whose last part it is: ``return`` for ``train/return``."""
    if key in values:
        return values[key]
    found = [name for name in values if name.replace("/", ".").endswith(f".{key.replace('/', '.')}")]
    return values[found[0]] if len(found) == 1 else None


def list_runs(root: Path, problems: list[str] | None = None) -> Iterator[Listed]:
    """The runs in a folder, in order of their names.

    Args:
        root: the folder of runs.
        problems: gets a sentence for each run whose description is damaged.
    """
    now = time.time()
    for path in sorted(root.iterdir()) if root.is_dir() else []:
        folder = RunFolder(path)
        try:
            identity = folder.read_identity()
            if identity is not None:
                yield Listed(path, identity, folder.status(identity), *read_end(folder), now)
        except RunFolderError as problem:
            if problems is not None:
                problems.append(str(problem))


def read_end(folder: RunFolder) -> tuple[int | None, dict[str, Number]]:
    """The newest step of a run, and the newest value of each tag in the last whole rows."""
    try:
        with end_of(folder).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            lines = file.read(_TAIL).split(b"\n")[:-1]  # what follows the last newline is being written
    except OSError:
        return None, {}
    step: int | None = None
    newest: dict[str, Number] = {}
    for line in reversed(lines if size <= _TAIL else lines[1:]):
        try:
            row = decode_row(line)
        except ValueError:
            continue  # verify tells
        step = row.step if step is None else step
        newest = {**row.metrics, **newest}
    return step, newest
