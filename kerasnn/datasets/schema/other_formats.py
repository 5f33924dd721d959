"""Rows whose numbers and dates have another format than those of the training."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.date_format import other_order
from kerasnn.datasets.cells.factorized import PLACEHOLDERS, FactorizedColumn, factorize
from kerasnn.datasets.cells.number_format import (
    NumberFormat,
    is_ambiguous,
    may_be_thousands,
)
from kerasnn.datasets.cells.parsing import (
    is_infinite,
    is_number_dtype,
    is_plain_number,
    numbers,
)
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.schema.kinds import CellOptions, hinted_reading
from kerasnn.datasets.schema.schema import Column

_MIN_IN_RANGE = 0.5  # of the numbers lie in the range of the training


def format_of_rows(series: pd.Series, column: Column, cells: CellOptions) -> Column:
    """Return a column with the format of these rows, if it is clear.

    Args:
        series: [rows], raw.
        column: as it was read in the training.
        cells: how the table's cells are read.
    """
    found = factorize(series).without(column.missing_texts)
    if column.kind not in ("numeric", "datetime") or found.content != "text":
        return column
    placeholders = tuple(
        text
        for text in found.values
        if text.casefold() in PLACEHOLDERS and not is_infinite(text)
    )
    column = replace(column, missing_texts=(*column.missing_texts, *placeholders))
    texts = found.without(placeholders)
    if not texts.values:
        return column
    reading = hinted_reading(column.name, texts, column.kind, cells)
    if column.kind == "datetime":
        is_clear = not other_order(texts.values, reading.date_format)
        return replace(column, date_format=reading.date_format) if is_clear else column
    usual = column.number_format or NumberFormat()
    if reading.number_format is None:
        are_usual = are_no_percents if usual.unit == "%" else are_in_range
        if are_usual(numbers(texts)[0], column):
            return replace(column, number_format=None)
    found_format = _clear_format(texts, reading.number_format, column)
    if found_format is None:
        return column
    is_clear = _is_same_unit(found_format, usual)
    if usual.unit == "%" and not found_format.unit:
        is_clear = are_no_percents(numbers(texts, found_format)[0], column)
    elif found_format.unit == "%" and not usual.unit:
        is_clear = _are_shares(numbers(texts, found_format)[0], column)
    return replace(column, number_format=found_format) if is_clear else column


def has_other_points(series: pd.Series, column: Column) -> bool:
    """Return whether points, which separated thousands ("1.234"), are decimal: "12.5"."""
    known = column.number_format
    if known is None or known.thousands != "." or is_number_dtype(series.dtype):
        return False
    texts = [text for text in factorize(series).values if isinstance(text, str)]
    points = [text for text in texts if "." in text and is_plain_number(text)]
    return bool(points) and not may_be_thousands(points)


def _is_same_unit(found: NumberFormat, usual: NumberFormat) -> bool:
    """Return whether numbers mean the same in the unit; currencies count as one."""
    is_money = found.is_money and (usual.is_money or not usual.unit)
    return found.unit in ("", usual.unit) or is_money


def are_no_percents(values: NDArray[np.float64], known: Column) -> bool:
    """Return whether numbers without "%" are shares as in the training, where 12% was 0.12.

    They are percentages if some are far larger than in the training, and a hundredth of
    those is in its range.
    """
    far = values[np.abs(values) > 2 * _largest(known)]
    return not len(far) or not are_in_range(far / 100, known)


def _are_shares(values: NDArray[np.float64], known: Column) -> bool:
    """Return whether 12% is 0.12 and not 12, by the plain numbers of the training."""
    if _largest(known) <= 1:
        return True
    return are_in_range(values, known) and not are_in_range(100 * values, known)


def _largest(known: Column) -> float:
    """Return the largest absolute number of the training; infinite if unknown."""
    ends = [abs(end) for end in (known.low, known.high) if end is not None]
    return max(ends, default=np.inf)


def _clear_format(
    column: FactorizedColumn, number_format: NumberFormat | None, known: Column
) -> NumberFormat | None:
    """Return the format; of "1,234" the one that fits the training's range, or None."""
    texts = [text for text in column.values if isinstance(text, str)]
    if number_format is None or not is_ambiguous(texts, number_format):
        return number_format
    other = replace(
        number_format,
        decimal="," if number_format.decimal == "." else ".",
        thousands=number_format.decimal,
    )
    likely = [
        one
        for one in (number_format, other)
        if np.mean([_is_between(known.low, one.read(t), known.high) for t in texts])
        >= _MIN_IN_RANGE
    ]
    return likely[0] if len(likely) == 1 else None


def are_in_range(values: NDArray[np.float64], known: Column) -> bool:
    """Return whether numbers, NaN where missing, are mostly in the training's range."""
    values = values[~np.isnan(values)]
    inside = [_is_between(known.low, value, known.high) for value in values.tolist()]
    return not inside or float(np.mean(inside)) >= _MIN_IN_RANGE


def _is_between(low: float | None, value: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= (value or 0.0) <= high


def format_notices(column: Column, other: Column) -> list[Notice]:
    """Return the notices about a column whose format differs from the training's."""
    texts = other.missing_texts[len(column.missing_texts) :]
    if texts:
        shown = ", ".join(map(repr, texts[:3]))
        message = f"column {column.name!r}: cells such as {shown} count as missing"
        rest = replace(other, missing_texts=column.missing_texts)
        notice = Notice("placeholder-cells", message, (column.name,))
        return [notice, *format_notices(column, rest)]
    if other.number_format not in (None, column.number_format):
        how = other.number_format.described() if other.number_format else ""
    elif other.date_format not in ("", column.date_format):
        how = f"as {other.date_format}"
    else:
        return []
    message = (
        f"column {column.name!r} is written in another way than in the training, and was"
        f" read so: {how or 'plain numbers'}"
    )
    return [Notice("other-format", message, (column.name,))]
