"""The 23 programs: what they cost, when they can be run, what they do."""

from hackmatrix.jax_env.programs.conditions import conditions
from hackmatrix.jax_env.programs.run import run
from hackmatrix.jax_env.programs.table import PRICES, PROGRAM_NAMES, affordable

__all__ = ["PRICES", "PROGRAM_NAMES", "affordable", "conditions", "run"]
