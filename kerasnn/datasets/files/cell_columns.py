"""Columns of Python objects, as JSON and workbooks hold them, in a DataFrame."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from kerasnn.datasets.cells.factorized import MAX_EXACT_WHOLE

_WHOLE: dict[pa.DataType, Any] = {
    pa.int64(): pd.Int64Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def frame_of_cells(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return a DataFrame with unchanged cells: NumPy would make text of [1, "a"]."""
    return pd.DataFrame({name: column_of_cells(cells) for name, cells in columns.items()})


def column_of_cells(cells: Sequence[Any]) -> pd.Series:
    """Return a column with unchanged cells, of the dtype that holds them all."""
    column = pd.Series(cells, dtype=object)
    try:
        found = column.infer_objects()
    except UnicodeEncodeError:  # half a surrogate pair, which Arrow's text cannot hold
        return column
    is_exact = found.dtype != float or not any(
        isinstance(cell, int) and abs(cell) > MAX_EXACT_WHOLE for cell in cells
    )
    return found if is_exact else column


def frame_of_arrow(table: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """Return the rows of Arrow; whole numbers beside missing ones keep their digits."""
    frame = table.to_pandas()
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if column.null_count and column.type in _WHOLE and name in frame:
            frame[name] = pd.Series(
                _WHOLE[column.type].__from_arrow__(column), index=frame.index
            )
    return frame


def with_missing(table: pd.DataFrame, texts: Iterable[str]) -> pd.DataFrame:
    """Return a table in which cells of these texts are missing."""
    wanted = set(texts)
    if not wanted:
        return table
    return pd.DataFrame(
        {
            name: column.mask(column.map(lambda c: _bare(c) in wanted), None)
            if column.dtype == object or isinstance(column.dtype, pd.StringDtype)
            else column
            for name, column in table.items()
        }
    )


def _bare(cell: Any) -> str | None:
    return cell.strip() if isinstance(cell, str) else None
