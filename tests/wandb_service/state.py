"""What the service holds, kept on disk so that a killed service comes back with it."""

import json
import os
import pickle
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def now() -> str:
    """The time in the form in which the service tells it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Run:
    """One run; the line files are lists of JSON texts, as the file stream sends them."""

    entity: str
    project: str
    name: str
    storage_id: str
    display_name: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    state: str = "running"
    exit_code: int | None = None
    preempting: bool = False
    group: str | None = None
    job_type: str | None = None
    notes: str | None = None
    tags: list[str] = field(default_factory=list)
    created_at: str = field(default_factory=now)
    heartbeat_at: str = field(default_factory=now)
    files: set[str] = field(default_factory=set)

    @property
    def history(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines.get("wandb-history.jsonl", [])]


@dataclass
class Artifact:
    """One version; ``content`` maps a name to the hexadecimal MD5 under which its bytes are stored."""

    id: str
    entity: str
    project: str
    collection: str
    type: str
    digest: str
    version: int
    run: str | None = None
    state: str = "PENDING"
    description: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    step: int | None = None
    wanted: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    created_at: str = field(default_factory=now)
    manifest: str | None = None


@dataclass
class State:
    """Everything; the tests read it, the service changes it under its lock."""

    user: str = "ada"
    email: str = "ada@example.org"
    key: str | None = None
    entities: set[str] = field(default_factory=lambda: {"ada", "team"})
    forbidden: set[str] = field(default_factory=set)
    rewind: bool = False
    runs: dict[tuple[str, str, str], Run] = field(default_factory=dict)
    deleted: set[tuple[str, str, str]] = field(default_factory=set)
    projects: dict[tuple[str, str], int] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, tuple[str, str]] = field(default_factory=dict)
    counter: int = 0

    def new_id(self, kind: str) -> str:
        self.counter += 1
        return f"{kind}{self.counter:08d}"

    def save(self, folder: Path) -> None:
        temporary = folder / "state.tmp"
        temporary.write_bytes(pickle.dumps(self))
        os.replace(temporary, folder / "state.pickle")  # noqa: PTH105 - the one call that is atomic everywhere

    @staticmethod
    def load(folder: Path) -> "State":
        path = folder / "state.pickle"
        return pickle.loads(path.read_bytes()) if path.exists() else State()
