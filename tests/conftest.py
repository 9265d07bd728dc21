"""Hypothesis profiles, and one compilation cache for all; imports no JAX, which may be absent."""

import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("hackmatrix.tracking.testing")

# Many tests start processes that compile the same programs: each is compiled once in a session.
_cache = tempfile.TemporaryDirectory(prefix="hackmatrix-compiled-")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", _cache.name)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")

_slow_is_fine = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=30, **_slow_is_fine)
settings.register_profile("ci", max_examples=60, derandomize=True, **_slow_is_fine)
settings.register_profile("night", max_examples=2000, **_slow_is_fine)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
