"""Rows for TensorBoard: event files that hold each step once, whoever reads them."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path

from hackmatrix.tracking.backends import tensorboard_events as events
from hackmatrix.tracking.backends.event_file import framed, read_record, read_records, remove_ranges
from hackmatrix.tracking.errors import BackendOptionError, BackendSetupError
from hackmatrix.tracking.protocol import Config, MediaRecord, Number, Precision, Row, RunInfo, Status

_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OURS = re.compile(r"events\.out\.tfevents\.[0-9]+\.hackmatrix\.[0-9]+")
_TIME = re.compile(r"tfevents\.([0-9]{1,15})")
_LATEST = 9_999_999_000  # unix seconds; a clock beyond it would need a digit more, and sort wrongly
_HEAD = 4  # records at the beginning of a file that are not about a step


class TensorBoardBackend:
    """Writes event files into the run's folder: ``tensorboard --logdir runs`` shows every run.

    Each ``open`` begins a file whose name sorts behind all others, since TensorBoard reads in this order.
    One event holds a row with all its tags and its own time. Rows to be discarded are cut out of the older
    files, for readers that ignore TensorBoard's own mark of a restart. Hyperparameters are those of the first
    file, all that TensorBoard looks at; the config as text follows its changes.

    Args:
        subdir: a folder inside the run's folder; empty for the run's folder itself.

    Raises:
        BackendOptionError: ``subdir`` is no name of a folder.
    """

    precision: Precision = "float32"
    url: str | None = None

    def __init__(self, *, subdir: str = "") -> None:
        if subdir and (not _FOLDER_NAME.fullmatch(subdir) or subdir.endswith(".")):
            raise BackendOptionError(
                f"tracker option tensorboard.subdir is {subdir!r}, expected the name of a folder inside the "
                f"run's: letters, digits, '.', '_' and '-'"
            )
        self._subdir = subdir
        self._file: FileIO | None = None
        self._held: int | None = None

    def open(self, run: RunInfo, config: Config) -> int | None:
        """Repair the newest file, and say which step is the last in all of them."""
        if run.folder is None:
            raise BackendSetupError(
                "tracker 'tensorboard' writes into the run's folder, and this run has none"
            )
        self._run, self._config = run, config
        self._folder = run.folder / self._subdir
        self._folder.mkdir(parents=True, exist_ok=True)
        files = self._files()
        if files:
            self._repair(files[0])
        self._held = self._last_step()
        if self._held is None:
            self.discard_after(None)  # media alone would be written again
        return self._held

    def discard_after(self, step: int | None) -> bool:
        """Cut later rows and media out of the files, and begin a new one."""
        self._let_go()
        after = -1 if step is None else step
        is_new = not self._files()
        for path in self._files():
            if self._cut_file(path, after):
                break  # rows ascend from file to file
        self._begin(None if is_new else after)
        return True

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows; the system has them when this returns."""
        self._append(map(events.row_event, rows))

    def write_media(self, record: MediaRecord, path: Path | None) -> bool:
        """Append a histogram, a text or an image."""
        event = events.media_event(record, path)
        if event is not None:
            self._append([event])
        return event is not None

    def flush(self, timeout: float) -> None:
        """Every row is in its file already."""

    def close(self, status: Status | None, summary: Mapping[str, Number], timeout: float) -> int | None:
        """End the file, and read back which step is the last."""
        del timeout
        if status is None:
            self._let_go()
            return None
        last = self._last_step()
        ending = [events.session_end(status, last or 0)]
        if summary:
            ending.insert(0, events.table_event(events.SUMMARY_TAG, summary, last or 0))
        self._append(ending)
        self._let_go()
        return last

    def _append(self, data: Iterable[bytes]) -> None:
        if self._file is None:
            self._begin(self._held)
        assert self._file is not None
        left = memoryview(b"".join(map(framed, data)))
        while left:  # an unbuffered file takes what it can; whatever is torn is repaired at the next open
            left = left[self._file.write(left) or 0 :]

    def _begin(self, resumed_after: int | None) -> None:
        """Begin a file; none if there was none before, -1 if no step of them is left."""
        names = [path.name for path in self._folder.iterdir()]
        newest = max((int(found.group(1)) for found in map(_TIME.search, names) if found), default=0)
        moment = max(min(int(time.time()), _LATEST), newest + 1)
        path = self._folder / f"events.out.tfevents.{moment:010}.hackmatrix.{self._run.attempt:06}"
        has_hparams, config = self._known_config()
        head = [events.file_version()]
        first = 0 if resumed_after is None else resumed_after + 1
        if resumed_after is not None:
            head.append(events.session_start(first))
        if self._config and not has_hparams:
            head.append(events.hparams_event(self._config))
        if self._config and config != events.table_text(self._config).encode():
            head.append(events.table_event(events.CONFIG_TAG, self._config, first))
        self._file = path.open("xb", buffering=0)
        self._append(head)

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    # The files of this run and earlier attempts.

    def _files(self) -> list[Path]:
        """Newest first."""
        return sorted(
            (path for path in self._folder.iterdir() if _OURS.fullmatch(path.name)),
            key=lambda path: path.name,
            reverse=True,
        )

    def _repair(self, path: Path) -> None:
        end = 0
        for record in read_records(path):
            end = record.end
        size = path.stat().st_size
        if end < size:
            remove_ranges(path, [(end, size)], self._aside(path, "torn"))

    def _last_step(self) -> int | None:
        for path in self._files():
            starts = [record.start for record in read_records(path)]
            for start in reversed(starts):
                content = events.read_event(read_record(path, start))
                if content.is_row:
                    return content.step
        return None

    def _known_config(self) -> tuple[bool, bytes | None]:
        """Whether a file holds hyperparameters, and the newest text of the config."""
        contents = [content for path in self._files() for content in _head(path)]
        texts = (content.config for content in contents if content.config is not None)
        return any(content.has_hparams for content in contents), next(texts, None)

    def _cut_file(self, path: Path, after: int) -> bool:
        """Take the steps beyond ``after`` out of a file; whether a row is left in it."""
        gone: list[tuple[int, int]] = []
        newest, anything_left, row_left = -1, False, False
        for record in read_records(path):
            if row_left and events.read_step(record.data) <= after:
                continue
            content = events.read_event(record.data)
            if content.counts and content.step > after:
                gone.append((record.start, record.end))
                newest = max(newest, content.step)
            elif content.counts:
                anything_left, row_left = True, row_left or content.is_row
        # What the journal still holds will be written again, and is not worth keeping twice.
        last = self._run.last_step
        lost = bool(gone) and (last is None or newest > last)
        aside = self._aside(path, f"after-step-{after}" if after >= 0 else "whole") if lost else None
        if not anything_left:
            path.unlink() if aside is None else path.replace(aside)
        elif gone:
            remove_ranges(path, gone, aside)
        return row_left

    def _aside(self, path: Path, why: str) -> Path:
        """A free name in ``discarded/``, without the word by which TensorBoard finds its files."""
        assert self._run.folder is not None
        folder = self._run.folder / "discarded"
        folder.mkdir(exist_ok=True)
        stem = f"{path.name.replace('events.out.tfevents', 'tensorboard')}-{why}"
        names = (f"{stem}-{number}" if number else stem for number in range(1_000_000))
        return next(target for name in names if not (target := folder / name).exists())


def _head(path: Path) -> Iterator[events.Content]:
    for _, record in zip(range(_HEAD), read_records(path), strict=False):
        yield events.read_event(record.data)
