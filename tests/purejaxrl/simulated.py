"""Programs on eight simulated devices: a process of its own, since their number is fixed when JAX starts."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEVICES = 8


def run_simulated(function: str, *arguments: Any, timeout: float = 240.0) -> Any:
    """Call ``module:function`` with arguments that JSON has, on eight devices, and give back what it returns."""
    flags = f"--xla_force_host_platform_device_count={DEVICES}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.purejaxrl.simulated", function, json.dumps(arguments)],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def digest(tree: Any) -> str:
    """SHA-256 over every leaf's bytes."""
    from tests.purejaxrl.states import bits

    return hashlib.sha256(b"".join(bits(tree))).hexdigest()


def _main(name: str, arguments: str) -> None:
    import importlib

    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    print(json.dumps(function(*json.loads(arguments))))  # noqa: T201 - how the other process reads it


if __name__ == "__main__":
    _main(*sys.argv[1:])
