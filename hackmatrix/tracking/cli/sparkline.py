"""The course of a metric in one line of text."""

from typing import Any

_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Any, width: int = 32) -> str:
    """Blocks from the least to the greatest mean of ``width`` stretches; a dot where no number is finite.

    Args:
        values: (row,) numbers.
        width: most characters.
    """
    import numpy as np

    numbers = np.asarray(values, np.float64)
    if not len(numbers) or width < 1:
        return ""
    starts = np.linspace(0, len(numbers), min(width, len(numbers)), endpoint=False).astype(np.int64)
    finite = np.isfinite(numbers)
    counts = np.add.reduceat(finite.astype(np.int64), starts)
    sums = np.add.reduceat(np.where(finite, numbers, 0.0), starts)
    told = counts > 0
    means = sums / np.maximum(counts, 1)
    if not told.any():
        return "·" * len(starts)
    low, high = means[told].min(), means[told].max()
    with np.errstate(over="ignore"):
        reach = high - low
    level = np.full(len(means), 3) if not 0 < reach < np.inf else np.rint((means - low) / reach * 7)
    return "".join(
        _BLOCKS[int(each)] if here else "·" for each, here in zip(np.clip(level, 0, 7), told, strict=True)
    )
