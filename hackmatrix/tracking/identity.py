"""What ``run.json`` says: who a run is, its one config, and its attempts."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from hackmatrix.tracking.config import config_difference, config_digest
from hackmatrix.tracking.errors import ConfigMismatchError
from hackmatrix.tracking.naming import run_id
from hackmatrix.tracking.protocol import Config, ConfigValue, Resume, RunInfo
from hackmatrix.tracking.run_folder import RunFolder

_FORMAT = 1


def new_identity(
    *,
    name: str,
    project: str,
    entity: str | None,
    config: Config,
    group: str | None,
    job_type: str | None,
    tags: Sequence[str],
    notes: str | None,
) -> dict[str, Any]:
    """The description of a run that begins now."""
    import uuid  # noqa: PLC0415 - keeps the package's import light

    return {
        "format": _FORMAT,
        "name": name,
        "id": run_id(name),
        "uid": uuid.uuid4().hex,
        "project": project,
        "entity": entity,
        "group": group,
        "job_type": job_type,
        "tags": list(tags),
        "notes": notes,
        "created": time.time(),
        "config": dict(config),
        "config_digest": config_digest(config),
        "attempts": [],
        "summary": {},
        "url": None,
    }


def check_config(identity: dict[str, Any], config: Config, may_change: Sequence[str]) -> None:
    """A run has one config for ever; keys in ``may_change`` take the new value.

    Raises:
        ConfigMismatchError: another key differs; the message has each with both values.
    """
    differs = config_difference(identity["config"], config)
    refused = [change for change in differs if change[0] not in may_change]
    if refused:
        told = ", ".join(f"{key}: {old!r} then, {new!r} now" for key, old, new in refused)
        raise ConfigMismatchError(
            f"run {identity['name']!r} has another config ({told}); a run has one config for ever: "
            "go on with the first one, or fork the run"
        )
    if differs:
        identity["config"] = dict(config)
        identity["config_digest"] = config_digest(config)


def begin_attempt(identity: dict[str, Any], attempt: Config, last_step: int | None) -> None:
    """Add this process to the attempts; one that could write no end of its own reads as lost."""
    for earlier in identity["attempts"]:
        earlier["status"] = earlier.get("status") or "lost"
    identity["attempts"].append(
        {
            "number": len(identity["attempts"]),
            "started": time.time(),
            "from_step": last_step,
            "host": os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", ""),
            "process": os.getpid(),
            "command": command_words(),
            "python": sys.version.split()[0],
            "platform": sys.platform,
            "status": None,
            **{key: value for key, value in attempt.items() if key not in ("number", "status")},
        }
    )


def command_words() -> list[str]:
    """The command line; bytes in it that are no text, e.g. of a file's name, are escaped."""
    return [os.fsencode(word).decode(errors="backslashreplace") for word in sys.argv]


def shown_config(identity: Mapping[str, Any]) -> dict[str, ConfigValue]:
    """One flat config for backends: the run's, with its identity and the newest attempt's facts."""
    attempt = {
        key: value
        for key, value in identity["attempts"][-1].items()
        if key not in ("number", "status", "started", "ended", "process", "from_step")
    }
    return {
        **{("attempt." + key if key in identity["config"] else key): value for key, value in attempt.items()},
        **identity["config"],
        "run_uid": identity["uid"],
        "config_digest": identity["config_digest"],
        "attempt": identity["attempts"][-1]["number"],
    }


def run_info(
    identity: Mapping[str, Any], folder: RunFolder, *, resume: Resume, resumed: bool, last_step: int | None
) -> RunInfo:
    """What ``run.json`` says, as trackers and backends hold it."""
    return RunInfo(
        id=identity["id"],
        name=identity["name"],
        uid=identity["uid"],
        project=identity["project"],
        entity=identity["entity"],
        group=identity["group"],
        job_type=identity["job_type"],
        tags=tuple(identity["tags"]),
        notes=identity["notes"],
        folder=folder.path,
        url=identity.get("url"),
        resume=resume,
        resumed=resumed,
        attempt=identity["attempts"][-1]["number"],
        last_step=last_step,
    )
