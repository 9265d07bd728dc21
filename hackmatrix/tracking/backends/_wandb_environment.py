"""What the client's own variables say about a run; never its id, its name or how it is resumed."""

import os
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from hackmatrix.tracking.errors import BackendSetupError

Mode: TypeAlias = Literal["online", "offline", "disabled"]
_MODES: dict[str, Mode] = {
    "online": "online",
    "offline": "offline",
    "disabled": "disabled",
    "run": "online",  # two older words of the client
    "dryrun": "offline",
}
_OTHER_RUNS = ("WANDB_SWEEP_ID", "WANDB_LAUNCH", "WANDB_RESUME_FROM", "WANDB_FORK_FROM")


def mode() -> Mode:
    """``WANDB_MODE``, else ``online``."""
    said = os.environ.get("WANDB_MODE", "").strip().lower() or "online"
    if said not in _MODES:
        raise BackendSetupError(f"WANDB_MODE is {said!r}, expected one of online, offline, disabled")
    return _MODES[said]


def check() -> None:
    """Refuse variables that would make another run of this one."""
    for name in _OTHER_RUNS:
        if os.environ.get(name):
            raise BackendSetupError(f"{name} is set, and would make another run of this one; unset it")


def labels() -> Mapping[str, Any]:
    """Project, entity, group, job type, notes and tags, as far as they are set."""
    said = {
        "project": os.environ.get("WANDB_PROJECT"),
        "entity": os.environ.get("WANDB_ENTITY"),
        "group": os.environ.get("WANDB_RUN_GROUP"),
        "job_type": os.environ.get("WANDB_JOB_TYPE"),
        "notes": os.environ.get("WANDB_NOTES"),
        "tags": tuple(tag.strip() for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag.strip()),
    }
    return {label: value for label, value in said.items() if value}
