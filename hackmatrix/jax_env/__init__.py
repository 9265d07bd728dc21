"""The HackMatrix game in pure JAX."""
