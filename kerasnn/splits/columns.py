"""Raw columns of groups and times as numbers: codes of groups, values of times."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import category_text
from kerasnn.datasets.cells.factorized import FactorizedColumn, as_series, factorize
from kerasnn.datasets.cells.parsing import is_number_dtype
from kerasnn.datasets.schema.checking import check_dates, check_numbers
from kerasnn.datasets.schema.kinds import CellOptions, ColumnReading, infer_reading
from kerasnn.errors import InputError


def group_codes(values: Any, *, what: str = "groups") -> NDArray[np.int64]:
    """Return a code from 0 for each row: equal for equal values.

    Args:
        values: [rows], of any dtype.
        what: the values, for messages.

    Raises:
        InputError: a value is missing, or of no type that a table has.
    """
    column = _factorized(values, what)
    _check_present(column, what)
    return column.codes.astype(np.int64)


def group_hashes(values: Any, *, seed: int, what: str = "groups") -> NDArray[np.float64]:
    """Return a number in [0, 1) for each row, the same for a value in any table.

    Args:
        values: [rows], of any dtype.
        seed: decides the numbers.
        what: the values, for messages.

    Raises:
        InputError: a value is missing.
    """
    column = _factorized(values, what)
    _check_present(column, what)
    key = f"{seed % 10**16:016d}"
    hashes = pd.util.hash_array(category_text(column.distinct), hash_key=key)
    shares = (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53
    return shares[column.codes]


def time_reading(
    values: Any, *, what: str = "time", cells: CellOptions | None = None
) -> ColumnReading:
    """Return how a column of times is read: as numbers or as dates.

    Args:
        values: [rows], of any dtype.
        what: the values, for messages.
        cells: how the cells of the table are read.

    Raises:
        InputError: they are neither numbers nor dates.
    """
    series = _series(values, what)
    if is_number_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        return ColumnReading("numeric", "")
    column = factorize(series)
    if not column.values:
        raise InputError(
            f"{what} must be numbers or dates; all {len(series):,} are missing"
        )
    reading = infer_reading(what, column, cells or CellOptions())
    if reading.kind not in ("numeric", "datetime"):
        raise InputError(
            f"{what} must be numbers or dates, which have an order; got"
            f" {column.values[0]!r} in row {column.first_row(0)}"
        )
    return reading


def time_values(
    values: Any, *, what: str = "time", reading: ColumnReading | None = None
) -> NDArray[np.float64]:
    """Return a finite number for each row that grows with time.

    Args:
        values: [rows] numbers, dates, or text of them.
        what: the values, for messages.
        reading: from `time_reading`; None infers it.

    Raises:
        InputError: a value is missing, or neither a number nor a date.
    """
    series = _series(values, what)
    if reading is None:
        reading = time_reading(series, what=what)
    if is_number_dtype(series.dtype) and reading.kind == "numeric":
        numbers = check_numbers(what, series)
        _check_known(np.isnan(numbers), what)
        return numbers
    column = factorize(series).without(reading.missing_texts)
    _check_present(column, what)
    if reading.kind == "numeric":
        return check_numbers(what, column, reading.number_format)
    return check_dates(what, column, reading.date_format).astype(np.float64)


def _factorized(values: Any, what: str) -> FactorizedColumn:
    if isinstance(values, FactorizedColumn):
        return values
    return factorize(_series(values, what))


def _series(values: Any, what: str) -> pd.Series:
    """Return values as a Series.

    Raises:
        InputError: they are not [rows].
    """
    if isinstance(values, pd.Series):
        return values
    if not isinstance(values, (list, tuple)):
        values = np.asarray(values)
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise InputError(f"{what} must be [rows]; got an array of shape {values.shape}")
    return as_series(values)


def _check_present(column: FactorizedColumn, what: str) -> None:
    _check_known(column.codes < 0, what)


def _check_known(missing: NDArray[np.bool_], what: str) -> None:
    """Check that no value is missing.

    Raises:
        InputError: one is.
    """
    if missing.any():
        raise InputError(
            f"{what} must be known in all rows; missing in {int(missing.sum()):,} of"
            f" {len(missing):,}, first in row {int(np.argmax(missing))}. Fill them in, or"
            " leave these rows out"
        )
