"""What earlier attempts left for ``wandb sync``.

Offline nothing is known of earlier attempts, so each one writes the whole run again. If two of them were synced,
the second's rows would be renumbered behind the first's: only the newest may stand where ``wandb sync`` looks.
"""

from pathlib import Path

from hackmatrix.tracking.backends import _wandb_client as client

_ASIDE = "superseded"


def set_aside(folder: Path, run_id: str) -> None:
    """Move what earlier attempts of this run wrote offline to a folder beside it; nothing is deleted."""
    place = folder / "wandb"
    for old in sorted(place.glob(f"offline-run-*-{run_id}*")):
        if any(old.glob("*.synced")):
            client.tell_once(
                f"synced {run_id}",
                "wandb: an earlier attempt was synced, and `wandb sync` would renumber the steps of this one; "
                "deliver it with `python -m hackmatrix.tracking replay %s --tracker wandb`",
                folder,
            )
        (place / _ASIDE).mkdir(exist_ok=True)
        old.rename(place / _ASIDE / old.name)
