"""Columns of new rows beside those of the training: which have drifted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.novelty.reference import ColumnReference
from kerasnn.novelty.statistics import (
    out_of_range_p_value,
    population_stability_index,
    same_distribution_p_value,
    still_rejected,
)

MIN_ROWS = 30  # new rows; fewer say nothing
MIN_PSI = 0.1  # a smaller change is none, however sure
MIN_SHARE = 0.05  # more cells that are missing, unseen or outside
LEVEL = 0.001  # probability of any false alarm, over all columns together

Role = Literal["column", "prediction", "target"]


@dataclass(frozen=True)
class ColumnCounts:
    """Counts of one column of new rows; those of parts of a table are added.

    Attributes:
        bins: [bins] rows in each bin of the reference.
        outside, unseen: rows out of the range of the training, or with an unseen level.
    """

    bins: NDArray[np.int64]
    outside: int = 0
    unseen: int = 0

    def __add__(self, other: "ColumnCounts") -> "ColumnCounts":
        """Return the counts of both."""
        return ColumnCounts(
            self.bins + other.bins, self.outside + other.outside, self.unseen + other.unseen
        )

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.bins.sum())


@dataclass(frozen=True)
class ColumnDrift:
    """One column of new rows beside the training.

    Attributes:
        name: of the column.
        role: a column of the table, a prediction or the target.
        psi: population stability index, from 0.
        p_value: probability of a difference like this by chance, for this column alone.
        missing, missing_before: shares of missing cells.
        unseen, outside: shares of cells with a level or a number unlike those before.
        drifted: whether it differs, by more than chance and by enough.
    """

    name: str
    role: Role
    psi: float
    p_value: float
    missing: float
    missing_before: float
    unseen: float
    outside: float
    drifted: bool


def count_cells(
    reference: ColumnReference, cells: pd.Series, limits: ColumnLimits | None = None
) -> ColumnCounts:
    """Return the counts of a column of a checked table.

    Args:
        reference: of the training.
        cells: [rows].
        limits: of the training, if cells may be outside or unseen.
    """
    counts = reference.bins.counts(cells)
    if limits is None:
        return ColumnCounts(counts)
    outside, unseen = limits.outside(cells).sum(), limits.unseen(cells).sum()
    return ColumnCounts(counts, int(outside), int(unseen))


def find_drift(
    compared: Sequence[tuple[Role, ColumnReference, ColumnCounts]],
) -> list[ColumnDrift]:
    """Return the drift of columns, predictions and target, in their order.

    A column has drifted if a test says that chance does not explain the difference, with a
    correction for the number of columns (`LEVEL`), and if the difference is large: a PSI of
    `MIN_PSI`, or more missing, unseen or outside cells by `MIN_SHARE`.

    Args:
        compared: role, reference and counts of each.
    """
    p_values = np.array([_p_value(before, now) for _, before, now in compared])
    surprising = still_rejected(p_values, LEVEL)
    return [
        _drift(role, before, now, float(p_value), bool(sure))
        for (role, before, now), p_value, sure in zip(
            compared, p_values, surprising, strict=True
        )
    ]


def _p_value(before: ColumnReference, now: ColumnCounts) -> float:
    by_bins = same_distribution_p_value(np.array(before.counts), now.bins)
    by_range = out_of_range_p_value(now.outside, before.rows, now.rows)
    return min(1.0, 2 * min(by_bins, by_range))


def _drift(
    role: Role, before: ColumnReference, now: ColumnCounts, p_value: float, sure: bool
) -> ColumnDrift:
    rows = max(now.rows, 1)
    psi = population_stability_index(np.array(before.counts), now.bins)
    missing = int(now.bins[-1]) / rows
    unseen, outside = now.unseen / rows, now.outside / rows
    new = max(missing - before.missing, unseen, outside)
    return ColumnDrift(
        name=before.bins.name,
        role=role,
        psi=psi,
        p_value=p_value,
        missing=missing,
        missing_before=before.missing,
        unseen=unseen,
        outside=outside,
        drifted=sure and (psi >= MIN_PSI or new >= MIN_SHARE),
    )
