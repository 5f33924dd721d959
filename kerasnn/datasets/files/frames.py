"""Tables of any origin as pandas DataFrames: files, DataFrames, Arrow, arrays, lists.

Column names become unique texts; rows are numbered 0, 1, 2, ..., as in messages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa

from kerasnn.datasets.files.cell_columns import (
    column_of_cells,
    frame_of_arrow,
    frame_of_cells,
)
from kerasnn.datasets.files.plain_columns import as_objects, parse_numbers
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.table_files import file_chunks, holds_text, table_files
from kerasnn.datasets.names import check_unique
from kerasnn.datasets.notices import Notice
from kerasnn.errors import InputError

_ROWS_AT_ONCE = 50_000  # read from a file in one block


@dataclass(frozen=True)
class TableRead:
    """A table that was read.

    Attributes:
        table: [rows, columns], see `as_table`.
        notices: guesses and repairs.
    """

    table: pd.DataFrame
    notices: tuple[Notice, ...] = ()


def read_table(
    source: Any, options: ReadOptions | None = None, needed: Iterable[str] = ()
) -> TableRead:
    """Return the rows of a source as a new DataFrame, and what was guessed or repaired.

    Args:
        source: see `as_table`.
        options: how to read a file; None guesses.
        needed: names of columns that the caller needs: the line of a text file that holds
            them is its header line.

    Raises:
        InputError: see `as_table`.
    """
    if not isinstance(source, (str, Path)):
        return TableRead(_from_object(source))
    notices: list[Notice] = []
    files = table_files(source)
    chunks = file_chunks(
        files, _ROWS_AT_ONCE, options=options, needed=needed, notices=notices
    )
    blocks = [block for _, block in chunks]
    table = blocks[0] if len(blocks) == 1 else pd.concat(blocks, ignore_index=True)
    if holds_text(files[0]):
        table = as_objects(parse_numbers(table, table.columns))
    return TableRead(table, tuple(notices))


def as_table(source: Any) -> pd.DataFrame:
    """Return the rows of a source as a new DataFrame.

    Args:
        source: the path of a file (text such as CSV, JSON, a workbook, Parquet or Arrow;
            plain or packed) or of a folder of files of one kind (see `table_files`); a
            pandas, polars or Arrow table; a dict of columns; a NumPy array [rows, columns],
            whose columns are named x0, x1, ... unless it is structured; a list of rows.

    Returns:
        [rows, columns], rows numbered from 0, names text. Columns of a text file that
        contain only plain numbers are float64, others text; "007" is text.

    Raises:
        InputError: it is none of these, a file cannot be used, or two columns have the
            same name.
    """
    return read_table(source).table


def _from_object(source: Any) -> pd.DataFrame:
    if isinstance(source, pd.DataFrame):
        table = source.reset_index(drop=True)
    elif isinstance(source, Mapping):
        table = _from_columns(source)
    elif isinstance(source, np.ndarray):
        table = _from_array(source)
    elif isinstance(source, (list, tuple)):
        table = _from_rows(source)
    else:
        table = _from_other_frame(source)
    names = [str(name) for name in table.columns]
    check_unique("the table has", names)
    return table.set_axis(names, axis="columns")


def _from_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    lengths = {}
    for name, values in columns.items():
        if not hasattr(values, "__len__") or isinstance(values, str):
            raise InputError(
                f"each column of a dict must be [rows]; {name!r} is {values!r}"
            )
        if getattr(values, "ndim", 1) != 1:
            raise InputError(
                f"each column of a dict must be [rows]; {name!r} has"
                f" {values.ndim} dimensions"
            )
        lengths[name] = len(values)
    if len(set(lengths.values())) > 1:
        raise InputError(
            "the columns of a dict must have the same number of rows; got "
            + ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        )
    return pd.DataFrame({name: _column(values) for name, values in columns.items()})


def _column(values: Any) -> Any:
    """Return a column with unchanged cells: NumPy would make text of [1, "a"]."""
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    if not isinstance(values, list):
        return values
    return column_of_cells(values)


def _from_array(array: np.ndarray) -> pd.DataFrame:
    if array.dtype.names is not None and array.ndim == 1:
        return _from_columns({name: array[name] for name in array.dtype.names})
    if array.ndim != 2:
        raise InputError(
            f"an array must be [rows, columns]; got {array.ndim} dimension"
            f"{'' if array.ndim == 1 else 's'}, {array.shape=}"
        )
    names = [f"x{i}" for i in range(array.shape[1])]
    return pd.DataFrame(array, columns=names).infer_objects()


def _from_rows(rows: Sequence[Any]) -> pd.DataFrame:
    if rows and all(isinstance(row, Mapping) for row in rows):
        names = dict.fromkeys(name for row in rows for name in row)
        return frame_of_cells({name: [row.get(name) for row in rows] for name in names})
    for i, row in enumerate(rows):
        if not isinstance(row, (list, tuple, np.ndarray)):
            raise InputError(
                f"a list must hold rows, each a list of cells; row {i} is {row!r}"
            )
        if len(row) != len(rows[0]):
            raise InputError(
                f"the rows of a list must have the same number of cells; row 0 has"
                f" {len(rows[0])} and row {i} has {len(row)}"
            )
    cells = np.empty((len(rows), len(rows[0]) if rows else 0), dtype=object)
    for i, row in enumerate(rows):
        cells[i] = row
    return _from_array(cells)


def _from_other_frame(source: Any) -> pd.DataFrame:
    """Convert polars, Arrow and other frames that narwhals knows."""
    frame = nw.from_native(source, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        if not hasattr(source, "__arrow_c_stream__"):
            raise InputError(
                "a table is a path, a pandas, polars or Arrow table, a dict of columns, an"
                f" array [rows, columns] or a list of rows; got {type(source).__name__}"
            )
        try:
            frame = nw.DataFrame.from_arrow(source, backend="pyarrow")
        except pa.ArrowInvalid:
            raise InputError(
                f"a table has columns with names; got a single column,"
                f" {type(source).__name__}: give a dict, {{'x': column}}"
            ) from None
    return pd.DataFrame({name: _pandas_column(frame[name]) for name in frame.columns})


def _pandas_column(column: nw.Series) -> pd.Series:
    if column.dtype in (nw.Categorical, nw.Enum):
        text = column.cast(nw.String).to_numpy()
        return pd.Series(text, dtype=object).astype("category")
    if column.dtype.is_integer() and column.null_count():
        return frame_of_arrow(pa.table({"": column.to_arrow()}))[""]
    values = column.to_numpy()
    return pd.Series(values if values.ndim == 1 else column.to_list())  # structs are 2-D
