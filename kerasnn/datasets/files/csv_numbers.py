"""CSV files of finite numbers: errors name the row, line and column of a cell."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.text.csv_reader import open_text
from kerasnn.errors import InputError, list_names, suggestion


def read_numbers(
    path: str | Path,
    columns: Sequence[str],
    *,
    dtype: str = "float64",
    options: ReadOptions | None = None,
) -> pd.DataFrame:
    """Read some columns of a CSV file with a header line as numbers.

    Args:
        path: the file, UTF-8.
        columns: names, in the order wanted; other columns of the file are ignored.
        dtype: "float64" or "float32"; 1e300 is finite only in the first.
        options: how to read the file; None guesses.

    Returns:
        [rows, columns] of that type, all finite.

    Raises:
        InputError: the file is missing, unreadable, empty or ragged, a column is missing,
            or a cell is not a finite number; the message names file, row and column.
    """
    strictly = dataclasses.replace(options or ReadOptions(), strict=True)
    with open_text(Path(path), strictly, columns) as file:
        line_numbers, records = zip(*file.records(), strict=True)
        header = list(file.format.names)
    _check_columns(path, header, columns)
    table = pd.DataFrame(list(records), columns=header, dtype=str)[list(columns)]
    parsed = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    with np.errstate(over="ignore"):
        numbers = parsed.astype(dtype)
    invalid = np.argwhere(~np.isfinite(numbers.to_numpy()))
    if len(invalid):
        row, column = invalid[0]
        text = str(table.iat[row, column])
        if not text.strip():
            reason = "the value is missing"
        elif np.isnan(parsed.iat[row, column]):
            reason = f"{text!r} is not a number"
        else:
            reason = f"{text!r} is not finite in {dtype}"
        raise InputError(
            f"{path}: row {row + 1} (line {line_numbers[row]}),"
            f" column {columns[column]!r}: {reason}"
        )
    return numbers


def _check_columns(path: str | Path, header: list[str], columns: Sequence[str]) -> None:
    for name in columns:
        if name not in header:
            hint = suggestion(name, header) or "."
            raise InputError(
                f"{path}: has no column {name!r}{hint}"
                f" It has {list_names(header, 6)}; needed: {list_names(columns, 6)}"
            )
