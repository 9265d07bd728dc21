"""HackMatrix: experiment tracking for machines that vanish, and the PPO trainer that proves it.

Nothing is imported here, so that ``import hackmatrix.tracking`` costs the standard library only.
"""

__version__ = "0.1.0"
