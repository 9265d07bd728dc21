"""How a run comes to life in the client: as the run that it is, and without noise."""

import os
from typing import Any

import wandb

from hackmatrix.tracking.backends import _wandb_client as client
from hackmatrix.tracking.backends import _wandb_errors as meanings
from hackmatrix.tracking.backends._wandb_environment import Mode
from hackmatrix.tracking.protocol import Config, RunInfo


def start(run: RunInfo, config: Config, mode: Mode, *, settings: dict[str, float], **how: Any) -> wandb.Run:
    """Start or resume the run.

    Args:
        settings: the client's time limits.
        how: ``resume`` or ``resume_from``.
    """
    client.settings()
    with meanings.translated(run.entity):
        try:
            return _arrive(run, config, mode, settings, how)
        except Exception as error:
            if "is in use" not in str(error):
                raise
        client.unblock(run.id)
        return _arrive(run, config, mode, settings, how)


def _arrive(
    run: RunInfo, config: Config, mode: Mode, settings: dict[str, float], how: dict[str, Any]
) -> wandb.Run:
    client.arrive(run.id)
    try:
        return wandb.init(
            id=run.id,
            name=run.name,
            project=run.project,
            entity=run.entity,
            group=run.group,
            job_type=run.job_type,
            tags=list(run.tags) or None,
            notes=run.notes,
            config=dict(config),
            dir=str(run.folder) if run.folder else None,
            mode=mode,
            reinit="create_new",
            settings=_settings(settings),
            **how,
        )
    except BaseException:
        client.forget(run.id)
        raise


def _settings(limits: dict[str, float]) -> wandb.Settings:
    """New each time: ``init`` writes into it."""
    settings: dict[str, Any] = {
        "console": "off",
        "disable_git": True,
        "save_code": False,
        "disable_code": True,
        "sagemaker_disable": True,  # it would give the run another id
        "sync_tensorboard": False,
        **limits,
    }
    if "WANDB_SILENT" not in os.environ:
        settings["silent"] = True
    return wandb.Settings(**settings)
