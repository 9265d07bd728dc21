"""How much more ``HYPOTHESIS_PROFILE=night`` looks at: a hundred times as much, however long it takes."""

import pytest
from hypothesis import settings

MORE = 100 if settings.default.max_examples >= 2000 else 1
UNLIMITED = [pytest.mark.timeout(0)] if MORE > 1 else []  # a night is longer than the limit of a test
