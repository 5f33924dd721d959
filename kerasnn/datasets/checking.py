"""Rows held to a schema: the columns that it names, in its order, each of its dtype."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.datasets.cells import Cells, category_text, read_cells
from kerasnn.datasets.names import check_names
from kerasnn.datasets.readings import dates, numbers
from kerasnn.datasets.schema import Column, Schema
from kerasnn.datasets.tables import as_table
from kerasnn.errors import InputError


def checked_table(table: Any, schema: Schema) -> pd.DataFrame:
    """The rows of a table as the schema has them.

    Columns may come in any order and there may be more of them; categories that the
    schema has not seen stay as they are.

    Args:
        table: anything that `as_table` takes.
        schema: from `infer_schema`.

    Returns:
        [rows, schema.names]: numeric columns float64 (missing: NaN), categorical and
        boolean ones object (str as `category_text` writes it, missing: None), datetime
        ones datetime64[s] (missing: NaT).

    Raises:
        InputError: a column is not there, or a cell is no number, infinite, or no date;
            the message names column, row and value.
    """
    table = as_table(table)
    check_names(schema.names, table.columns)
    return pd.DataFrame(
        {column.name: _checked(table[column.name], column) for column in schema.columns},
        index=table.index,
    )


def check_numbers(name: str, values: ArrayLike | pd.Series | Cells) -> NDArray[np.float64]:
    """A column as finite numbers, NaN where missing.

    Raises:
        InputError: a cell is no number or infinite.
    """
    found, wrong = numbers(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"column {name!r}, row {row}: {_cell(values, row)!r} is not a number. The"
            " column is numeric: its cells are numbers, or empty where missing"
        )
    infinite = np.isinf(found)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise InputError(
            f"column {name!r}, row {row}: {found[row]} is not finite. Give a finite"
            " number, or leave the cell empty where it is missing"
        )
    return found


def check_dates(name: str, values: ArrayLike | pd.Series | Cells) -> NDArray[np.datetime64]:
    """A column as dates, NaT where missing.

    Raises:
        InputError: a cell is no date.
    """
    found, wrong = dates(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"column {name!r}, row {row}: {_cell(values, row)!r} is not a date. The column"
            " is of dates: its cells are YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or"
            " empty where missing"
        )
    return found


def _checked(series: pd.Series, column: Column) -> NDArray[Any] | pd.Series:
    if column.kind == "numeric":
        return check_numbers(column.name, series)
    if column.kind == "datetime":
        return check_dates(column.name, series)
    cells = read_cells(series)
    # As a Series of objects: a DataFrame would make pandas's own text of an array.
    texts = pd.Series(category_text(cells), dtype=object)
    if column.kind == "boolean" and cells.content == "booleans":
        # True is the text of true, which may be "yes".
        texts = texts.replace(dict(zip(("False", "True"), column.levels, strict=False)))
    return texts


def _cell(values: ArrayLike | pd.Series | Cells, row: int) -> Any:
    cells = values if isinstance(values, Cells) else read_cells(values)
    return cells.values[cells.codes[row]]
