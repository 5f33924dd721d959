"""The cells of one column as numbers, dates or texts, and which cells are invalid."""

import datetime as dt
import math
import numbers as number_types
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.datasets.cells.factorized import (
    WHOLE_AS_FLOAT,
    FactorizedColumn,
    as_series,
    factorize,
)

ColumnValues = ArrayLike | pd.Series | FactorizedColumn

_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)",
    re.ASCII | re.IGNORECASE,
)
# Most numbers match this; only the others need the slower `_is_plain_number`.
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_WHOLE_AS_FLOAT = re.compile(WHOLE_AS_FLOAT)
# Beyond this a float64 does not distinguish two neighbouring whole numbers.
_MAX_EXACT_WHOLE = 2.0**53


def category_text(values: ColumnValues) -> NDArray[np.object_]:
    """Return the texts of a column's levels, the same for every dtype of the column.

    A whole number gives "3", whether it is an integer, a float or the text "3.0"; another
    float gives its text in Python; booleans give "True" and "False", dates
    "2020-12-31T00:00:00". Text stays as it is, without outer blanks.

    Args:
        values: [rows], of any dtype.

    Returns:
        [rows] of str, or None where missing.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    column = factorize(values)
    return column.take([_text(value) for value in column.values], None, object)


def numbers(values: ColumnValues) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Parse a column as numbers.

    Args:
        values: [rows], of any dtype; text is parsed as Python and JSON write numbers.

    Returns:
        [rows] float64, NaN where missing; and [rows], True where a cell is not a number.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    if not isinstance(values, FactorizedColumn):
        series = as_series(values)
        if _is_number_dtype(series.dtype):
            parsed = series.to_numpy(dtype=np.float64, na_value=np.nan)
            return parsed, np.zeros(len(parsed), dtype=bool)
    column = factorize(values)
    if column.content == "numbers":
        parsed = column.take(column.values, np.nan, np.float64)
        return parsed, np.zeros(len(parsed), dtype=bool)
    return _parse_each(column, _number, np.nan, np.float64)


def dates(values: ColumnValues) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Parse a column as dates; text must be ISO 8601, times with a zone become UTC.

    Args:
        values: [rows], of any dtype.

    Returns:
        [rows] datetime64[s], NaT where missing; and [rows], True where a cell is not a
        date.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    missing = np.datetime64("NaT", "s")
    return _parse_each(factorize(values), _date, missing, "datetime64[s]")


def plain_numbers(texts: Sequence[str | None]) -> NDArray[np.float64] | None:
    """Parse the cells of a CSV column as numbers if all of them are plain numbers.

    Args:
        texts: None where missing.

    Returns:
        [rows], NaN where missing; None if a cell is not a plain number, or all are missing.
    """
    present = [text for text in texts if text is not None]
    plain = _PLAIN.fullmatch
    if not present or not all(plain(t) or _is_plain_number(t.strip()) for t in present):
        return None
    found = np.array(present, dtype=object).astype(np.float64)
    if len(found) == len(texts):
        return found
    parsed = np.full(len(texts), np.nan)
    parsed[[text is not None for text in texts]] = found
    return parsed


def are_plain_numbers(column: FactorizedColumn) -> bool:
    """Return whether all values are numbers, or texts that float64 represents exactly.

    "007" and whole numbers of 17 digits would lose digits: they are codes.
    """
    if column.content == "numbers":
        return True
    return column.content == "text" and all(map(_is_plain_number, column.values))


def _is_plain_number(text: str) -> bool:
    if _NUMBER.fullmatch(text) is None or _LEADING_ZERO.match(text):
        return False
    return not (text.lstrip("+-").isdigit() and abs(int(text)) > _MAX_EXACT_WHOLE)


def _is_number_dtype(dtype: Any) -> bool:
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)


def _parse_each(
    column: FactorizedColumn, parse: Callable[[Any], Any], missing: Any, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Parse every distinct value once; a cell is invalid where `parse` returns None."""
    parsed = [parse(value) for value in column.values]
    invalid = [value is None for value in parsed]
    parsed = [missing if value is None else value for value in parsed]
    return column.take(parsed, missing, dtype), column.take(invalid, False, bool)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, (dt.date, np.datetime64)):
        return None
    return float(value)


def _date(value: Any) -> np.datetime64 | None:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return _to_second(dt.datetime.fromisoformat(value))
        except (ValueError, OverflowError):  # 30 February; year 10,000 in UTC
            return None
    return _to_second(value) if isinstance(value, (dt.date, np.datetime64)) else None


def _to_second(value: dt.date | np.datetime64) -> np.datetime64:
    """Return a date or time with a resolution of one second, in UTC if it has a zone."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(value).astype("datetime64[s]")


def _text(value: Any) -> str:
    if isinstance(value, str):
        whole = _WHOLE_AS_FLOAT.match(value)
        return whole[1] if whole else value
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (dt.date, np.datetime64)):
        return str(_to_second(value))
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, number_types.Integral):
        return str(int(value))
    if math.isfinite(value) and float(value).is_integer():
        return _whole_text(value)
    return str(value)


def _whole_text(value: Any) -> str:
    if abs(value) <= _MAX_EXACT_WHOLE:
        return str(int(value))
    text = str(value)  # "1e+20", or "12345678901234568.0"
    whole = _WHOLE_AS_FLOAT.match(text)
    return whole[1] if whole else text
