"""The training script as its users run it: a process of its own, in an empty folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_purejaxrl.py"
SMALL = (
    "--env", "gymnax:CartPole-v1", "--num-envs", "8", "--num-steps", "32", "--num-minibatches", "2",
    "--update-epochs", "2", "--hidden-dim", "16", "--log-interval", "3",
)  # fmt: skip


class Script:
    """Runs the script with a folder of runs below ``home``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runs = home / "runs"
        self.environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("WANDB_", "HACKMATRIX_"))
            },
            "HOME": str(home),
            "COLUMNS": "200",
            "JAX_PLATFORMS": "cpu",
        }

    def start(self, *arguments: str, small: bool = True) -> subprocess.Popen[str]:
        command = [sys.executable, str(SCRIPT), *(SMALL if small else ()), *arguments]
        return subprocess.Popen(
            command, cwd=self.home, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, small: bool = True, code: int = 0) -> str:
        process = self.start(*arguments, small=small)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"exit code {process.returncode}, expected {code}\n{out}\n{err}"
        return out + err

    def stop_when(self, process: subprocess.Popen[str], file: str, lines: int, number: int) -> str:
        """Send a signal once a file below the one run's folder has so many lines (or, for a folder, is there)."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            found = list(self.runs.glob(f"*/{file}"))
            if found and (found[0].is_dir() or found[0].read_bytes().count(b"\n") >= lines):
                break
            time.sleep(0.005)
        assert process.poll() is None, process.communicate()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        return out + err


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


@pytest.fixture
def scripts_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))


def run_folders(runs: Path) -> Sequence[Path]:
    return sorted(path.parent for path in runs.glob("*/run.json"))


__all__ = ["SCRIPT", "SMALL", "Script", "run_folders", "signal"]
