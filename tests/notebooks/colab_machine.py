"""What Colab has and this machine lacks: a repository to clone, ``google.colab``, packages that are there already."""

import shutil
import subprocess
from pathlib import Path

from tests.environments import ROOT, Environment

DRIVE = """
from pathlib import Path


def mount(place):
    (Path(place) / "MyDrive").mkdir(parents=True, exist_ok=True)
    print(f"Mounted at {place}")
"""
USERDATA = """
import os


def get(name):
    return os.environ[f"COLABS_SECRET_{name}"]
"""


class ColabMachine:
    """Below a folder: an environment of which packages are installed, and which installs without a network.

    Attributes:
        python: of that environment.
        repository: for ``git clone``: the checkout as it is now, committed or not.
        environment: variables of the notebook's kernel.
    """

    def __init__(self, folder: Path) -> None:
        self._made = Environment.make(folder / "python", shared=True)
        self.python = self._made.python
        self.repository = repository(folder / "repository")
        google = folder / "packages" / "google" / "colab"
        google.mkdir(parents=True)
        for name, text in {"__init__": "", "drive": DRIVE, "userdata": USERDATA}.items():
            (google / f"{name}.py").write_text(text, "utf-8")
        self.environment = {
            "COLAB_RELEASE_TAG": "release-colab",
            "PYTHONPATH": str(folder / "packages"),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say: do not isolate
        }

    def installed(self) -> str:
        """The version of hackmatrix that the notebook installed."""
        (found,) = self._made.packages.glob("hackmatrix-*.dist-info")
        return found.name.removeprefix("hackmatrix-").removesuffix(".dist-info")


def repository(folder: Path) -> Path:
    """A git repository of what the notebook needs of the checkout."""
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("hackmatrix", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=hidden)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "All")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder
