"""Rows that are written in another way than those of the training."""

from dataclasses import replace

import numpy as np
import pandas as pd

from kerasnn.datasets.cells.date_format import other_order
from kerasnn.datasets.cells.factorized import PLACEHOLDERS, FactorizedColumn, factorize
from kerasnn.datasets.cells.number_format import NumberFormat, is_ambiguous
from kerasnn.datasets.cells.parsing import is_infinite, numbers
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
    if reading.number_format is None and _are_in_range(texts, column):
        return replace(column, number_format=None)
    usual = column.number_format or NumberFormat()
    found_format = _clear_format(texts, reading.number_format, column)
    if found_format is None:
        return column
    if found_format.unit not in ("", usual.unit) and not found_format.is_common_unit:
        return column
    return replace(column, number_format=found_format)


def _clear_format(
    column: FactorizedColumn, number_format: NumberFormat | None, known: Column
) -> NumberFormat | None:
    """Return the only format that is likely: of "1,234" by the range before."""
    texts = [text for text in column.values if isinstance(text, str)]
    if number_format is None or not is_ambiguous(texts, number_format):
        return number_format
    other = NumberFormat(
        "," if number_format.decimal == "." else ".",
        number_format.decimal,
        number_format.unit,
    )
    likely = [
        one
        for one in (number_format, other)
        if np.mean([_is_between(known.low, one.read(t), known.high) for t in texts])
        >= _MIN_IN_RANGE
    ]
    return likely[0] if len(likely) == 1 else None


def _are_in_range(column: FactorizedColumn, known: Column) -> bool:
    """Return whether plain numbers are mostly in the range of the training."""
    values = numbers(column)[0]
    low, high = known.low, known.high
    inside = [_is_between(low, value, high) for value in values.tolist()]
    return float(np.mean(inside)) >= _MIN_IN_RANGE


def _is_between(low: float | None, value: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low <= (value or 0.0) <= high


def format_notices(column: Column, other: Column) -> list[Notice]:
    """Return the notice about a column that is written in another way than before."""
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
