"""Descriptions of columns whose kind is known: ranges, levels, dates."""

from typing import Any

import numpy as np
import pandas as pd

from kerasnn.datasets.cells.factorized import FactorizedColumn
from kerasnn.datasets.cells.parsing import category_text, have_zones
from kerasnn.datasets.cells.truths import TRUTH_LEVELS, truth_of
from kerasnn.datasets.schema.checking import check_dates, check_numbers
from kerasnn.datasets.schema.kinds import ColumnReading
from kerasnn.datasets.schema.schema import MAX_LEVELS, Column
from kerasnn.errors import InputError


def describe_column(name: str, column: FactorizedColumn, reading: ColumnReading) -> Column:
    """Return the schema of a column with one value or more.

    Args:
        name: of the column.
        column: its cells, without those that `reading` calls missing.
        reading: its kind, and how the cells are read.

    Raises:
        InputError: the cells do not have this kind: not finite numbers, not dates, or more
            than two values of a boolean.
    """
    column = column.without(reading.missing_texts)
    facts = _FACTS[reading.kind](name, column, reading)
    return Column(
        name,
        reading.kind,
        reading.reason,
        missing=column.missing,
        number_format=reading.number_format,
        date_format=reading.date_format,
        missing_texts=reading.missing_texts,
        **facts,
    )


def _numeric(name: str, column: FactorizedColumn, reading: ColumnReading) -> dict[str, Any]:
    values = check_numbers(name, column, reading.number_format)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    are_truths = bool(np.isin(values[~np.isnan(values)], (0.0, 1.0)).all())
    return {"low": low, "high": high, "n_levels": 2 if are_truths and low < high else 0}


def _datetime(
    name: str, column: FactorizedColumn, reading: ColumnReading
) -> dict[str, Any]:
    values = check_dates(name, column, reading.date_format)
    values = values[~np.isnat(values)]
    return {
        "first": str(values.min()),
        "last": str(values.max()),
        "has_zone": have_zones(column),
    }


def _categorical(
    name: str, column: FactorizedColumn, reading: ColumnReading
) -> dict[str, Any]:
    levels = _levels(column)
    return {
        "levels": tuple(levels)[:MAX_LEVELS],
        "counts": tuple(levels.values())[:MAX_LEVELS],
        "n_levels": len(levels),
    }


def _boolean(name: str, column: FactorizedColumn, reading: ColumnReading) -> dict[str, Any]:
    counts = _levels(column)
    truths = {level: truth_of(level) for level in counts}
    if None not in truths.values():
        counts = _merged({level: str(truth) for level, truth in truths.items()}, counts)
    levels = list(counts)
    if len(levels) > 2:
        raise InputError(
            f"column {name!r} has {len(levels):,} different values, {levels[0]!r},"
            f" {levels[1]!r}, {levels[2]!r}...; a boolean has two at most"
        )
    is_known = None not in truths.values()
    order = list(TRUTH_LEVELS) if is_known else sorted(levels, key=str.casefold)
    return {
        "levels": tuple(order),
        "counts": tuple(counts.get(level, 0) for level in order),
        "n_levels": len(levels),
    }


def _merged(names: dict[str, str], counts: dict[str, int]) -> dict[str, int]:
    """Return the rows of each new name of a level."""
    merged = dict.fromkeys(names.values(), 0)
    for level, rows in counts.items():
        merged[names[level]] += rows
    return merged


def _levels(column: FactorizedColumn) -> dict[str, int]:
    """Return the rows of each level, sorted by descending rows, then by level."""
    codes, levels = pd.factorize(category_text(column))
    counts = np.bincount(codes[codes >= 0], minlength=len(levels)).tolist()
    found = zip(levels, counts, strict=True)
    return dict(sorted(found, key=lambda level: (-level[1], level[0])))


_FACTS = {
    "numeric": _numeric,
    "categorical": _categorical,
    "boolean": _boolean,
    "datetime": _datetime,
    "text": lambda name, column, reading: {},
}
