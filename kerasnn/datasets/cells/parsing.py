"""The cells of one column as numbers, dates or texts, and which cells are invalid."""

import datetime as dt
import numbers as number_types
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.datasets.cells.date_format import read_date
from kerasnn.datasets.cells.factorized import (
    MAX_EXACT_WHOLE,
    FactorizedColumn,
    as_series,
    factorize,
    text_of,
    to_second,
)
from kerasnn.datasets.cells.number_format import NUMBER, NumberFormat

ColumnValues = ArrayLike | pd.Series | FactorizedColumn

# Most numbers match this; only the others need the slower `is_plain_number`.
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
_FLOATS = (float, np.float64, np.float32)
# Blanks, dashes, underscores and quotes; a minus sign before a number is none of them.
_JOINTS = re.compile(r"(?<=\w)\s*[-_\u2010-\u2015\u2212]\s*(?=\w)|\s+|['\"\u2018-\u201f`]")
_ACCENTS = re.compile("[\u0300-\u036f]")  # marks of other scripts are letters
_ZONE = re.compile(r":[0-9.,]+ ?(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)$", re.IGNORECASE)
_MIDNIGHT = re.compile(r"[T ]0?0:00(?::00(?:[.,]0+)?)?$")
_MAX_DIGITS = len(str(int(MAX_EXACT_WHOLE)))
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")


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
    return column.take([text_of(value) for value in column.values], None, object)


def numbers(
    values: ColumnValues, number_format: NumberFormat | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Parse a column as numbers.

    Args:
        values: [rows], of any dtype; text is parsed as Python and JSON write numbers.
        number_format: how text writes them otherwise.

    Returns:
        [rows] float64, NaN where missing; and [rows], True where a cell is not a number.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    if not isinstance(values, FactorizedColumn):
        series = as_series(values)
        if is_number_dtype(series.dtype):
            parsed = series.to_numpy(dtype=np.float64, na_value=np.nan)
            return parsed, np.zeros(len(parsed), dtype=bool)
    column = factorize(values)
    if column.content == "numbers":
        parsed = column.take(column.values, np.nan, np.float64)
        return parsed, np.zeros(len(parsed), dtype=bool)
    read = number_format.read if number_format else _plain_number
    return _parse_each(column, lambda value: _number(value, read), np.nan, np.float64)


def dates(
    values: ColumnValues, date_format: str = ""
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
    """Parse a column as dates; times with a zone become UTC.

    Args:
        values: [rows], of any dtype; text is in ISO 8601.
        date_format: how text, or whole numbers, write dates otherwise; see `date_rules`.

    Returns:
        [rows] datetime64[s], NaT where missing; and [rows], True where a cell is not a
        date.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    missing = np.datetime64("NaT", "s")
    column = factorize(values)
    return _parse_each(column, lambda v: _date(v, date_format), missing, "datetime64[s]")


def have_zones(column: FactorizedColumn) -> bool | None:
    """Return whether times have a time zone; None if only some have, or all are days."""
    found = {
        value.tzinfo is not None
        if isinstance(value, dt.datetime)
        else _ZONE.search(value) is not None
        for value in column.values
        if _is_time(value)
    }
    return found.pop() if len(found) == 1 else None


def _is_time(value: Any) -> bool:
    """Return whether a date has a time; midnight without a zone is only a day."""
    if isinstance(value, dt.datetime):
        return value.tzinfo is not None or value.time() != dt.time()
    return isinstance(value, str) and ":" in value and _MIDNIGHT.search(value) is None


def plain_numbers(texts: Sequence[str | None]) -> NDArray[np.float64] | None:
    """Parse the cells of a CSV column as numbers if all of them are plain numbers.

    Args:
        texts: None where missing.

    Returns:
        [rows], NaN where missing; None if a cell is not a plain number, or all are missing.
    """
    present = [text for text in texts if text is not None]
    plain = _PLAIN.fullmatch
    if not present or not all(plain(t) or is_plain_number(t.strip()) for t in present):
        return None
    found = np.array(present, dtype=object).astype(np.float64)
    if len(found) == len(texts):
        return found
    parsed = np.full(len(texts), np.nan)
    parsed[[text is not None for text in texts]] = found
    return parsed


def are_plain_numbers(column: FactorizedColumn) -> bool:
    """Return whether all values are numbers, or texts, that float64 represents exactly.

    "007" and whole numbers of 17 digits would lose digits: they are codes.
    """
    if column.content == "numbers":
        return not any(type(v) not in _FLOATS and _is_long_whole(v) for v in column.values)
    return column.content == "text" and all(map(is_plain_number, column.values))


def is_code(text: str) -> bool:
    """Return whether a text is digits that a number would lose: "007", or 17 digits."""
    return NUMBER.fullmatch(text) is not None and not (
        is_plain_number(text) or _INFINITE.fullmatch(text)
    )


def spelling_key(text: str) -> str:
    """Return a key that ignores case, blanks, dashes, quotes, accents and leading zeros."""
    letters = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).casefold()
    visible = "".join(c for c in letters if unicodedata.category(c) != "Cf")
    plain = _JOINTS.sub("", visible.strip())
    return plain.lstrip("0") or "0" if plain.isdecimal() else plain


def by_spelling(texts: Iterable[str]) -> list[list[str]]:
    """Return groups of texts that have one `spelling_key`."""
    groups = defaultdict(list)
    for text in texts:
        groups[spelling_key(text)].append(text)
    return list(groups.values())


def missing_numbers(texts: Iterable[str]) -> list[float]:
    """Return the numbers among texts of missing values, such as -999."""
    return [float(text) for text in texts if is_plain_number(text)]


def is_infinite(text: str) -> bool:
    """Return whether a text says infinity."""
    return _INFINITE.fullmatch(text) is not None


def is_plain_number(text: str) -> bool:
    """Return whether a text is a finite number that float64 represents exactly."""
    if NUMBER.fullmatch(text) is None or _LEADING_ZERO.match(text):
        return False
    if _INFINITE.fullmatch(text):
        return False
    digits = text.lstrip("+-")
    is_long = len(digits) > _MAX_DIGITS  # int refuses texts of thousands of digits
    return not (digits.isdigit() and (is_long or int(digits) > MAX_EXACT_WHOLE))


def _is_long_whole(value: Any) -> bool:
    return isinstance(value, number_types.Integral) and abs(int(value)) > MAX_EXACT_WHOLE


def is_number_dtype(dtype: Any) -> bool:
    """Return whether a column of this dtype holds real numbers, or booleans, only."""
    return pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)


def _parse_each(
    column: FactorizedColumn, parse: Callable[[Any], Any], missing: Any, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Parse every distinct value once; a cell is invalid where `parse` returns None."""
    parsed = [parse(value) for value in column.values]
    invalid = [value is None for value in parsed]
    parsed = [missing if value is None else value for value in parsed]
    return column.take(parsed, missing, dtype), column.take(invalid, False, bool)


def _number(value: Any, read: Callable[[str], float | None]) -> float | None:
    if isinstance(value, str):
        return read(value)
    if isinstance(value, (dt.date, np.datetime64)):
        return None
    return float(value)


def _plain_number(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text) else None


def _date(value: Any, date_format: str) -> np.datetime64 | None:
    if isinstance(value, (dt.date, np.datetime64)):
        return to_second(value)
    is_text = isinstance(value, str)
    return read_date(text_of(value), date_format) if is_text or date_format else None
