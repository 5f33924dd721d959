"""Cells of a column as a few bins, fitted on training rows.

Numbers and dates have about ten bins of equally many rows, and one more for each value that
many rows have; levels have a bin each, and rare levels one together; missing cells have a
bin of their own. `graph` repeats it on tensors.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import ColumnKind
from kerasnn.datasets import Column
from kerasnn.preprocessing.dates import date_parts

MAX_BINS = 10  # of numbers, beside that of missing cells
_SAME = 1e-6  # relative to the largest number: the precision of 32 bits
MAX_LEVEL_BINS = 20  # levels with a bin of their own, the most frequent ones


@dataclass(frozen=True)
class ColumnBins:
    """The bins of one column.

    The bins of numbers are those between `edges`, from the left; those of levels are
    `levels`, then all others. The last bin is of missing cells.

    Attributes:
        name: of the column.
        kind: of the column.
        edges: increasing; a number on an edge is in the bin above it. Dates are days since
            1970, free texts their number of characters.
        levels: with a bin each; of categorical and boolean columns.
    """

    name: str
    kind: ColumnKind
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def has_levels(self) -> bool:
        """True if the bins are of levels."""
        return self.kind in ("categorical", "boolean")

    @property
    def size(self) -> int:
        """The number of bins."""
        return (len(self.levels) if self.has_levels else len(self.edges)) + 2

    def codes(self, cells: pd.Series) -> NDArray[np.int32]:
        """Return the bin of each cell, [rows] from 0.

        Args:
            cells: of a checked table.
        """
        if self.has_levels:
            found = pd.Index(self.levels, dtype=object).get_indexer(
                pd.Index(cells, dtype=object)
            )
            found = np.where(found < 0, len(self.levels), found)
            is_missing = cells.isna().to_numpy()
        else:
            numbers = numbers_of_cells(cells, self.kind)
            found = np.searchsorted(np.array(self.edges), numbers, side="right")
            is_missing = np.isnan(numbers)
        return np.where(is_missing, self.size - 1, found).astype(np.int32)

    def counts(self, cells: pd.Series) -> NDArray[np.int64]:
        """Return the number of cells in each bin."""
        return np.bincount(self.codes(cells), minlength=self.size)


def fit_bins(column: Column, cells: pd.Series) -> ColumnBins:
    """Return the bins of a column of training rows.

    Args:
        column: its schema.
        cells: [rows] of a checked table.
    """
    if column.kind in ("categorical", "boolean"):
        levels = column.levels
        if len(levels) > MAX_LEVEL_BINS:
            levels = tuple(cells.value_counts().index[:MAX_LEVEL_BINS])
        return ColumnBins(column.name, column.kind, levels=levels)
    if column.repeating_only:  # a later date is nothing new
        return ColumnBins(column.name, column.kind)
    numbers = numbers_of_cells(cells, column.kind)
    return ColumnBins(column.name, column.kind, edges=_edges(numbers[~np.isnan(numbers)]))


def numbers_of_cells(cells: pd.Series, kind: ColumnKind) -> NDArray[np.float64]:
    """Return a column of numbers, dates or free text as numbers, NaN where missing."""
    if kind == "datetime":
        return date_parts(cells)["days"]
    if kind == "text":
        cells = cells.str.len()
    return cells.to_numpy(np.float64, na_value=np.nan)


def _edges(numbers: NDArray[np.float64]) -> tuple[float, ...]:
    """Return edges around each value that many rows have, and quantiles of the others.

    Numbers that differ by rounding errors only are one value, and in one bin.
    """
    largest = np.abs(numbers).max(initial=0.0)
    width = _SAME * largest
    rounded = (numbers / (largest or 1.0)).astype(np.float32)
    values, counts = np.unique(rounded, return_counts=True)
    is_frequent = (counts >= len(numbers) / MAX_BINS) | (len(values) <= MAX_BINS)
    frequent = values[is_frequent].astype(np.float64) * largest
    edges = [frequent - width, frequent + width]
    is_other = np.all([np.abs(numbers - value) > width for value in frequent], axis=0)
    others = numbers[is_other] if len(frequent) else numbers
    if len(others):
        n_bins = max(MAX_BINS - len(frequent), 2)
        quantiles = np.quantile(others, np.arange(n_bins) / n_bins, method="higher")
        edges.append(quantiles - width)  # a value that is a little smaller is the same
    found = np.unique(np.concatenate(edges))
    return tuple(found[np.diff(found, prepend=-np.inf) > width / 2].tolist())
