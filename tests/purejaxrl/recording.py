"""A tracker that keeps rows in a list and checkpoints in a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hackmatrix.tracking.protocol import RunInfo


class RecordingTracker:
    """What was said, in order; ``refuse`` fails that many artifacts first."""

    def __init__(self, folder: Path | None = None, *, refuse: int = 0) -> None:
        self.run = RunInfo(id="0", name="recorded-1", uid="0", project="tests", folder=folder)
        self.rows: list[tuple[int, dict[str, Any]]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.histograms: list[tuple[int, str, list[float]]] = []
        self.packed_calls = 0
        self.refused = 0
        self._refuse = refuse

    def log(self, metrics: Mapping[str, Any], *, step: int) -> None:
        assert all(type(value) in {int, float} for value in metrics.values()), "plain numbers only"
        self.rows.append((step, dict(metrics)))

    def log_series(
        self,
        columns: Any,
        *,
        steps: Sequence[int],
        present: Mapping[str, Sequence[bool]] | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        assert isinstance(columns, np.ndarray), "fetched"
        assert tags is not None
        self.packed_calls += 1
        for row, step in enumerate(steps):
            there = {tag: present is None or tag not in present or present[tag][row] for tag in tags}
            self.rows.append(
                (step, {tag: float(columns[row, i]) for i, tag in enumerate(tags) if there[tag]})
            )

    def log_histogram(self, tag: str, values: Any, *, step: int, edges: Any) -> None:
        assert self.rows[-1][0] == step, "beside the newest row"
        assert len(values) + 1 == len(edges)
        self.histograms.append((step, tag, values.tolist()))

    def log_artifact(self, path: str | Path, **said: Any) -> None:
        if self.refused < self._refuse:
            self.refused += 1
            raise OSError(28, "No space left on device")
        assert self.rows[-1][0] >= said["step"], "a row is logged before its checkpoint"
        Path(path).rename(Path(path).parent / f"step-{said['step']}")
        self.artifacts.append(said)

    def checkpoint(self, step: int) -> Path:
        assert self.run.folder is not None
        return self.run.folder / "checkpoints" / f"step-{step}"

    def numbers(self) -> list[tuple[int, dict[str, float]]]:
        """Rows without the clock's figure, which no two runs share."""
        return [
            (step, {k: v for k, v in row.items() if k != "train/steps_per_second"}) for step, row in self.rows
        ]
