"""Histograms, texts and images on their way into ``records.jsonl``."""

import math
import reprlib
import time
from collections.abc import Callable
from typing import Any

from hackmatrix.tracking.errors import MetricValueError
from hackmatrix.tracking.protocol import MediaRecord
from hackmatrix.tracking.run_folder import RunFolder, write_whole
from hackmatrix.tracking.values import keep_array

_GREY, _RGB, _RGBA = 2, 3, 4
_NO_NUMBERS = frozenset("OSUcmM")  # NumPy's kinds; other packages' dtypes have none


def histogram_record(tag: str, values: Any, step: int, bins: int) -> Callable[[], MediaRecord]:
    """The distribution of an array's finite values; counted on the writer's thread."""
    if bins < 1:
        raise MetricValueError(f"bins is {bins!r}, expected an integer >= 1")
    now = time.time()
    kept = _kept(values, f"histogram {tag!r}")

    def count() -> MediaRecord:
        import numpy as np

        array = np.asarray(kept, dtype=np.float64).ravel()
        array = array[np.isfinite(array)]
        counts, edges = np.histogram(array, bins=bins)
        with np.errstate(over="ignore"):
            sums = np.nan_to_num([array.sum(), np.square(array).sum()])  # JSON has no infinity
        data = {
            "counts": counts.tolist(),
            "edges": edges.tolist(),
            "min": float(array.min()) if array.size else 0.0,
            "max": float(array.max()) if array.size else 0.0,
            "sum": float(sums[0]),
            "sum_squares": float(sums[1]),
        }
        return MediaRecord(kind="histogram", tag=tag, step=step, timestamp=now, data=data)

    return count


def counted_record(tag: str, counts: Any, edges: Any, step: int) -> Callable[[], MediaRecord]:
    """A distribution that was counted elsewhere: (n,) counts between (n+1,) rising edges."""
    now = time.time()
    kept, marks = _kept(counts, f"histogram {tag!r}"), _kept(edges, f"edges of histogram {tag!r}")
    if len(kept.shape) != 1 or tuple(marks.shape) != (kept.shape[0] + 1,):
        raise MetricValueError(
            f"histogram {tag!r} has counts of shape {tuple(kept.shape)} and edges of shape "
            f"{tuple(marks.shape)}, expected (n,) and (n+1,)"
        )

    import numpy as np

    def check_edges() -> None:
        at = np.asarray(marks)
        if not ((at[1:] > at[:-1]).all() and math.isfinite(at[0]) and math.isfinite(at[-1])):
            raise MetricValueError(
                f"edges of histogram {tag!r} are {reprlib.repr(at)}; give finite ones that rise"
            )

    if isinstance(marks, np.ndarray):
        check_edges()  # else on the writer's thread, which may wait for a device

    def record() -> MediaRecord:
        if not isinstance(marks, np.ndarray):
            check_edges()
        numbers, at = np.asarray(kept, dtype=np.float64), np.asarray(marks, dtype=np.float64)
        # As training may make them: told, not raised.
        if not (np.isfinite(numbers).all() and (numbers >= 0).all()):
            raise MetricValueError(
                f"counts of histogram {tag!r} are {reprlib.repr(numbers)}; give finite ones, none below 0"
            )
        middles, (held,) = (at[:-1] + at[1:]) / 2, np.nonzero(numbers)
        data = {
            "counts": np.rint(numbers).astype(np.int64).tolist(),
            "edges": at.tolist(),
            "min": float(at[held[0]]) if len(held) else 0.0,
            "max": float(at[held[-1] + 1]) if len(held) else 0.0,
            "sum": float((numbers * middles).sum()),
            "sum_squares": float((numbers * np.square(middles)).sum()),
        }
        return MediaRecord(kind="histogram", tag=tag, step=step, timestamp=now, data=data)

    return record


def _kept(values: Any, what: str) -> Any:
    """An array as it is now; the caller may change his."""
    if hasattr(values, "shape"):
        if getattr(getattr(values, "dtype", None), "kind", None) in _NO_NUMBERS:
            raise MetricValueError(f"{what} has dtype {values.dtype}, expected numbers; convert it first")
        return keep_array(values, tuple(values.shape), what)
    import numpy as np

    try:
        array = np.array(values)
    except ValueError as problem:  # lists of several lengths
        raise MetricValueError(f"{what} is no array: {problem}; give equally long lists") from problem
    if array.dtype.kind not in "biuf":
        raise MetricValueError(
            f"{what} is {reprlib.repr(values)}, expected an array of numbers; leave out what is none"
        )
    return array.astype(np.float64)


def text_record(tag: str, text: str, step: int) -> Callable[[], MediaRecord]:
    """A text as it is now."""
    if not isinstance(text, str):
        raise MetricValueError(f"text {tag!r} is of type {type(text).__name__}, expected a str")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MetricValueError(
            f"text {tag!r} is no valid Unicode; decode it with errors='replace'"
        ) from error
    record = MediaRecord(kind="text", tag=tag, step=step, timestamp=time.time(), data={"text": text})
    return lambda: record


def check_image(tag: str, image: Any) -> tuple[int, ...]:
    """Refuse what is no image; its shape."""
    shape = tuple(getattr(image, "shape", ()))
    if len(shape) not in (_GREY, _RGB) or (len(shape) == _RGB and shape[2] not in (1, _RGB, _RGBA)):
        raise MetricValueError(f"image {tag!r} has shape {shape}, expected (H, W), (H, W, 3) or (H, W, 4)")
    if 0 in shape:
        raise MetricValueError(f"image {tag!r} has shape {shape}, in which there is no pixel")
    return shape


def image_record(tag: str, image: Any, step: int, folder: RunFolder) -> Callable[[], MediaRecord]:
    """An image, stored as PNG below ``artifacts/`` on the writer's thread."""
    shape = check_image(tag, image)
    now = time.time()
    kept = _kept(image, f"image {tag!r}")

    def store() -> MediaRecord:
        import hashlib  # noqa: PLC0415 - keeps the package's import light

        import numpy as np

        array = np.asarray(kept)
        if array.dtype != np.uint8:
            array = np.round(np.clip(np.nan_to_num(array.astype(np.float64)), 0.0, 1.0) * 255.0).astype(
                np.uint8
            )
        png = _png(array.reshape(*shape[:2], -1))
        place = folder.artifacts / f"image-{hashlib.sha256(png).hexdigest()[:16]}"
        place.mkdir(parents=True, exist_ok=True)
        write_whole(place / "image.png", png)
        file = (place / "image.png").relative_to(folder.path).as_posix()
        data = {"file": file, "height": shape[0], "width": shape[1]}
        return MediaRecord(kind="image", tag=tag, step=step, timestamp=now, data=data)

    return store


def _png(pixels: Any) -> bytes:
    """PNG of a uint8 (H, W, C) array, C in 1, 3, 4. Source: the PNG specification, third edition."""
    import struct  # noqa: PLC0415 - keeps the package's import light
    import zlib  # noqa: PLC0415 - likewise

    height, width, channels = pixels.shape
    color = {1: 0, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + pixels[row].tobytes() for row in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
