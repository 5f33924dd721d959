"""Values that are not measurements: placeholders such as -999, and a row of totals."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.factorized import text_of
from kerasnn.datasets.notices import Notice

_MIN_PLACEHOLDERS = 3  # rows
_MIN_VALUES = 10  # other distinct values
_MIN_SUMS = 2  # columns
_USUAL = frozenset(["-99", "-999", "-9999", "-99999"])
_NEAR = 0.1  # least gap of these to the other values, relative to the others' range
_FAR = 1.0  # the same of any other number
_TOTAL = re.compile(r"(grand )?(total|totals|sum|all|overall|average|mean)", re.IGNORECASE)


def odd_value_notices(raw: pd.DataFrame, checked: pd.DataFrame) -> list[Notice]:
    """Return a warning for each column with placeholders, and for a row of totals.

    Args:
        raw: [rows, columns] the whole table.
        checked: [rows, columns] the columns that are used, from `checked_table`.
    """
    numeric = checked.select_dtypes("float64")
    found = [_placeholder(str(name), c.to_numpy()) for name, c in numeric.items()]
    found += [
        _placeholder_date(str(name), column, raw[name])
        for name, column in checked.select_dtypes("datetime").items()
    ]
    return [n for n in (*found, _total_row(raw, numeric)) if n is not None]


def _placeholder(name: str, values: NDArray[np.float64]) -> Notice | None:
    """Return a warning if the least or greatest value is repeated, far from the others."""
    known = np.sort(values[~np.isnan(values)])
    for end in (known[:1], known[-1:]):
        others = known[known != end]
        rows = len(known) - len(others)
        if rows < _MIN_PLACEHOLDERS or len(np.unique(others)) < _MIN_VALUES:
            continue
        gap = float(np.abs(others - end).min())
        text = f"{end[0]:.0f}"
        is_usual = text in _USUAL and (others[0] >= 0 or gap >= _NEAR * np.ptp(others))
        is_far = gap >= _FAR * np.ptp(others) and end[0] == np.floor(end[0])
        if is_usual or is_far:
            return Notice(
                "placeholder",
                f"column {name!r}: {text} occurs in {rows:,} rows, and all others are from"
                f" {others[0]:.6g} to {others[-1]:.6g}. If it means missing, say"
                f" na=[{text!r}]",
                columns=(name,),
                rows=rows,
                is_warning=True,
            )
    return None


def _placeholder_date(name: str, dates: pd.Series, cells: pd.Series) -> Notice | None:
    """Return the warning about dates such as 9999-12-31, found as numbers of days."""
    days = dates.to_numpy("datetime64[D]")
    found = _placeholder(name, np.where(np.isnat(days), np.nan, days.astype(np.float64)))
    if found is None:
        return None
    known = np.sort(days[~np.isnat(days)])
    end = next(d for d in (known[0], known[-1]) if (known == d).sum() == found.rows)
    others = known[known != end]
    text = text_of(cells[dates.index[days == end][0]])
    message = (
        f"column {name!r}: {end} occurs in {found.rows:,} rows, and all others are from"
        f" {others[0]} to {others[-1]}. If it means missing, say na=[{text!r}]"
    )
    return replace(found, message=message)


def _total_row(raw: pd.DataFrame, numeric: pd.DataFrame) -> Notice | None:
    """Return a warning if the last row is called a total, or is the sum of the others."""
    if len(raw) < _MIN_VALUES:
        return None
    last = raw.iloc[-1]
    sums = numeric.iloc[:-1].sum()
    added = np.isclose(numeric.iloc[-1], sums, rtol=1e-9) & (sums != 0)
    if added.sum() < _MIN_SUMS and not any(
        _ends_in_total(raw[name]) for name, cell in last.items() if isinstance(cell, str)
    ):
        return None
    return Notice(
        "total-row",
        f"the last row, {raw.index[-1]}, looks like a total of the others. Remove it if it"
        " is one",
        rows=1,
        is_warning=True,
    )


def _ends_in_total(column: pd.Series) -> bool:
    """Return whether the last cell is a word for a total, and no other cell has it."""
    last = column.iloc[-1]
    if not isinstance(last, str) or not _TOTAL.fullmatch(last.strip()):
        return False
    return not bool(column.iloc[:-1].eq(last).any())
