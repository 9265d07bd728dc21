"""Files kept with a run: copied once, named by what they hold, checkpoints bundled with the journal."""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hackmatrix.tracking.bundles import Bundle, BundleMaker, step_folder
from hackmatrix.tracking.journal import Journal
from hackmatrix.tracking.lines import STEP
from hackmatrix.tracking.protocol import ArtifactRecord, ConfigValue
from hackmatrix.tracking.records import artifact_line, read_records
from hackmatrix.tracking.run_folder import RunFolder, digest_file, sync_folder


class Artifacts:
    """The artifacts of one run on this disk; used under the tracker's saving lock.

    Args:
        folder: the run's files.
        metrics: the journal of rows, for its valid size.
        records: the journal of records, likewise.
        base: the checkpoint that this attempt goes on from.
    """

    def __init__(self, folder: RunFolder, metrics: Journal, records: Journal, base: Bundle | None) -> None:
        self._folder, self._metrics, self._records = folder, metrics, records
        self._maker = BundleMaker(folder, base)
        self._lines = [
            line
            for line in read_records(folder.records, 0, records.size)
            if line["kind"] == "artifact" and (folder.path / line["place"]).exists()
        ]

    @property
    def lines(self) -> Sequence[Mapping[str, Any]]:
        """The records of artifacts whose files are here."""
        return self._lines

    def keep(
        self,
        path: Path,
        *,
        name: str,
        step: int,
        type: str,  # noqa: A002 - the field's word
        aliases: Sequence[str],
        metadata: Mapping[str, ConfigValue],
        keep: int | None,
        upload: bool,
    ) -> dict[str, Any]:
        """Copy a file or folder into ``artifacts/<digest>/``; equal contents lie there once.

        Raises:
            FileNotFoundError: ``path`` is not there.
        """
        if not path.exists():
            raise FileNotFoundError(f"artifact {name!r}: there is no file or folder {str(path)!r}")
        self._folder.artifacts.mkdir(exist_ok=True)
        temporary = self._folder.artifacts / f".{name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        if path.is_dir():
            shutil.copytree(path, temporary)
        else:
            temporary.mkdir()
            shutil.copy2(path, temporary / path.name)
        digest = digest_folder(temporary)
        place = self._folder.artifacts / digest[:16]
        if place.exists():
            shutil.rmtree(temporary)
        else:
            temporary.replace(place)
            sync_folder(self._folder.artifacts)
        record = ArtifactRecord(
            name=name, type=type, step=step, digest=digest, aliases=tuple(aliases), metadata=metadata
        )
        return self._note(artifact_line(record, f"artifacts/{place.name}", keep, upload=upload))

    def bundle(
        self,
        path: Path,
        *,
        name: str,
        step: int,
        type: str,  # noqa: A002 - the field's word
        aliases: Sequence[str],
        metadata: Mapping[str, ConfigValue],
        keep: int | None,
        upload: bool,
        identity: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Make a checkpoint of a folder below the run's own; the folder is moved.

        Raises:
            FileNotFoundError: ``path`` is no folder.
            OSError: the disk refused; nothing was made.
        """
        if not path.is_dir():
            raise FileNotFoundError(f"checkpoint of step {step}: there is no folder {str(path)!r}")
        sizes = {"metrics": self._metrics.size, "records": self._records.size}
        self._maker.make(path, step, sizes, identity)
        digest = digest_file(self._folder.checkpoints / step_folder(step) / "manifest.json")
        record = ArtifactRecord(
            name=name,
            type=type,
            step=step,
            digest=digest,
            aliases=(*aliases, f"{name}-{step}"),
            metadata=metadata,
        )
        return self._note(artifact_line(record, f"checkpoints/{step_folder(step)}", keep, upload=upload))

    def _note(self, line: dict[str, Any]) -> dict[str, Any]:
        self._lines.append(line)
        return line

    def prune(self, name: str, keep: int | None) -> None:
        """Remove files of all but the newest ``keep`` of a name, and of the newest that is called ``best``."""
        if keep is None:
            return
        mine = [line for line in self._lines if line["name"] == name]
        best = [line for line in mine if "best" in line["aliases"]][-1:]
        places = (
            {line["place"] for line in [*mine[-keep:], *best]} if keep else {line["place"] for line in best}
        )
        gone = [line for line in mine if line["place"] not in places]
        others = {line["place"] for line in self._lines if line["name"] != name}
        self._lines = [line for line in self._lines if line not in gone]
        if any(line["place"].startswith("checkpoints/") for line in mine):
            spare = [line[STEP] for line in self._lines if line["place"].startswith("checkpoints/")]
            self._maker.prune(keep, spare)
        for place in {line["place"] for line in gone} - others:
            if place.startswith("artifacts/"):
                shutil.rmtree(self._folder.path / place, ignore_errors=True)

    def close(self) -> None:
        """Remove what was never completed."""
        with contextlib.suppress(OSError):
            self._folder.clear_temporary()


def digest_folder(folder: Path) -> str:
    """Hex SHA-256 over names and contents of the files below a folder."""
    import hashlib  # noqa: PLC0415 - keeps the package's import light

    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(f"{path.relative_to(folder).as_posix()}\0{digest_file(path)}\n".encode())
    return total.hexdigest()
