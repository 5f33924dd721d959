"""Exact counts of a column that is read once: missing values, and rows of each text."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from kerasnn.datasets.cells.factorized import MISSING_TEXTS, factorize
from kerasnn.datasets.cells.parsing import category_text, numbers
from kerasnn.datasets.cells.truths import levels_by_truth, truth_of
from kerasnn.datasets.files.plain_columns import column_numbers
from kerasnn.datasets.schema.schema import Column, Target

MAX_TEXTS = 50_000  # distinct texts of a column that are counted
MAX_NUMBERS = 1_000  # distinct numbers in text, in a block, that are counted


@dataclass(frozen=True)
class ColumnCounts:
    """Counts of a column.

    Attributes:
        rows: number of rows.
        missing: number of missing values.
        texts: rows of each text, as `category_text` writes it; None for numbers, and for
            more than `MAX_TEXTS` texts.
    """

    rows: int
    missing: int
    texts: Mapping[str, int] | None

    def without(self, values: pd.Series) -> "ColumnCounts":
        """Return the counts without some of the counted rows."""
        less = ColumnCounter(texts=self.texts is not None)
        less.add(values)
        texts = None
        if self.texts is not None:
            removed = less.texts or {}
            left = {text: n - removed.get(text, 0) for text, n in self.texts.items()}
            texts = {text: n for text, n in left.items() if n}
        return ColumnCounts(self.rows - less.rows, self.missing - less.missing, texts)

    def read_as(self, column: Column | Target) -> "ColumnCounts":
        """Return the counts as the cells are read: missing texts, spellings of booleans.

        Args:
            column: of the schema; the classes of a target keep their spelling.
        """
        if self.texts is None:
            return self
        level_of: dict[bool | None, str] = {}
        if isinstance(column, Column) and column.kind == "boolean":
            level_of = levels_by_truth(column.levels)
        missing, texts = self.missing, dict[str, int]()
        for text, rows in self.texts.items():
            if text in column.missing_texts:
                missing += rows
            else:
                level = level_of.get(truth_of(text), text) if level_of else text
                texts[level] = texts.get(level, 0) + rows
        return ColumnCounts(self.rows, missing, texts)

    def of_numbers(self) -> "ColumnCounts":
        """Return the counts of a text column as numbers: "1.50" becomes "1.5"."""
        if self.texts is None:
            return self
        found, invalid = numbers(list(self.texts))
        values = np.array(list(self.texts), object) if invalid.any() else found
        texts: dict[str, int] = {}
        for text, count in zip(category_text(values), self.texts.values(), strict=True):
            texts[text] = texts.get(text, 0) + count
        return dataclasses.replace(self, texts=texts)


class ColumnCounter:
    """Counts of one column, updated block by block.

    Args:
        texts: whether to count the texts of numbers too.
    """

    def __init__(self, *, texts: bool = False) -> None:
        self.rows = self.missing = 0
        self._also_numbers = texts
        self.texts: dict[str, int] | None = {}

    def add(self, values: pd.Series) -> None:
        """Count the next rows."""
        self.rows += len(values)
        if _is_numbers(values.dtype) and not self._also_numbers:
            self.texts = None
        if self.texts is not None and self._has_too_many_texts(values):
            self.texts = None
        if self.texts is None:
            self.missing += int(_missing(values).sum())
            return
        column = factorize(values)
        self.missing += column.missing
        texts = category_text(column.distinct)
        for text, count in zip(texts, column.counts.tolist(), strict=True):
            self.texts[text] = self.texts.get(text, 0) + count
        if len(self.texts) > MAX_TEXTS:
            self.texts = None

    def _has_too_many_texts(self, values: pd.Series) -> bool:
        """Return whether a block of Arrow's text has so many texts that none is counted."""
        if len(values) <= MAX_NUMBERS or not isinstance(values.dtype, pd.StringDtype):
            return False
        n_texts = values.str.strip().nunique()
        if n_texts > MAX_TEXTS:
            return True
        is_counted = self._also_numbers or n_texts <= MAX_NUMBERS
        return not is_counted and column_numbers(values) is not None

    def counts(self) -> ColumnCounts:
        """Return the counts of all rows so far."""
        return ColumnCounts(self.rows, self.missing, self.texts)


def _is_numbers(dtype: Any) -> bool:
    types = pd.api.types
    return types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)


def _missing(values: pd.Series) -> pd.Series:
    """Return which cells are missing, as `factorize` finds them, but faster."""
    missing = values.isna()
    if isinstance(values.dtype, pd.StringDtype):
        return missing | values.str.strip().isin(MISSING_TEXTS)
    if values.dtype == object or pd.api.types.is_string_dtype(values.dtype):
        bare = values.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
        missing |= bare.isin(MISSING_TEXTS)
    return missing
