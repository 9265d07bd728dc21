"""``export``: the rows of a run as a file that other programs read."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hackmatrix.tracking.cli.finding import open_run
from hackmatrix.tracking.cli.json_array import print_json
from hackmatrix.tracking.cli.show import chosen
from hackmatrix.tracking.columns import Column
from hackmatrix.tracking.frames import arrow_table, needs
from hackmatrix.tracking.roots import DEFAULT_ROOT

_BLOCK_ROWS = 65536


@click.command(short_help="Write the rows of a run as .csv or .parquet.")
@click.argument("name", metavar="RUN")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE")
@click.option("--metric", "globs", multiple=True, metavar="GLOB", help="Only these tags; may be repeated.")
@click.option("--root", type=click.Path(path_type=Path), default=DEFAULT_ROOT, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print one array with one object: file, rows, columns.")
def export(name: str, output: Path, globs: tuple[str, ...], root: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Write the rows of a run into FILE, one for each step, as .csv or .parquet.

    Numbers keep every bit. What a row lacks is an empty field in .csv and null in .parquet; NaN is nan.

    \b
    Examples:
      hackmatrix-runs export RUN -o run.csv
      hackmatrix-runs export RUN -o run.parquet --metric "train/*"
    """  # noqa: D301 - \b is click's mark for text that keeps its lines
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    suffix = output.suffix.lower()
    if suffix not in writers:
        raise click.UsageError(f"{str(output)!r} ends in none of {', '.join(writers)}")
    if not output.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {str(output.parent)!r}; make it first")
    columns = chosen(open_run(name, root).read_columns(), globs)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        writers[suffix](columns, temporary)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    rows = len(columns["_step"].values)
    if as_json:
        print_json([{"file": str(output), "rows": rows, "columns": list(columns)}])
    else:
        click.echo(f"{output}: {rows:,} rows, {len(columns)} columns")


def _write_csv(columns: Mapping[str, Column], path: Path) -> None:
    rows = len(columns["_step"].values)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for start in range(0, rows, _BLOCK_ROWS):
            block = [_fields(column, slice(start, start + _BLOCK_ROWS)) for column in columns.values()]
            writer.writerows(zip(*block, strict=True))


def _fields(column: Column, part: slice) -> list[Any]:
    values: list[Any] = column.values[part].tolist()
    if column.present is None:
        return values
    return [x if here else None for x, here in zip(values, column.present[part].tolist(), strict=True)]


def _write_parquet(columns: Mapping[str, Column], path: Path) -> None:
    def write() -> None:
        import pyarrow.parquet as pq

        pq.write_table(arrow_table(columns), path)

    needs("cli", offer=write)
