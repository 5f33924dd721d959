"""Checks of rows against a schema: columns in its order, each with its dtype."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.factorized import factorize
from kerasnn.datasets.cells.parsing import ColumnValues, category_text, dates, numbers
from kerasnn.datasets.files.frames import as_table
from kerasnn.datasets.names import check_names
from kerasnn.datasets.schema.schema import Column, Schema
from kerasnn.errors import InputError


def checked_table(table: Any, schema: Schema) -> pd.DataFrame:
    """Return the columns of a schema from a table, parsed by their kinds.

    The table's columns may have any order, and others are ignored. Categories that the
    schema does not contain stay as they are.

    Args:
        table: anything that `as_table` accepts.
        schema: from `infer_schema`.

    Returns:
        [rows, schema.names]: numeric columns float64 (missing: NaN), categorical and
        boolean ones object (str as `category_text` writes it, missing: None), datetime
        ones datetime64[s] (missing: NaT).

    Raises:
        InputError: a column is missing, or a cell is not a finite number or not a date;
            the message names column, row and value.
    """
    table = as_table(table)
    check_names(schema.names, table.columns)
    return pd.DataFrame(
        {column.name: _checked(table[column.name], column) for column in schema.columns},
        index=table.index,
    )


def check_numbers(name: str, values: ColumnValues) -> NDArray[np.float64]:
    """Return a column as finite numbers, NaN where missing.

    Raises:
        InputError: a cell is not a number or is infinite.
    """
    parsed, invalid = numbers(values)
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"column {name!r}, row {row}: {_cell(values, row)!r} is not a number. The"
            " column is numeric: its cells are numbers, or empty where missing"
        )
    infinite = np.isinf(parsed)
    if infinite.any():
        row = int(np.argmax(infinite))
        raise InputError(
            f"column {name!r}, row {row}: {parsed[row]} is not finite. Give a finite"
            " number, or leave the cell empty where it is missing"
        )
    return parsed


def check_dates(name: str, values: ColumnValues) -> NDArray[np.datetime64]:
    """Return a column as dates, NaT where missing.

    Raises:
        InputError: a cell is not a date.
    """
    parsed, invalid = dates(values)
    if invalid.any():
        row = int(np.argmax(invalid))
        raise InputError(
            f"column {name!r}, row {row}: {_cell(values, row)!r} is not a date. The column"
            " is of dates: its cells are YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (ISO 8601), or"
            " empty where missing"
        )
    return parsed


def _checked(series: pd.Series, column: Column) -> NDArray[Any] | pd.Series:
    if column.kind == "numeric":
        return check_numbers(column.name, series)
    if column.kind == "datetime":
        return check_dates(column.name, series)
    factorized = factorize(series)
    # As a Series of objects: a DataFrame would convert an array to pandas's text.
    texts = pd.Series(category_text(factorized), dtype=object)
    if column.kind == "boolean" and factorized.content == "booleans":
        # The text of true may be "yes" in the schema.
        texts = texts.replace(dict(zip(("False", "True"), column.levels, strict=False)))
    return texts


def _cell(values: ColumnValues, row: int) -> Any:
    column = factorize(values)
    return column.values[column.codes[row]]
