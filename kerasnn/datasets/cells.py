"""The cells of one column, whatever its dtype: which are missing, which are equal.

A CSV file, a DataFrame and an array that say the same must be the same: `category_text`
gives a level its one text. Numbers and dates are read in `readings`.
"""

import datetime as dt
import math
import numbers as number_types
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError

# A text cell that reads so, blanks around it left out, is missing.
MISSING_TEXTS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-")
# Whole numbers as pandas writes them once a value is missing; the group is their text.
WHOLE_AS_FLOAT = r"^(-?(?:0|[1-9][0-9]*))\.0$"

Content = Literal["nothing", "numbers", "booleans", "text", "dates", "mixed"]

_MISSING = frozenset(MISSING_TEXTS)
_WHOLE_AS_FLOAT = re.compile(WHOLE_AS_FLOAT)
# From here on a float64 no longer tells two neighbouring whole numbers apart.
MOST_WHOLE = 2.0**53


@dataclass(frozen=True)
class Cells:
    """The different values of a column, and which row has which.

    Attributes:
        codes: [rows], the position in `values`; -1: missing.
        values: the different ones, in order of appearance; none is missing, text is
            stripped of outer blanks.
        content: of what type they are; "mixed" is more than one of them.
    """

    codes: NDArray[np.intp]
    values: list[Any]
    content: Content

    @property
    def counts(self) -> NDArray[np.int64]:
        """[len(values)] rows of each value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    @property
    def missing(self) -> int:
        """How many rows are missing."""
        return int((self.codes < 0).sum())

    def first_row(self, position: int) -> int:
        """The first row of the value at this position; -1: of a missing one."""
        return int(np.argmax(self.codes == position))

    def other_type(self) -> int:
        """The position of the first value that is of another type than the first one."""
        contents = map(_content_of, self.values)
        first = next(contents)
        return next(i for i, content in enumerate(contents, 1) if content != first)

    def mixture(self, one: int, other: int) -> str:
        """In words, that the values at these positions are of two types."""
        texts = [
            f"row {self.first_row(i)} is {plain(self.values[i])!r}" for i in (one, other)
        ]
        return f"values of two types: {texts[0]}, {texts[1]}"


def read_cells(values: ArrayLike | pd.Series) -> Cells:
    """The different values of a column.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    series = as_series(values)
    if series.dtype == object and not _plain_objects(series):
        codes, found = _factorized_by_type(series)
    else:
        codes, index = pd.factorize(series)
        # Iterated, not `tolist`: a float32 must keep its short text, 0.1.
        found = list(index if isinstance(index, pd.Index) else np.asarray(index))
    if _is_numbers(series.dtype):
        return Cells(codes, found, "numbers" if found else "nothing")
    kinds = {_content_of(value, series.name) for value in found}
    if "text" in kinds:
        codes, found = _stripped(codes, found)
        kinds = {_content_of(value) for value in found}
    content: Content = kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "nothing"
    return Cells(codes, found, content)


def category_text(values: ArrayLike | pd.Series | Cells) -> NDArray[np.object_]:
    """The texts of a column's levels, the same whatever the column's dtype.

    Whole numbers read "3", be they integers, floats or the text "3.0"; other floats as
    Python prints them, booleans "True" and "False", dates "2020-12-31T00:00:00", and text
    as it is, without outer blanks.

    Args:
        values: [rows], of any dtype.

    Returns:
        [rows] of str, or None where missing.

    Raises:
        InputError: a cell is neither a number, nor text, a boolean or a date.
    """
    cells = values if isinstance(values, Cells) else read_cells(values)
    return taken([_text(value) for value in cells.values], cells.codes, None, object)


def plain(value: Any) -> Any:
    """A value as a message shows it: 1.5, and not np.float64(1.5)."""
    return value.item() if isinstance(value, np.generic) else value


def as_series(values: ArrayLike | pd.Series) -> pd.Series:
    """A column as a Series whose cells are as they were given."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, np.ndarray):
        # NumPy's own text dtypes have no missing values and odd factorizing.
        return pd.Series(values.astype(object) if values.dtype.kind in "US" else values)
    return pd.Series(list(values), dtype=object)  # type: ignore[arg-type]


def _is_numbers(dtype: Any) -> bool:
    """Whether the dtype says it already, so that no value needs to be asked."""
    return isinstance(dtype, np.dtype) and dtype.kind in "iuf"


def _plain_objects(series: pd.Series) -> bool:
    """Whether `factorize` keeps apart what differs: to it True, 1 and 1.0 are equal."""
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    return not inferred.startswith("mixed") or inferred == "mixed-integer-float"


def _factorized_by_type(series: pd.Series) -> tuple[NDArray[np.intp], list[Any]]:
    positions: dict[tuple[Any, Any], int] = {}
    codes = np.full(len(series), -1, dtype=np.intp)
    present = series.dropna()
    for row, value in zip(np.flatnonzero(series.notna()), present, strict=True):
        key = (_content_of(value, series.name), value)
        codes[row] = positions.setdefault(key, len(positions))
    return codes, [value for _, value in positions]


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
    codes: NDArray[np.intp], values: list[Any]
) -> tuple[NDArray[np.intp], list[Any]]:
    """Texts without outer blanks; those that mean a missing value are taken out."""
    positions: dict[Any, int] = {}
    moved = np.full(len(values) + 1, -1, dtype=np.intp)  # the last one serves code -1
    for old, value in enumerate(values):
        text = value.decode() if isinstance(value, bytes) else value
        text = text.strip() if isinstance(text, str) else text
        key = (_content_of(text), text)
        if not (isinstance(text, str) and text in _MISSING):
            moved[old] = positions.setdefault(key, len(positions))
    return moved[codes], [value for _, value in positions]


def taken(
    values: list[Any], codes: NDArray[np.intp], missing: Any, dtype: Any
) -> NDArray[Any]:
    """[rows] the values at these positions; the last one serves code -1."""
    array = np.empty(len(values) + 1, dtype=dtype)
    array[:-1] = values
    array[-1] = missing
    return array[codes]


def _text(value: Any) -> str:
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
    if math.isfinite(value) and float(value).is_integer() and abs(value) <= MOST_WHOLE:
        return str(int(value))
    text = str(value)
    whole = _WHOLE_AS_FLOAT.match(text)  # beyond 2^53, where a float skips numbers
    return whole[1] if whole else text


def to_second(value: dt.date | np.datetime64) -> np.datetime64:
    """A date or a time to the second, in UTC if it has a zone."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(value).astype("datetime64[s]")
