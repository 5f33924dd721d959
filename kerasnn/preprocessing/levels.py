"""The levels of categorical columns: which are kept, and how they reach the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.counting import ColumnCounts
from kerasnn.datasets.schema import Column

MISSING = ""  # no level's text is empty, so this stands for a missing value
# "sign": -1 for the first of two levels, 1 for the second; "one-hot": a column of 0 and 1
# for each; "codes": a whole number, for an embedding. Nothing else is 0 in all of them.
Form = Literal["sign", "one-hot", "codes"]


@dataclass(frozen=True)
class Levels:
    """The levels of one column that are kept, of which code 1 is the first.

    Attributes:
        column: its name.
        texts: of the levels; `MISSING` among them where missing values count as a level.
        form: how they reach the network.
    """

    column: str
    texts: tuple[str, ...]
    form: Form

    def codes(self, values: pd.Series) -> NDArray[np.int32]:
        """[rows], from texts or None: 1 and up for the levels kept, 0 for all else."""
        known = pd.Index(self.texts, dtype=object)
        return (known.get_indexer(pd.Index(_texts(values), dtype=object)) + 1).astype(
            np.int32
        )

    @property
    def feature_names(self) -> list[str]:
        """Of the columns of x; none for codes."""
        if self.form == "codes":
            return []
        shown = self.texts[1:] if self.form == "sign" else self.texts
        return [
            f"{self.column} missing" if text == MISSING else f"{self.column}={text}"
            for text in shown
        ]

    @property
    def rows_of_x(self) -> NDArray[np.float32]:
        """What each code becomes in x, [n_levels + 1, n]; for signs and one-hot."""
        if self.form == "sign":
            return np.array([[0.0], [-1.0], [1.0]], np.float32)
        return np.eye(len(self.texts) + 1, dtype=np.float32)[:, 1:]


def fit_levels(
    values: pd.Series,
    column: Column,
    counts: ColumnCounts | None = None,
    *,
    one_hot_levels: int,
    min_count: int,
    most: int,
) -> Levels | None:
    """The levels to keep, from training rows; None if the column then says nothing.

    Args:
        values: [rows] text or None.
        column: its schema.
        counts: of all rows, where `values` are a sample of them.
        one_hot_levels: a column of more than these gets codes.
        min_count: rarer levels are as unknown ones; missing values are a level here.
        most: at most so many, the most frequent.
    """
    if column.kind == "boolean":
        return _as_form(column.name, column.levels, one_hot_levels)
    found = _counted(values, counts)
    if len(found) < 2:
        return None
    ranked = sorted((-n, text) for text, n in found.items() if n >= min_count)
    return _as_form(column.name, [text for _, text in ranked[:most]], one_hot_levels)


def _counted(values: pd.Series, counts: ColumnCounts | None) -> dict[str, int]:
    """Rows of each text, `MISSING` among them."""
    if counts is None or counts.texts is None:
        found = pd.Series(_texts(values)).value_counts()
        return {str(text): int(n) for text, n in found.items()}
    missing = {MISSING: counts.missing} if counts.missing else {}
    return {**counts.texts, **missing}


def _texts(values: pd.Series) -> NDArray[np.object_]:
    return values.to_numpy(object, na_value=MISSING)


def _as_form(name: str, texts: Sequence[str], one_hot_levels: int) -> Levels | None:
    if not texts:
        return None
    if len(texts) == 2:
        return Levels(name, tuple(texts), "sign")
    few = len(texts) <= one_hot_levels
    return Levels(name, tuple(texts), "one-hot" if few else "codes")
