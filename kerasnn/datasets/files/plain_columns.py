"""Columns of text that hold only plain numbers, parsed by Arrow where that is exact.

`plain_numbers` is the reference: for texts that are certainly plain numbers Arrow gives the
same values. All others are left to `plain_numbers`.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kerasnn.datasets.cells.number_format import may_be_thousands
from kerasnn.datasets.cells.parsing import plain_numbers

_FIRST = 32  # cells, by which most columns of text are recognised
_MAX_EXACT_WHOLE = 2.0**53
_ZERO, _NINE, _MINUS = b"09-"


def parse_numbers(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return a table whose columns of plain numbers are float64 instead of text.

    Numbers that may have thousands ("1.234") stay text: only the other columns of their
    table tell whether the point is a decimal one.

    Args:
        table: text, missing cells null.
        names: of the columns that may be numbers.
    """
    table = table.copy(deep=False)
    for name in names:
        parsed = column_numbers(table[name])
        if parsed is not None and not _may_be_thousands(table[name]):
            table[name] = parsed
    return table


def as_objects(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns of Arrow's text are Python objects, None if missing."""
    return pd.DataFrame(
        {
            # As a Series of objects: a DataFrame would convert an array to pandas's text.
            name: pd.Series(
                column.array.to_numpy(dtype=object, na_value=None),
                index=column.index,
                dtype=object,
            )
            if isinstance(column.dtype, pd.StringDtype)
            else column
            for name, column in table.items()
        },
        index=table.index,
    )


def column_numbers(column: pd.Series) -> NDArray[np.float64] | None:
    """Return [rows] numbers, NaN where missing; None if not all are plain, or none is."""
    if not isinstance(column.dtype, pd.StringDtype):
        return plain_numbers(column.where(column.notna(), None).tolist())
    texts = pa.array(column.array)
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    texts = texts.cast(pa.large_string())
    if texts.null_count == len(texts):
        return None
    if plain_numbers(texts.drop_null()[:_FIRST].to_pylist()) is None:
        return None
    parsed = _exact_numbers(texts)
    return plain_numbers(texts.to_pylist()) if parsed is None else parsed


def _exact_numbers(texts: pa.LargeStringArray) -> NDArray[np.float64] | None:
    """Return [rows] numbers; None if a text may be no plain number."""
    try:
        parsed = pc.cast(texts, pa.float64())
    except pa.ArrowInvalid:
        return None
    present = parsed.drop_null().to_numpy()
    if not (np.abs(present) < _MAX_EXACT_WHOLE).all():  # NaN and infinity are not below
        return None
    if _any_leading_zero(texts):
        return None
    return parsed.to_numpy(zero_copy_only=False)


def _may_be_thousands(column: pd.Series) -> bool:
    present = column.dropna()
    first = present.iloc[:_FIRST].tolist()
    if any("." in text for text in first) and not may_be_thousands(first):
        return False
    return may_be_thousands(present[present.str.contains(".", regex=False)])


def _any_leading_zero(texts: pa.LargeStringArray) -> bool:
    """Return whether a text such as "007" or "-01" is among them."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    starts, lengths = ends[:-1], np.diff(ends)
    if data is None or not lengths.any():
        return False
    cells = np.frombuffer(data, np.uint8)
    last = len(cells) - 1
    first = cells[np.minimum(starts, last)]
    starts = starts + (first == _MINUS)
    lengths = lengths - (first == _MINUS)
    zero = (lengths > 1) & (cells[np.minimum(starts, last)] == _ZERO)
    second = cells[np.minimum(starts[zero] + 1, last)]
    return bool(((second >= _ZERO) & (second <= _NINE)).any())
