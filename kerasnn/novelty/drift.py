"""Columns of new rows beside those of the training: which have drifted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.novelty.bins import numbers_of_cells
from kerasnn.novelty.reference import ColumnReference
from kerasnn.novelty.statistics import (
    out_of_range_p_value,
    population_stability_index,
    same_distribution_p_value,
    still_rejected,
)

MIN_NEW_ROWS = 30  # new rows; fewer say nothing
MIN_PSI = 0.1  # a smaller change is no drift, however significant
MIN_SHARE = 0.05  # more cells that are missing, unseen or outside
# From predictions of left-out rows to those of learned ones.
_BETWEEN = np.linspace(0, 1, 5)
FALSE_ALARM_LEVEL = 0.001  # probability of any false alarm, over all columns together

Role = Literal["column", "combination", "prediction", "target"]


@dataclass(frozen=True)
class CellCounts:
    """Counts of one column of new rows; those of parts of a table are added.

    Attributes:
        bins: [bins] rows in each bin of the reference.
        outside, unseen: rows out of the range of the training, or with an unseen level.
        total: sum of the numbers; 0 for levels.
        unreadable: cells that are no value of the column's kind; no rows of `bins`.
    """

    bins: NDArray[np.int64]
    outside: int = 0
    unseen: int = 0
    total: float = 0.0
    unreadable: int = 0

    def __add__(self, other: "CellCounts") -> "CellCounts":
        """Return the counts of both."""
        return CellCounts(
            self.bins + other.bins,
            self.outside + other.outside,
            self.unseen + other.unseen,
            self.total + other.total,
            self.unreadable + other.unreadable,
        )

    @property
    def rows(self) -> int:
        """The number of rows whose cell can be read."""
        return int(self.bins.sum())

    @property
    def mean(self) -> float | None:
        """The mean of the numbers; None if there are none."""
        present = self.rows - int(self.bins[-1])
        return self.total / present if present else None


@dataclass(frozen=True)
class ColumnDrift:
    """One column of new rows beside the training.

    Attributes:
        name: of the column.
        role: a column of the table, the flag `unlikely`, a prediction or the target.
        psi: population stability index, from 0.
        p_value: probability of a difference like this by chance, for this column alone.
        missing, missing_before: shares of missing cells.
        unseen, outside: shares of cells with a level or a number unlike those before.
        unreadable: share of cells that are no value of the column's kind.
        change: what has changed most, in words: a mean, or the share of a level.
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
    unreadable: float
    change: str
    drifted: bool


def count_cells(
    reference: ColumnReference,
    cells: pd.Series,
    limits: ColumnLimits | None = None,
    unreadable: NDArray[np.bool_] | None = None,
) -> CellCounts:
    """Return the counts of a column of a checked table.

    Args:
        reference: of the training.
        cells: [rows].
        limits: of the training, if cells may be outside or unseen.
        unreadable: [rows] whether a cell could not be read.
    """
    n_unreadable = 0
    if unreadable is not None:
        cells, n_unreadable = cells[~unreadable], int(unreadable.sum())
    bins, outside, unseen, total = reference.bins, 0, 0, 0.0
    if limits is not None:
        outside, unseen = int(limits.outside(cells).sum()), int(limits.unseen(cells).sum())
    if not bins.has_levels:
        total = float(np.nansum(numbers_of_cells(cells, bins.kind)))
    return CellCounts(bins.counts(cells), outside, unseen, total, n_unreadable)


def find_drift(
    compared: Sequence[tuple[Role, ColumnReference, CellCounts]],
) -> list[ColumnDrift]:
    """Return the drift of columns, predictions and target, in their order.

    A column has drifted if a test says that chance does not explain the difference, with a
    correction for the number of columns (`FALSE_ALARM_LEVEL`), and if the difference is
    large: a PSI of `MIN_PSI`, or more missing, unseen or outside cells by `MIN_SHARE`. So
    has one with that share of cells that cannot be read. A prediction must differ from that
    for rows that were left out, and from that for rows that were learned from.

    Args:
        compared: role, reference and counts of each.
    """
    p_values = np.array([_p_value(before, now) for _, before, now in compared])
    surprising = still_rejected(p_values, FALSE_ALARM_LEVEL)
    return [
        _drift(role, before, now, float(p_value), bool(sure))
        for (role, before, now), p_value, sure in zip(
            compared, p_values, surprising, strict=True
        )
    ]


def _p_value(before: ColumnReference, now: CellCounts) -> float:
    by_bins = max(same_distribution_p_value(n, now.bins) for n in _counts(before))
    by_range = out_of_range_p_value(now.outside, before.rows, now.rows)
    by_levels = 1.0
    if now.unseen / max(now.rows, 1) > _usually_unseen(before):
        single, unseen = (before.n_single, now.unseen)
        by_levels = same_distribution_p_value(
            np.array([before.rows - single, single]), np.array([now.rows - unseen, unseen])
        )
    return min(1.0, 3 * min(by_bins, by_range, by_levels))


def _counts(before: ColumnReference) -> list[NDArray[np.int64]]:
    """Return the counts that new ones must differ from, all of them."""
    counts = np.array(before.counts)
    if not before.learned_counts:
        return [counts]
    learned = np.array(before.learned_counts)
    learned = learned * (counts.sum() / max(learned.sum(), 1))
    return [np.rint(counts + share * (learned - counts)).astype(int) for share in _BETWEEN]


def _usually_unseen(before: ColumnReference) -> float:
    """Return the share of later rows whose level is not among those of the training."""
    return before.n_single / max(before.rows, 1)


def _drift(
    role: Role, before: ColumnReference, now: CellCounts, p_value: float, sure: bool
) -> ColumnDrift:
    rows = max(now.rows, 1)
    unreadable = now.unreadable / max(now.rows + now.unreadable, 1)
    psi = min(population_stability_index(n, now.bins) for n in _counts(before))
    missing = int(now.bins[-1]) / rows
    unseen, outside = now.unseen / rows, now.outside / rows
    new = max(missing - before.missing, unseen - _usually_unseen(before), outside)
    return ColumnDrift(
        name=before.bins.name,
        role=role,
        psi=psi,
        p_value=p_value,
        missing=missing,
        missing_before=before.missing,
        unseen=unseen,
        outside=outside,
        unreadable=unreadable,
        change=_change(before, now),
        drifted=(sure and (psi >= MIN_PSI or new >= MIN_SHARE)) or unreadable >= MIN_SHARE,
    )


def _change(before: ColumnReference, now: CellCounts) -> str:
    """Return a mean before and now, or the share of the level that has changed most."""
    bins = before.bins
    if bins.kind == "datetime" and before.mean is not None and now.mean is not None:
        days = [np.datetime64(int(mean), "D") for mean in (before.mean, now.mean)]
        return f"mean {days[0]} -> {days[1]}"
    if not bins.has_levels:
        word = "mean length" if bins.kind == "text" else "mean"
        means = ("none" if m is None else f"{m:.4g}" for m in (before.mean, now.mean))
        return f"{word} {' -> '.join(means)}"
    shares = np.stack([np.array(before.counts), now.bins]).astype(np.float64)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    most = int(np.abs(shares[1] - shares[0]).argmax())
    name = [*map(repr, bins.levels), "other levels", "missing"][most]
    return f"{name} {shares[0][most]:.1%} -> {shares[1][most]:.1%}"
