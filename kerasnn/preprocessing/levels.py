"""Levels of categorical columns: which are kept, and their form in the network's input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Column
from kerasnn.datasets.profiling.counting import ColumnCounts
from kerasnn.errors import check_whole_number

MISSING = ""  # stands for a missing value, since no level is empty
# "sign": -1 for the first of two levels, 1 for the second; "one-hot": a column of 0 and 1
# for each; "codes": whole numbers, for an embedding. Unknown levels are 0 in all of them.
Form = Literal["sign", "one-hot", "codes"]


@dataclass(frozen=True)
class LevelOptions:
    """Which levels are kept.

    Attributes:
        one_hot_levels: columns with more levels get codes, for an embedding.
        min_count: levels in fewer rows count as unknown; missing values in fewer rows are
            not a feature.
        max_levels: maximum levels of a column; the most frequent are kept.

    Raises:
        InputError: a value is out of range.
    """

    one_hot_levels: int = 8
    min_count: int = 3
    max_levels: int = 1000

    def __post_init__(self) -> None:
        check_whole_number("one_hot_levels", self.one_hot_levels, minimum=2)
        check_whole_number("min_count", self.min_count, minimum=1)
        check_whole_number("max_levels", self.max_levels, minimum=1)


@dataclass(frozen=True)
class Levels:
    """The levels of one column that are kept, with codes from 1.

    Attributes:
        column: its name.
        texts: of the levels; contains `MISSING` if missing values are a level.
        form: of the levels in the network's input.
    """

    column: str
    texts: tuple[str, ...]
    form: Form

    def codes(self, values: pd.Series) -> NDArray[np.int32]:
        """Return [rows] codes of texts or None: 0 for unknown levels."""
        known = pd.Index(self.texts, dtype=object)
        indices = known.get_indexer(pd.Index(_texts(values), dtype=object))
        return (indices + 1).astype(np.int32)

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of x; empty for codes."""
        if self.form == "codes":
            return []
        shown = self.texts[1:] if self.form == "sign" else self.texts
        return [
            f"{self.column} missing" if text == MISSING else f"{self.column}={text}"
            for text in shown
        ]

    @property
    def rows_of_x(self) -> NDArray[np.float32]:
        """The columns of x for each code, [n_levels + 1, n]; for signs and one-hot."""
        if self.form == "sign":
            return np.array([[0.0], [-1.0], [1.0]], np.float32)
        return np.eye(len(self.texts) + 1, dtype=np.float32)[:, 1:]


def fit_levels(
    values: pd.Series,
    column: Column,
    options: LevelOptions,
    counts: ColumnCounts | None = None,
) -> Levels | None:
    """Return the levels to keep, from training rows; None if the column has no information.

    Args:
        values: [rows] text or None.
        column: its schema.
        options: which levels are kept; missing values are a level here.
        counts: of all rows, if `values` are a sample of them.
    """
    if column.kind == "boolean":
        return _with_form(column.name, column.levels, options)
    found = _count(values, counts)
    if len(found) < 2:
        return None
    ranked = sorted((-n, text) for text, n in found.items() if n >= options.min_count)
    texts = [text for _, text in ranked[: options.max_levels]]
    return _with_form(column.name, texts, options)


def _count(values: pd.Series, counts: ColumnCounts | None) -> dict[str, int]:
    """Return the rows of each text, and of `MISSING`."""
    if counts is None or counts.texts is None:
        found = pd.Series(_texts(values)).value_counts()
        return {str(text): int(n) for text, n in found.items()}
    missing = {MISSING: counts.missing} if counts.missing else {}
    return {**counts.texts, **missing}


def _texts(values: pd.Series) -> NDArray[np.object_]:
    return values.to_numpy(object, na_value=MISSING)


def _with_form(name: str, texts: Sequence[str], options: LevelOptions) -> Levels | None:
    if not texts:
        return None
    if len(texts) == 2:
        return Levels(name, tuple(texts), "sign")
    few = len(texts) <= options.one_hot_levels
    return Levels(name, tuple(texts), "one-hot" if few else "codes")
