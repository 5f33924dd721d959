"""Columns of new rows that are unlike those of the training."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from kerasnn.datasets.notices import Notice
from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.datasets.schema.schema import Column, Schema

_MIN_ROWS = 10  # new rows that say something about a column
_MAX_OUTSIDE = 0.2  # of the numbers are outside the range of the training
_MAX_UNKNOWN = 0.5  # of the rows have an unseen level, or are missing unlike before


def drift_notices(rows: pd.DataFrame, schema: Schema) -> list[Notice]:
    """Return a warning for each column that is mostly missing, unseen, or out of range.

    Args:
        rows: from `checked_table`.
        schema: of the training.
    """
    if len(rows) < _MIN_ROWS:
        return []
    found = (_drift(c, rows[c.name], schema.rows) for c in schema.columns)
    return [notice for notices in found for notice in notices]


def _drift(column: Column, cells: pd.Series, rows_trained: int) -> Iterator[Notice]:
    missing = cells.isna()
    before = column.missing / max(rows_trained, 1)
    if missing.mean() >= max(_MAX_UNKNOWN, 2 * before):
        yield _notice(
            column, int(missing.sum()), len(cells), f"are missing; {before:.0%} were before"
        )
        return
    limits = ColumnLimits.of(column)
    n_present = int((~missing).sum())
    outside, unseen = limits.outside(cells), limits.unseen(cells)
    if column.kind == "numeric" and n_present and outside.sum() >= _MAX_OUTSIDE * n_present:
        what = f"are outside of {column.low:.6g} to {column.high:.6g}, the range before"
        yield _notice(column, int(outside.sum()), len(cells), what)
    elif n_present and unseen.sum() >= _MAX_UNKNOWN * n_present:
        example = cells.to_numpy()[np.argmax(unseen)]
        what = f"have a value never seen before, such as {example!r}"
        yield _notice(column, int(unseen.sum()), len(cells), what)


def _notice(column: Column, count: int, rows: int, what: str) -> Notice:
    return Notice(
        "drift",
        f"column {column.name!r}: {count:,} of {rows:,} rows {what}. The answers may be"
        " worth little",
        columns=(column.name,),
        rows=count,
        is_warning=True,
    )
