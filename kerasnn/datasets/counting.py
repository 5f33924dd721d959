"""Exact counts of a table's columns while it is read once: missing values, and texts."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kerasnn.datasets.cells import MISSING_TEXTS, Cells, category_text, read_cells
from kerasnn.datasets.readings import numbers

MOST_TEXTS = 50_000  # different ones of a column whose rows are counted for each


@dataclass(frozen=True)
class ColumnCounts:
    """What is counted of a column.

    Attributes:
        rows: all of them.
        missing: rows without a value.
        texts: rows of each text, as `category_text` writes it; None of numbers, and where
            there are more than `MOST_TEXTS`.
    """

    rows: int
    missing: int
    texts: Mapping[str, int] | None

    def without(self, values: pd.Series) -> "ColumnCounts":
        """The counts once these rows, which were counted, are left out."""
        less = ColumnCounter(texts=self.texts is not None)
        less.add(values)
        texts = None
        if self.texts is not None:
            taken = less.texts or {}
            left = {text: n - taken.get(text, 0) for text, n in self.texts.items()}
            texts = {text: n for text, n in left.items() if n}
        return ColumnCounts(self.rows - less.rows, self.missing - less.missing, texts)

    def of_numbers(self) -> "ColumnCounts":
        """The counts of a column of text that holds numbers: "1.50" is "1.5" then."""
        if self.texts is None:
            return self
        found, wrong = numbers(list(self.texts))
        values = np.array(list(self.texts), object) if wrong.any() else found
        texts: dict[str, int] = {}
        for text, count in zip(category_text(values), self.texts.values(), strict=True):
            texts[text] = texts.get(text, 0) + count
        return dataclasses.replace(self, texts=texts)


class ColumnCounter:
    """Counts one column, block by block.

    Args:
        texts: whether the texts of numbers are counted as well.
    """

    def __init__(self, *, texts: bool = False) -> None:
        self.rows = self.missing = 0
        self._also_numbers = texts
        self.texts: dict[str, int] | None = {}

    def add(self, values: pd.Series) -> None:
        """The next rows."""
        self.rows += len(values)
        if _is_numbers(values.dtype) and not self._also_numbers:
            self.texts = None
        if self.texts is None:
            self.missing += int(_missing(values).sum())
            return
        cells = read_cells(values)
        self.missing += cells.missing
        each = Cells(np.arange(len(cells.values)), cells.values, cells.content)
        for text, count in zip(category_text(each), cells.counts.tolist(), strict=True):
            self.texts[text] = self.texts.get(text, 0) + count
        if len(self.texts) > MOST_TEXTS:
            self.texts = None

    def counts(self) -> ColumnCounts:
        """Of all rows so far."""
        return ColumnCounts(self.rows, self.missing, self.texts)


def _is_numbers(dtype: Any) -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)


def _missing(values: pd.Series) -> pd.Series:
    """[rows] as `read_cells` tells it, without taking each value in hand."""
    missing = values.isna()
    if values.dtype == object or pd.api.types.is_string_dtype(values.dtype):
        missing |= values.map(_bare).isin(MISSING_TEXTS)
    return missing


def _bare(value: object) -> object:
    return value.strip() if isinstance(value, str) else value
