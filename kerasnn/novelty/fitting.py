"""The description of ordinary rows, fitted on training rows."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets import Schema, Target
from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.novelty.bins import ColumnBins
from kerasnn.novelty.combinations import Combinations, fit_combinations
from kerasnn.novelty.reference import (
    MAX_COUNTED_ROWS,
    ColumnReference,
    Reference,
    flags_reference,
    prediction_columns,
    target_column,
)

_SEED = 0  # draws the rows that are counted, of many


@dataclass(frozen=True, eq=False)
class Novelty:
    """A description of ordinary rows.

    Attributes:
        limits: of each column of the schema.
        reference: the columns' bins and counts; with predictions and target once they are
            known.
        combinations: how unlikely combinations are; None if that cannot be told.
    """

    limits: tuple[ColumnLimits, ...]
    reference: Reference
    combinations: Combinations | None

    @property
    def bins(self) -> tuple[ColumnBins, ...]:
        """The bins of the columns."""
        return tuple(column.bins for column in self.reference.columns)

    def with_predictions(
        self,
        target: Target,
        predictions: NDArray[np.float64],
        targets: NDArray[np.float64],
        learned: NDArray[np.float64],
    ) -> "Novelty":
        """Return the same with a reference for predictions and target.

        Args:
            target: what is predicted.
            predictions: probabilities [rows, n_classes], or values, by members that left
                the rows out; NaN rows do not count.
            targets: [rows] class indices or numbers, or [rows, n_out].
            learned: the same as `predictions`, by the network for some rows that it learned
                from.
        """
        known = ~np.isnan(predictions.reshape(len(predictions), -1)).any(axis=1)
        found = prediction_columns(target, predictions[known])
        of_learned = prediction_columns(target, learned)
        reference = replace(
            self.reference,
            predictions=tuple(
                _with_learned(ColumnReference.fit(column, cells), of_learned[name][1])
                for name, (column, cells) in found.items()
            ),
            target=_target_reference(target, targets),
        )
        return replace(self, reference=reference)


def fit_novelty(table: pd.DataFrame, schema: Schema) -> Novelty:
    """Fit what ordinary rows are like, to training rows or a sample of them.

    Args:
        table: from `checked_table`.
        schema: of all rows.
    """
    rows = np.random.default_rng(_SEED).permutation(len(table))[:MAX_COUNTED_ROWS]
    table = table.iloc[rows]
    columns = tuple(ColumnReference.fit(c, table[c.name]) for c in schema.columns)
    bins = [column.bins for column in columns]
    codes = np.stack([b.codes(table[b.name]) for b in bins], axis=1)
    sizes = np.array([1 if b.kind == "text" else b.size for b in bins], np.int32)
    codes[:, sizes == 1] = 0  # free texts belong to no pair
    limits = tuple(ColumnLimits.of(column) for column in schema.columns)
    tree = fit_combinations(codes, sizes)
    flags = None if tree is None else flags_reference(tree.n_unlikely, tree.n_rows)
    return Novelty(limits, Reference(columns, combinations=flags), tree)


def _with_learned(reference: ColumnReference, cells: pd.Series) -> ColumnReference:
    counts = reference.bins.counts(cells)
    return replace(reference, learned_counts=tuple(counts.tolist()))


def _target_reference(
    target: Target, targets: NDArray[np.float64]
) -> ColumnReference | None:
    if targets.ndim > 1 and targets.shape[1] > 1:
        return None
    values = targets.reshape(-1)
    if target.task == "classification":
        cells = pd.Series(np.array(target.classes, object)[values.astype(np.intp)])
    else:
        cells = pd.Series(values)
    return ColumnReference.fit(target_column(target), cells)
