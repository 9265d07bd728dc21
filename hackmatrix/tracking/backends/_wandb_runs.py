"""Runs at W&B as ``wandb.Api`` tells of them, without starting one."""

import re
from typing import Any

import wandb

from hackmatrix.tracking.backends import _wandb_client as client
from hackmatrix.tracking.backends import _wandb_errors as meanings
from hackmatrix.tracking.naming import run_id
from hackmatrix.tracking.protocol import RemoteRun

_STATUS = {"finished": "finished", "running": "running", "preempted": "preempted", "preempting": "preempted"}
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def one(asked: wandb.Api, entity: str, project: str, name: str) -> Any:
    """The run of an id; none if there is no such run or project, or none that may be seen."""
    with meanings.translated(entity):
        try:
            return client.bounded(
                lambda: asked.run(f"{entity}/{project}/{name}"), 2 * client.API_S, "asking W&B"
            )
        except wandb.errors.CommError as error:
            if "Could not find run" in str(error):
                return None
            raise


def find(name: str | None, config_digest: str | None, project: str, entity: str | None) -> RemoteRun | None:
    """The run of a name or an id, or, without one, the newest whose config has this digest."""
    asked = client.api()
    owner = entity or client.default_entity(asked)
    found = None
    if name is not None:
        found = one(asked, owner, project, run_id(name)) or one(asked, owner, project, name)
    elif config_digest is not None:
        found = _newest(asked, owner, project, config_digest)
    return None if found is None else _remote(asked, found, name, owner, project)


def _newest(asked: wandb.Api, entity: str, project: str, config_digest: str) -> Any:
    def look() -> Any:
        wanted = {"config.config_digest.value": config_digest}
        return next(
            iter(asked.runs(f"{entity}/{project}", filters=wanted, order="-created_at", per_page=1)), None
        )

    with meanings.translated(entity):
        try:
            found = client.bounded(look, 2 * client.API_S, "asking W&B")
        except ValueError as error:
            if "Could not find project" in str(error):
                return None
            raise
    # Listed runs come without their config.
    return None if found is None else one(asked, entity, project, found.id)


def _remote(asked: wandb.Api, found: Any, name: str | None, entity: str, project: str) -> RemoteRun:
    config = dict(found.config)
    # The name that a person sees can be changed at the server; the one that gives the id is the run's.
    own = name if name is not None and run_id(name) == found.id else str(found.name)
    attempt = config.get("attempt")
    return RemoteRun(
        name=own,
        uid=str(config.get("run_uid", "")),
        project=project,
        entity=entity,
        config=config,
        status=_STATUS.get(found.state, "failed"),
        attempts=attempt + 1 if isinstance(attempt, int) else 1,
        steps=_steps(asked, f"{entity}/{project}/{own}-checkpoint"),
    )


def _steps(asked: wandb.Api, collection: str) -> tuple[int, ...]:
    """Steps of the checkpoints, from their aliases."""

    def look() -> tuple[int, ...]:
        if not asked.artifact_collection_exists(collection, "model"):
            return ()
        aliases = [alias for version in asked.artifacts("model", collection) for alias in version.aliases]
        return tuple(
            sorted({int(step.group(1)) for alias in aliases if (step := _CHECKPOINT.fullmatch(alias))})
        )

    with meanings.translated():
        return client.bounded(look, 2 * client.API_S, "asking W&B")
