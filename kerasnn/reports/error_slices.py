"""Slices of the test rows with larger errors: single levels or ranges of one column."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from kerasnn.datasets import Column
from kerasnn.reports.reason_sections import SLICE_LEVEL, ErrorSlice

MIN_SLICE_ROWS = 30  # of a slice, and of the others
N_RANGES = 5
_MAX_LEVELS = 50  # the most frequent ones of a column
_KEPT_QUANTILE = 0.99  # a single extreme error is no slice


def error_slices(
    table: pd.DataFrame,
    losses: NDArray[np.float64],
    columns: Sequence[Column],
    *,
    maximum: int = 8,
) -> list[ErrorSlice]:
    """Return the slices with a larger loss than the other rows, the surest first.

    The slices are five ranges of about equally many rows of a numeric column, single levels
    of any other, and the missing cells of each. Probabilities are multiplied by the number
    of slices that are looked at (Bonferroni).

    Args:
        table: [rows, columns] checked, of test rows.
        losses: [rows].
        columns: of the schema.
        maximum: number of slices to return.
    """
    kept = (
        np.minimum(losses, np.quantile(losses, _KEPT_QUANTILE)) if len(losses) else losses
    )
    found = []
    for column in columns:
        for values, chosen in _slices(table[column.name], column):
            if MIN_SLICE_ROWS <= chosen.sum() <= len(chosen) - MIN_SLICE_ROWS:
                found.append((column.name, values, chosen))
    slices = []
    for name, values, chosen in found:
        test = ttest_ind(
            kept[chosen], kept[~chosen], equal_var=False, alternative="greater"
        )
        chance = min(1.0, float(np.nan_to_num(test.pvalue, nan=1.0)) * len(found))
        if chance < SLICE_LEVEL:
            means = float(losses[chosen].mean()), float(losses[~chosen].mean())
            slices.append(ErrorSlice(name, values, int(chosen.sum()), *means, chance))
    return sorted(slices, key=lambda one: one.chance)[:maximum]


def _slices(cells: pd.Series, column: Column) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield values as text, and the rows that have them."""
    if column.kind in ("text", "datetime"):
        return
    missing = cells.isna().to_numpy()
    yield "missing", missing
    if column.kind != "numeric":
        levels = cells.astype("string")
        for level in levels.value_counts().index[:_MAX_LEVELS]:
            yield str(level), (levels == level).fillna(False).to_numpy(np.bool_)
        return
    numbers = cells.to_numpy(np.float64)
    known = numbers[~missing]
    if not len(known):
        return
    edges = np.unique(np.quantile(known, np.linspace(0, 1, N_RANGES + 1)))
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    for place in range(max(len(edges) - 1, 1)):
        chosen = ~missing & (places == place)
        if chosen.any():
            low, high = numbers[chosen].min(), numbers[chosen].max()
            yield f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}", chosen
