"""The command line for runs: ``hackmatrix-runs`` and ``python -m hackmatrix.tracking``."""

from hackmatrix.tracking.cli.main import main

__all__ = ["main"]
