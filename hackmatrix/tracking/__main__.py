"""``python -m hackmatrix.tracking``."""

import sys

from hackmatrix.tracking.cli.main import main

sys.exit(main())
