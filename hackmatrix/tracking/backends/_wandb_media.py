"""Histograms, texts and images as the client shows them."""

import html
import importlib.util
from pathlib import Path
from typing import Any

import wandb

from hackmatrix.tracking.protocol import MediaRecord

_MOST_BINS = 512  # of a histogram, at W&B


def shown(record: MediaRecord, path: Path | None) -> Any:
    """What the client calls it; none where it cannot show it."""
    if record.kind == "histogram" and len(record.data["counts"]) <= _MOST_BINS:
        bins: Any = (list(record.data["counts"]), list(record.data["edges"]))
        return wandb.Histogram(np_histogram=bins)
    if record.kind == "text":
        return wandb.Html(f"<pre>{html.escape(record.data['text'])}</pre>", inject=False)
    if record.kind == "image" and path is not None and importlib.util.find_spec("PIL") is not None:
        return wandb.Image(str(path))
    return None
