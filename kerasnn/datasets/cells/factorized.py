"""A column as its distinct values and a code for each row, whatever the column's dtype.

A CSV file, a DataFrame and an array with the same content give the same values.
"""

import datetime as dt
import math
import numbers as number_types
import re
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError

# Texts of a missing value; blanks around them are ignored. They are those of pandas, of
# spreadsheets and of statistical programs; words that may be a level ("none", "unknown")
# are `PLACEHOLDERS`, which count among numbers, dates and booleans only.
MISSING_TEXTS = (
    *("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-", "na", "n/a", "Null"),
    *("NAN", "<NA>", "<na>", "N.A.", "n.a.", "-NaN", "-nan", "NaT", r"\N", "(null)"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    *(
        "#N/A",
        "#NA",
        "#N/A N/A",
        "#NULL!",
        "#DIV/0!",
        "#VALUE!",
        "#REF!",
        "#NUM!",
        "#NAME?",
    ),
    *(".", "..", "...", "*", "**", "--", "---", "??", "???", "\u2013", "\u2014"),
)
# Texts of a missing value in a column that otherwise holds numbers, dates or booleans, in
# lower case. Elsewhere they are levels.
PLACEHOLDERS = frozenset(
    (
        *("none", "nil", "empty", "blank", "missing", "unknown", "unk", "null"),
        *("not available", "not applicable", "not known", "not recorded", "not reported"),
        *("not specified", "not stated", "no data", "no value", "no info", "no answer"),
        *("unspecified", "undefined", "undetermined", "unavailable", "unrecorded"),
        *("tbd", "tba", "tbc", "n.a", "n a", "n.d.", "nd", "pending", "invalid", "error"),
        *("inf", "-inf", "+inf", "infinity", "-infinity"),
    )
)
# Whole numbers as pandas writes them once a value is missing; the group is their text.
WHOLE_AS_FLOAT = r"^(-?(?:0|[1-9][0-9]*))\.0$"

# Beyond this a float64 does not distinguish two neighbouring whole numbers.
MAX_EXACT_WHOLE = 2.0**53
TIMES_DAY = dt.date(1970, 1, 1)  # the day of a time without a date

Content = Literal["nothing", "numbers", "booleans", "text", "dates", "mixed"]

_MISSING = frozenset(MISSING_TEXTS)
_WHOLE_AS_FLOAT = re.compile(WHOLE_AS_FLOAT)


@dataclass(frozen=True)
class FactorizedColumn:
    """The distinct values of a column, and the code of each row.

    Attributes:
        codes: [rows], positions in `values`; -1 for missing values.
        values: distinct values in order of appearance, without missing ones; text without
            outer blanks.
        content: their type; "mixed" if there are several.
    """

    codes: NDArray[np.intp]
    values: list[Any]
    content: Content

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows of each value, [len(values)]."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    @property
    def missing(self) -> int:
        """Number of missing values."""
        return int((self.codes < 0).sum())

    @property
    def distinct(self) -> "FactorizedColumn":
        """A column that has each value once."""
        return FactorizedColumn(np.arange(len(self.values)), self.values, self.content)

    def take(self, values: list[Any], missing: Any, dtype: Any) -> NDArray[Any]:
        """Return one of these values for each row, [rows].

        Args:
            values: one for each of `self.values`.
            missing: the value of rows with code -1.
            dtype: of the result.
        """
        array = np.empty(len(values) + 1, dtype=dtype)
        array[:-1] = values
        array[-1] = missing  # code -1
        return array[self.codes]

    def without(self, texts: Collection[str]) -> "FactorizedColumn":
        """Return the column with some values missing.

        Args:
            texts: of these values, as `text_of` writes them.
        """
        if not texts:
            return self
        kept = [text_of(value) not in texts for value in self.values]
        if all(kept):
            return self
        moved = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
        values = [value for value, keep in zip(self.values, kept, strict=True) if keep]
        return FactorizedColumn(moved[self.codes], values, _content(values))

    @property
    def as_text(self) -> "FactorizedColumn":
        """The column as a CSV file would hold it: values of several types become text."""
        positions: dict[str, int] = {}
        moved = [
            positions.setdefault(text_of(value), len(positions)) for value in self.values
        ]
        codes = np.append(np.array(moved, np.intp), -1)[self.codes]
        return FactorizedColumn(codes, list(positions), "text")

    def first_row(self, position: int) -> int:
        """Return the first row of the value at a position; -1 means a missing value."""
        return int(np.argmax(self.codes == position))

    def other_type(self) -> int:
        """Return the position of the first value that differs in type from the first."""
        contents = map(_content_of, self.values)
        first = next(contents)
        return next(i for i, content in enumerate(contents, 1) if content != first)

    def mixture(self, one: int, other: int) -> str:
        """Describe two values of different types, for a message."""
        texts = [
            f"row {self.first_row(i)} is {python_value(self.values[i])!r}"
            for i in (one, other)
        ]
        return f"values of two types: {texts[0]}, {texts[1]}"


def factorize(values: ArrayLike | pd.Series | FactorizedColumn) -> FactorizedColumn:
    """Return the distinct values of a column and the code of each row.

    Args:
        values: [rows], of any dtype; a factorized column is returned as it is.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    if isinstance(values, FactorizedColumn):
        return values
    series = as_series(values)
    if series.dtype == object and not _can_factorize(series):
        codes, found = _factorized_by_type(series)
    else:
        codes, index = pd.factorize(series)
        # Iterated, not `tolist`: a float32 must keep its short text, 0.1.
        found = list(index if isinstance(index, pd.Index) else np.asarray(index))
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iuf":
        return FactorizedColumn(codes, found, "numbers" if found else "nothing")
    found = [_plain(value) for value in found]
    if any(_content_of(value, series.name) == "text" for value in found):
        codes, found = _stripped(codes, found, series.name)
    return FactorizedColumn(codes, found, _content(found))


def text_of(value: Any) -> str:
    """Return the text of a value, the same for every dtype; see `parsing.category_text`."""
    if isinstance(value, str):
        whole = _WHOLE_AS_FLOAT.match(value)
        return whole[1] if whole else value
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (dt.date, np.datetime64)):
        return str(to_second(value))
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, number_types.Integral):
        return str(int(value))
    if math.isfinite(value) and float(value).is_integer():
        return _whole_text(value)
    return str(value)


def to_second(value: dt.date | np.datetime64) -> np.datetime64:
    """Return a date or time with a resolution of one second, in UTC if it has a zone."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(value).astype("datetime64[s]")


def python_value(value: Any) -> Any:
    """Return a NumPy scalar as a Python value, for messages: 1.5, not np.float64(1.5)."""
    return value.item() if isinstance(value, np.generic) else value


def as_series(values: ArrayLike | pd.Series) -> pd.Series:
    """Return a column as a Series with unchanged cells."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, np.ndarray):
        # NumPy's own text dtypes have no missing values, and pandas factorizes them oddly.
        return pd.Series(values.astype(object) if values.dtype.kind in "US" else values)
    return pd.Series(list(values), dtype=object)  # type: ignore[arg-type]


def _can_factorize(series: pd.Series) -> bool:
    """Return whether `pd.factorize` is safe: to it True, 1 and 1.0 are equal."""
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    return not inferred.startswith("mixed") or inferred == "mixed-integer-float"


def _factorized_by_type(series: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    positions: dict[tuple[Any, Any], int] = {}
    codes = np.full(len(series), -1, dtype=np.intp)
    present = series.dropna()
    for row, value in zip(np.flatnonzero(series.notna()), present, strict=True):
        key = (_content_of(_plain(value), series.name), value)
        codes[row] = positions.setdefault(key, len(positions))
    return codes, [value for _, value in positions]


def _whole_text(value: Any) -> str:
    if abs(value) <= MAX_EXACT_WHOLE:
        return str(int(value))
    text = str(value)  # "1e+20", or "12345678901234568.0"
    whole = _WHOLE_AS_FLOAT.match(text)
    return whole[1] if whole else text


def _plain(value: Any) -> Any:
    """Return a value of a rarer type as a CSV file would hold it, or as a number."""
    if isinstance(value, pd.Interval):
        return str(value)
    if isinstance(value, pd.Period):
        return value.start_time
    if isinstance(value, (dt.timedelta, np.timedelta64)):
        return pd.Timedelta(value).total_seconds()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dt.time):
        return dt.datetime.combine(TIMES_DAY, value)
    return value


def _content(values: Iterable[Any]) -> Content:
    kinds = set(map(_content_of, values))
    return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "nothing"


def _content_of(value: object, column: object = None) -> Content:
    if isinstance(value, (str, bytes)):
        return "text"
    if isinstance(value, (bool, np.bool_)):
        return "booleans"
    if isinstance(value, (number_types.Real, Decimal)):
        return "numbers"
    if isinstance(value, (dt.date, np.datetime64)):
        return "dates"
    raise InputError(
        f"{'a column' if column is None else f'column {column!r}'} holds {value!r}, of type"
        f" {type(value).__name__}; cells are numbers, text, booleans or dates"
    )


def _stripped(
    codes: NDArray[np.intp], values: list[Any], name: object
) -> tuple[NDArray[np.intp], list[Any]]:
    """Strip outer blanks of texts, and remove texts of missing values."""
    positions: dict[Any, int] = {}
    moved = np.full(len(values) + 1, -1, dtype=np.intp)  # the last entry is for code -1
    for old, value in enumerate(values):
        text = _decoded(value, name) if isinstance(value, bytes) else value
        text = text.strip() if isinstance(text, str) else text
        key = (_content_of(text), text)
        if not (isinstance(text, str) and text in _MISSING):
            moved[old] = positions.setdefault(key, len(positions))
    return moved[codes], [value for _, value in positions]


def _decoded(value: bytes, name: object) -> str:
    """Return the text of bytes, such as a column of binary type in Parquet."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InputError(
            f"column {name!r} holds {value[:20]!r}, bytes that are not UTF-8; cells"
            " are numbers, text, booleans or dates"
        ) from None
