"""Tables of any origin as pandas DataFrames: files, DataFrames, Arrow, arrays, lists.

Columns get text names, each a different one, and rows the numbers 0, 1, 2, ...: the rows
that messages speak of. What the cells mean is left to `inference` and `checking`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from kerasnn.datasets.csv_table import numbers_where_possible
from kerasnn.datasets.names import check_different
from kerasnn.datasets.table_files import file_chunks, is_csv, table_files
from kerasnn.errors import InputError, check_whole_number

_BLOCK = 50_000  # rows taken from a file at a time where all are wanted


def as_table(source: Any) -> pd.DataFrame:
    """The rows of a source as a DataFrame of its own.

    Args:
        source: the path of a CSV file (plain or .gz), of a Parquet file or of a folder of
            files of one kind (see `table_files`); a pandas, polars or Arrow table; a dict
            of columns; a NumPy array [rows, columns], whose columns are named x0, x1, ...
            unless it is a structured one; a list of rows.

    Returns:
        [rows, columns], rows numbered from 0, names text. In a CSV file the columns that
        hold nothing but plain numbers are float64, others text; "007" is text.

    Raises:
        InputError: it is none of these, a file cannot be used, or two columns have one
            name.
    """
    if isinstance(source, (str, Path)):
        files = table_files(source)
        blocks = [block for _, block in file_chunks(files, _BLOCK)]
        table = blocks[0] if len(blocks) == 1 else pd.concat(blocks, ignore_index=True)
        return numbers_where_possible(table) if is_csv(files[0]) else table
    elif isinstance(source, pd.DataFrame):
        table = source.reset_index(drop=True)
    elif isinstance(source, Mapping):
        table = _of_columns(source)
    elif isinstance(source, np.ndarray):
        table = _of_array(source)
    elif isinstance(source, (list, tuple)):
        table = _of_rows(source)
    else:
        table = _of_other_frame(source)
    return _with_names(table)


def table_chunks(path: str | Path | Sequence[Path], rows: int) -> Iterator[pd.DataFrame]:
    """The rows of a file or of the files of a folder, so many at a time.

    A CSV file's cells stay text: whether a column is all numbers is known at its end.
    What is in memory does not grow with the rows of a file.

    Args:
        path: as for `as_table`; or what `table_files` gave for it: who reads twice will
            have the same files, and is told of one that is gone.
        rows: the most that a chunk has.

    Raises:
        InputError: the file cannot be used; the message names it.
    """
    check_whole_number("rows", rows, least=1)
    files = table_files(path) if isinstance(path, (str, Path)) else path
    for _, chunk in file_chunks(files, rows):
        yield chunk


def _with_names(table: pd.DataFrame) -> pd.DataFrame:
    names = [str(name) for name in table.columns]
    check_different("the table has", names)
    return table.set_axis(names, axis="columns")


def _of_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
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
    return pd.DataFrame({name: _own(values) for name, values in columns.items()})


def _own(values: Any) -> Any:
    """A list's cells as they are: NumPy would make text of [1, "a"]."""
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    if not isinstance(values, list):
        return values
    cells = pd.Series(values, dtype=object)
    try:
        return cells.infer_objects()
    except UnicodeEncodeError:  # half a surrogate pair, which Arrow's text cannot hold
        return cells


def _of_array(array: np.ndarray) -> pd.DataFrame:
    if array.dtype.names is not None and array.ndim == 1:
        return pd.DataFrame({name: array[name] for name in array.dtype.names})
    if array.ndim != 2:
        raise InputError(
            f"an array must be [rows, columns]; got {array.ndim} dimension"
            f"{'' if array.ndim == 1 else 's'}, {array.shape=}"
        )
    names = [f"x{i}" for i in range(array.shape[1])]
    return pd.DataFrame(array, columns=names).infer_objects()


def _of_rows(rows: Sequence[Any]) -> pd.DataFrame:
    if rows and all(isinstance(row, Mapping) for row in rows):
        return pd.DataFrame(list(rows))
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
    return _of_array(cells)


def _of_other_frame(source: Any) -> pd.DataFrame:
    """Polars, Arrow and what else narwhals knows; without it pandas needs pyarrow."""
    frame = nw.from_native(source, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        if not hasattr(source, "__arrow_c_stream__"):
            raise InputError(
                "a table is a path, a pandas, polars or Arrow table, a dict of columns, an"
                f" array [rows, columns] or a list of rows; got {type(source).__name__}"
            )
        frame = nw.DataFrame.from_arrow(source, backend="pyarrow")
    return pd.DataFrame({name: _pandas_column(frame[name]) for name in frame.columns})


def _pandas_column(column: nw.Series) -> pd.Series:
    if column.dtype in (nw.Categorical, nw.Enum):
        text = column.cast(nw.String).to_numpy()
        return pd.Series(text, dtype=object).astype("category")
    return pd.Series(column.to_numpy())
