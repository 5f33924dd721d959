"""The cells of one column read as numbers or as dates, and which of them are neither."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.datasets.cells import (
    MOST_WHOLE,
    Cells,
    as_series,
    read_cells,
    taken,
    to_second,
)

_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)",
    re.ASCII | re.IGNORECASE,
)
# Of the numbers those that `_is_plain_number` need not look at: most of them.
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def numbers(
    values: ArrayLike | pd.Series | Cells,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A column read as numbers.

    Args:
        values: [rows], of any dtype; text is read as Python and JSON write numbers.

    Returns:
        [rows] float64, NaN where missing; and [rows], True where a cell is no number.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    if not isinstance(values, Cells):
        series = as_series(values)
        if _is_number_dtype(series.dtype):
            read = series.to_numpy(dtype=np.float64, na_value=np.nan)
            return read, np.zeros(len(read), dtype=bool)
    cells = values if isinstance(values, Cells) else read_cells(values)
    if cells.content == "numbers":
        read = taken(cells.values, cells.codes, np.nan, np.float64)
        return read, np.zeros(len(read), dtype=bool)
    return _each(cells, _number, np.nan, np.float64)


def dates(
    values: ArrayLike | pd.Series | Cells,
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """A column read as dates; text must be ISO 8601, and times with a zone become UTC.

    Args:
        values: [rows], of any dtype.

    Returns:
        [rows] datetime64[s], NaT where missing; and [rows], True where a cell is no date.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    cells = values if isinstance(values, Cells) else read_cells(values)
    return _each(cells, _date, np.datetime64("NaT", "s"), "datetime64[s]")


def plain_numbers(texts: Sequence[str | None]) -> NDArray[np.float64] | None:
    """The cells of a CSV column as numbers.

    Args:
        texts: None where missing.

    Returns:
        [rows], NaN where missing; None if a cell is no plain number, or all are missing.
    """
    present = [text for text in texts if text is not None]
    plain = _PLAIN.fullmatch
    if not present or not all(plain(t) or _is_plain_number(t.strip()) for t in present):
        return None
    found = np.array(present, dtype=object).astype(np.float64)
    if len(found) == len(texts):
        return found
    read = np.full(len(texts), np.nan)
    read[[text is not None for text in texts]] = found
    return read


def are_plain_numbers(cells: Cells) -> bool:
    """Whether all values are numbers, or text that would lose nothing as float64.

    "007" would, and so would a whole number of 17 digits: they are codes.
    """
    if cells.content == "numbers":
        return True
    return cells.content == "text" and all(map(_is_plain_number, cells.values))


def _is_plain_number(text: str) -> bool:
    if _NUMBER.fullmatch(text) is None or _LEADING_ZERO.match(text):
        return False
    return not (text.lstrip("+-").isdigit() and abs(int(text)) > MOST_WHOLE)


def _is_number_dtype(dtype: Any) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)


def _each(
    cells: Cells, read: Callable[[Any], Any], missing: Any, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Every value read once; where `read` gives None it is wrong."""
    found = [read(value) for value in cells.values]
    wrong = [value is None for value in found]
    found = [missing if value is None else value for value in found]
    return (
        taken(found, cells.codes, missing, dtype),
        taken(wrong, cells.codes, False, bool),
    )


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, (dt.date, np.datetime64)):
        return None
    return float(value)


def _date(value: Any) -> np.datetime64 | None:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return to_second(dt.datetime.fromisoformat(value))
        except (ValueError, OverflowError):  # 30 February; year 10,000 in UTC
            return None
    return to_second(value) if isinstance(value, (dt.date, np.datetime64)) else None
