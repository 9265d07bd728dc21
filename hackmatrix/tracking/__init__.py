"""Experiment tracking that a training loop can trust on machines that vanish."""

from hackmatrix.tracking.protocol import Tracker

__all__ = ["Tracker"]
