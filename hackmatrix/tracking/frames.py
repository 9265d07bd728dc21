"""Columns of a run as arrays and frames of other packages, each with its own word for "not there"."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from hackmatrix.tracking.columns import Column
from hackmatrix.tracking.errors import MissingPackageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")


def needs(extra: str, *, offer: Callable[[], T]) -> T:
    """What ``offer`` imports.

    Raises:
        MissingPackageError: it is not installed; the message has the ``pip install`` that helps.
    """
    try:
        return offer()
    except ImportError as missing:
        raise MissingPackageError(
            f"this needs the package {missing.name!r}: pip install 'hackmatrix[{extra}]'", name=missing.name
        ) from missing


def numpy_arrays(columns: Mapping[str, Column]) -> "dict[str, np.ndarray[Any, Any]]":
    """Plain arrays; masked ones where rows lack the tag."""
    import numpy as np

    return {
        tag: values if present is None else np.ma.MaskedArray(values, mask=~present)
        for tag, (values, present) in columns.items()
    }


def pandas_frame(columns: Mapping[str, Column]) -> "pd.DataFrame":
    """A DataFrame; ``Int64`` and ``Float64`` with ``NA`` where rows lack the tag."""
    import pandas as pd

    def series(values: Any, present: Any) -> Any:
        if present is None:
            return values
        kind = pd.arrays.IntegerArray if values.dtype.kind == "i" else pd.arrays.FloatingArray
        return kind(values, ~present)

    return pd.DataFrame({tag: series(*column) for tag, column in columns.items()})


def polars_frame(columns: Mapping[str, Column]) -> "pl.DataFrame":
    """A DataFrame; null where rows lack the tag."""
    import polars as pl

    def series(tag: str, values: Any, present: Any) -> Any:
        whole = pl.Series(tag, values)
        if present is None:
            return whole
        nothing = pl.repeat(None, len(values), dtype=whole.dtype, eager=True)
        return whole.zip_with(pl.Series(present), nothing)

    return pl.DataFrame([series(tag, *column) for tag, column in columns.items()])


def arrow_table(columns: Mapping[str, Column]) -> "pa.Table":
    """A table; null where rows lack the tag."""
    import pyarrow as pa

    return pa.table(
        {
            tag: pa.array(values, mask=None if present is None else ~present, from_pandas=False)
            for tag, (values, present) in columns.items()
        }
    )
