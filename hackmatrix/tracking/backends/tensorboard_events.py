"""Rows, media and the config of a run as TensorBoard's events, in bytes."""

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tensorboardX.proto.api_pb2 import Status as SessionStatus
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboardX.proto.plugin_text_pb2 import TextPluginData
from tensorboardX.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboardX.proto.tensor_pb2 import TensorProto
from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboardX.proto.types_pb2 import DT_STRING

from hackmatrix.tracking.protocol import Config, ConfigValue, MediaRecord, Row, Status

# A user's tag never begins with an underscore.
CONFIG_TAG = "_config"
SUMMARY_TAG = "_summary"
_START_TAG = "_hparams_/session_start_info"
_END_TAG = "_hparams_/session_end_info"

_SESSION = {"finished": "STATUS_SUCCESS", "failed": "STATUS_FAILURE"}
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # of a PNG's colour types


class Content(NamedTuple):
    """What an event is about.

    Attributes:
        counts: whether it belongs to its step, as rows and media do and a file's head does not.
        is_row: whether it holds a row of scalars.
    """

    step: int
    counts: bool
    is_row: bool
    has_hparams: bool
    config: bytes | None


def read_event(data: bytes) -> Content:
    """What an event says about itself."""
    event = Event.FromString(data)
    values = event.summary.value
    first = values[0].tag if values else ""
    is_summary = bool(event.HasField("summary"))
    return Content(
        step=event.step,
        counts=is_summary and first not in (_START_TAG, CONFIG_TAG),
        is_row=is_summary and all(value.WhichOneof("value") == "simple_value" for value in values),
        has_hparams=first == _START_TAG,
        config=values[0].tensor.string_val[0] if first == CONFIG_TAG else None,
    )


def read_step(data: bytes) -> int:
    """The step of an event, without reading the rest of it where it was written in the usual order."""
    if data[:1] == b"\x09" and data[9:10] == b"\x10":  # wall_time, 8 bytes; step, 7 bits a byte
        step = 0
        for place, byte in enumerate(data[10:20]):
            step |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return step
    found: int = Event.FromString(data).step
    return found


def file_version() -> bytes:
    """The first event of every file."""
    data: bytes = Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString()
    return data


def session_start(step: int) -> bytes:
    """Makes TensorBoard forget what it has read of this step and later ones."""
    log = SessionLog(status=SessionLog.START)
    data: bytes = Event(wall_time=time.time(), step=step, session_log=log).SerializeToString()
    return data


def row_event(row: Row) -> bytes:
    """A row with all its tags; numbers are rounded to float32, those beyond it become infinite."""
    event = Event(wall_time=row.timestamp, step=row.step)
    event.summary.SetInParent()  # also where there are no tags
    add = event.summary.value.add  # half the time of making the values one by one
    for tag, value in row.metrics.items():
        add(tag=tag, simple_value=value)
    data: bytes = event.SerializeToString()
    return data


def media_event(record: MediaRecord, path: Path | None) -> bytes | None:
    """A histogram, text or image; none for what TensorBoard does not show."""
    if record.kind == "histogram":
        value = Summary.Value(tag=record.tag, histo=_histogram(record.data))
    elif record.kind == "text":
        value = _text(record.tag, record.data["text"])
    elif record.kind == "image" and path is not None:
        value = Summary.Value(tag=record.tag, image=_image(record.data, path.read_bytes()))
    else:
        return None
    return _summary_event(value, record.step, record.timestamp)


def hparams_event(config: Config) -> bytes:
    """A flat config for the page of hyperparameters.

    The names of the metrics are left out, since TensorBoard finds them itself where no experiment lists them.
    """
    start = SessionStartInfo(start_time_secs=time.time())
    for key, value in config.items():
        _set_hparam(start.hparams[key], value)
    return _hparams(_START_TAG, HParamsPluginData(session_start_info=start), 0)


def session_end(status: Status, step: int) -> bytes:
    """How the run ended, for the page of hyperparameters."""
    end = SessionEndInfo(
        status=SessionStatus.Value(_SESSION.get(status, "STATUS_UNKNOWN")), end_time_secs=time.time()
    )
    return _hparams(_END_TAG, HParamsPluginData(session_end_info=end), step)


def table_event(tag: str, values: Mapping[str, Any], step: int) -> bytes:
    """Keys and values as a text that TensorBoard shows as a table."""
    return _summary_event(_text(tag, table_text(values)), step, time.time())


def table_text(values: Mapping[str, Any]) -> str:
    """A table in Markdown, sorted by key."""
    lines = [f"| {_cell(key)} | {_cell(_readable(value))} |" for key, value in sorted(values.items())]
    return "\n".join(["| key | value |", "| --- | --- |", *lines])


def _summary_event(value: Any, step: int, timestamp: float) -> bytes:
    data: bytes = Event(wall_time=timestamp, step=step, summary=Summary(value=[value])).SerializeToString()
    return data


def _histogram(data: Mapping[str, Any]) -> Any:
    return HistogramProto(
        min=data["min"],
        max=data["max"],
        num=sum(data["counts"]),
        sum=data["sum"],
        sum_squares=data["sum_squares"],
        bucket_limit=data["edges"][1:],  # right edges; the left edge of the first is min
        bucket=data["counts"],
    )


def _image(data: Mapping[str, Any], png: bytes) -> Any:
    return Summary.Image(
        height=data["height"], width=data["width"], colorspace=_CHANNELS[png[25]], encoded_image_string=png
    )


def _text(tag: str, text: str) -> Any:
    plugin = SummaryMetadata.PluginData(
        plugin_name="text", content=TextPluginData(version=0).SerializeToString()
    )
    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=TensorShapeProto())
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)


def _hparams(tag: str, content: Any, step: int) -> bytes:
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
    return _summary_event(
        Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin)), step, time.time()
    )


def _set_hparam(field: Any, value: ConfigValue) -> None:
    if isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, int | float) and math.isfinite(value):
        field.number_value = value
    else:
        field.string_value = _readable(value)


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, list) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
