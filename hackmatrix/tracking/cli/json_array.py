"""What ``--json`` prints: one array of strict JSON."""

import json
import math
import sys
from collections.abc import Iterable
from typing import Any


def print_json(objects: Iterable[Any]) -> None:
    """One array; NaN and infinities become null, and letters that standard output cannot take escapes."""
    takes_all = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    told = [_strict(each) for each in objects]
    sys.stdout.write(json.dumps(told, indent=1, ensure_ascii=not takes_all, allow_nan=False) + "\n")


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return [_strict(item) for item in value] if isinstance(value, list | tuple) else value
