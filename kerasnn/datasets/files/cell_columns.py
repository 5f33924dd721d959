"""Columns of Python objects, as JSON and workbooks hold them, in a DataFrame."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd


def frame_of_cells(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return a DataFrame with unchanged cells: NumPy would make text of [1, "a"]."""
    return pd.DataFrame({name: column_of_cells(cells) for name, cells in columns.items()})


def column_of_cells(cells: Sequence[Any]) -> pd.Series:
    """Return a column with unchanged cells, of the dtype that holds them all."""
    column = pd.Series(cells, dtype=object)
    try:
        return column.infer_objects()
    except UnicodeEncodeError:  # half a surrogate pair, which Arrow's text cannot hold
        return column


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
