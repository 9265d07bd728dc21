"""A Trackio folder of the tests' own; it must be chosen before Trackio is imported."""

import os
import tempfile

import pytest

os.environ["TRACKIO_DIR"] = tempfile.mkdtemp(prefix="trackio-")
os.environ["TRACKIO_STORAGE_MODE"] = "sqlite"
pytest.register_assert_rewrite("hackmatrix.tracking.testing")
