"""Wheels of this repository, and virtual environments that see them instead of the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def build_wheel(project: Path, folder: Path) -> Path:
    """The wheel of a project, by the build tools of this environment; no network."""
    pytest.importorskip("hatchling", reason="needs hatchling, which hackmatrix[dev] brings")
    run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(folder), str(project)],
        folder,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Environment:
    """A new virtual environment with the given wheels; ``shared``: what is installed here is seen behind them."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *wheels: Path, shared: bool) -> "Environment":
        venv.create(folder, symlinks=True)
        new = cls(folder)
        if shared:
            places = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
            lines = "".join(f"{path}\n" for path in places)  # plain paths: no .pth of theirs, so no checkout
            (new.packages / "shared.pth").write_text(lines, "utf-8")
        if wheels:
            run(
                [sys.executable, "-m", "pip", "--python", str(new.python), "install", "-q", "--no-index",
                 "--no-deps", "--force-reinstall", *map(str, wheels)],
                folder,
            )  # fmt: skip
        return new

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def packages(self) -> Path:
        base = {"base": str(self.folder), "platbase": str(self.folder)}
        return Path(sysconfig.get_path("purelib", "nt" if os.name == "nt" else "venv", base))

    def run(self, *arguments: str | Path, cwd: Path, **more: str) -> str:
        """Python with these arguments; its output."""
        return run([str(self.python), *map(str, arguments)], cwd, **more)


def run(command: list[str], cwd: Path, **more: str) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "HACKMATRIX_", "PYTHONPATH"))}
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **more}, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
