"""Experiment tracking that a training loop can trust on machines that vanish."""
