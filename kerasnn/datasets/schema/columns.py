"""Descriptions of columns whose kind is known: ranges, levels, dates."""

from typing import Any

import numpy as np
import pandas as pd

from kerasnn.choices import ColumnKind
from kerasnn.datasets.cells.factorized import FactorizedColumn
from kerasnn.datasets.cells.parsing import category_text
from kerasnn.datasets.schema.checking import check_dates, check_numbers
from kerasnn.datasets.schema.schema import MAX_LEVELS, Column
from kerasnn.errors import InputError


def describe_column(
    kind: ColumnKind, name: str, column: FactorizedColumn, reason: str
) -> Column:
    """Return the schema of a column of a known kind with one value or more.

    Raises:
        InputError: the cells do not have this kind: not finite numbers, not dates, or more
            than two values of a boolean.
    """
    facts = _FACTS[kind](name, column)
    return Column(name, kind, reason, missing=column.missing, **facts)


def _numeric(name: str, column: FactorizedColumn) -> dict[str, Any]:
    values = check_numbers(name, column)
    return {"low": float(np.nanmin(values)), "high": float(np.nanmax(values))}


def _datetime(name: str, column: FactorizedColumn) -> dict[str, Any]:
    values = check_dates(name, column)
    values = values[~np.isnat(values)]
    return {"first": str(values.min()), "last": str(values.max())}


def _categorical(name: str, column: FactorizedColumn) -> dict[str, Any]:
    levels = _levels(column)
    return {
        "levels": tuple(levels)[:MAX_LEVELS],
        "counts": tuple(levels.values())[:MAX_LEVELS],
        "n_levels": len(levels),
    }


def _boolean(name: str, column: FactorizedColumn) -> dict[str, Any]:
    counts = _levels(column)
    levels = list(counts)
    if len(levels) > 2:
        raise InputError(
            f"column {name!r} has {len(levels):,} different values, {levels[0]!r},"
            f" {levels[1]!r}, {levels[2]!r}...; a boolean has two at most"
        )
    if column.content == "booleans":
        order = ["False", "True"]
    else:
        order = sorted(levels, key=str.casefold)  # f t, false true, n y, no yes, 0 1
    return {
        "levels": tuple(order),
        "counts": tuple(counts.get(level, 0) for level in order),
        "n_levels": len(levels),
    }


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
    "text": lambda name, column: {},
}
