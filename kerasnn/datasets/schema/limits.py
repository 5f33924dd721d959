"""Which cells are unlike those of the training: the single definition, for all callers.

A number or date is outside if it is below the least or above the greatest of the training;
a date of which only repeating parts are used, such as the month, is never outside.
A level is unseen if the training did not have it. A missing cell is new in a column in
which no cell was missing.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.schema.schema import Column


@dataclass(frozen=True)
class ColumnLimits:
    """The limits of one column, from its cells in the training.

    Attributes:
        low, high: the range of numbers; None: any is inside.
        first, last: the range of dates, as ISO 8601; None: any is inside.
        levels: all levels; None: any is seen, for instance where the schema does not hold
            all of them.
        was_missing: whether a cell was missing.
    """

    low: float | None
    high: float | None
    first: str | None
    last: str | None
    levels: frozenset[str] | None
    was_missing: bool

    @classmethod
    def of(cls, column: Column) -> Self:
        """Return the limits of a column of a schema."""
        is_ranged = column.kind == "datetime" and not column.repeating_only
        is_complete = bool(column.levels) and column.n_levels <= len(column.levels)
        return cls(
            low=column.low if column.kind == "numeric" else None,
            high=column.high if column.kind == "numeric" else None,
            first=column.first if is_ranged else None,
            last=column.last if is_ranged else None,
            levels=frozenset(column.levels) if is_complete else None,
            was_missing=column.missing > 0,
        )

    def outside(self, cells: pd.Series) -> NDArray[np.bool_]:
        """Return [rows] whether a cell of a checked table is out of range."""
        ends: tuple[object, object] = self.low, self.high
        if self.first is not None and self.last is not None:
            ends = pd.Timestamp(self.first), pd.Timestamp(self.last)
        if ends[0] is None or ends[1] is None:
            return np.zeros(len(cells), np.bool_)
        return ((cells < ends[0]) | (cells > ends[1])).to_numpy(np.bool_)

    def unseen(self, cells: pd.Series) -> NDArray[np.bool_]:
        """Return [rows] whether a cell of a checked table has a level that is unseen."""
        if self.levels is None:
            return np.zeros(len(cells), np.bool_)
        return (cells.notna() & ~cells.isin(self.levels)).to_numpy(np.bool_)
