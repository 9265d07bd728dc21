"""The environment in which the client finds the stand-in, and nothing of the user's own."""

from pathlib import Path

from .server import WandbService

KEY = "0123456789abcdef0123456789abcdef01234567"
WAITS = ("FILE_STREAM", "GRAPHQL", "FILE_TRANSFER")


def client_environment(service: WandbService | str, folder: Path) -> dict[str, str]:
    """Variables for ``os.environ``; waits between tries are a second, so that faults pass quickly.

    Args:
        service: the service, or its base URL.
        folder: where the client may keep its files.
    """
    places = {
        name: str(folder / name.lower())
        for name in ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR")
    }
    for place in places.values():
        Path(place).mkdir(parents=True, exist_ok=True)
    waits = {f"WANDB__{name}_RETRY_WAIT_{end}_SECONDS": "1" for name in WAITS for end in ("MIN", "MAX")}
    return {
        "WANDB_BASE_URL": service if isinstance(service, str) else service.base_url,
        "WANDB_API_KEY": KEY,
        **{f"WANDB_{name}": place for name, place in places.items()},
        **waits,
        "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "1",
        "WANDB__DISABLE_STATS": "true",
        "WANDB_ERROR_REPORTING": "false",
    }
