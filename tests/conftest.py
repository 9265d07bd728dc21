"""Hypothesis profiles; imports no JAX, so that the tracking tests run where JAX is absent."""

import os

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("hackmatrix.tracking.testing")

_slow_is_fine = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=30, **_slow_is_fine)
settings.register_profile("ci", max_examples=60, derandomize=True, **_slow_is_fine)
settings.register_profile("night", max_examples=2000, **_slow_is_fine)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
