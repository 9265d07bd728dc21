"""What TensorBoard itself shows of a run."""

import struct
from collections import defaultdict

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hackmatrix.tracking import RunInfo
from hackmatrix.tracking.protocol import Row


def read_events(run: RunInfo) -> list[Row]:
    """Scalars by TensorBoard's own reader, all of them, one row for each step and occurrence of a tag."""
    assert run.folder is not None
    (folder,) = {path.parent for path in run.folder.rglob("*tfevents*") if "discarded" not in path.parts}
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    rows: dict[tuple[int, int], Row] = {}
    for tag in reader.Tags()["scalars"]:
        seen: dict[int, int] = defaultdict(int)
        for event in reader.Scalars(tag):
            key = (event.step, seen[event.step])
            seen[event.step] += 1
            row = rows.setdefault(key, Row(event.step, event.wall_time, 0.0, {}))
            row.metrics[tag] = struct.unpack("<f", struct.pack("<f", event.value))[0]
    return [rows[key] for key in sorted(rows)]
