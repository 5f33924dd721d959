"""Rows and tables unlike those of the training.

bins          cells of a column as a few bins, fitted on training rows
statistics    population stability index, and tests of two histograms
reference     counts of the bins of columns, predictions and target
combinations  a tree of pairs of columns: how unlikely a row's combination of values is
drift         columns of new rows beside the reference
fitting       what ordinary rows are like, from training rows
graph         the signature `check`: raw columns to flags of rows and cells
findings      its answers as a table with reasons
"""

from kerasnn.novelty.drift import (
    MIN_NEW_ROWS,
    CellCounts,
    ColumnDrift,
    Role,
    count_cells,
    find_drift,
)
from kerasnn.novelty.findings import findings_table
from kerasnn.novelty.fitting import Novelty, fit_novelty
from kerasnn.novelty.graph import check_function
from kerasnn.novelty.reference import (
    REFERENCE_FILE,
    ColumnReference,
    Reference,
    prediction_columns,
    target_column,
)

__all__ = [
    "MIN_NEW_ROWS",
    "REFERENCE_FILE",
    "CellCounts",
    "ColumnDrift",
    "ColumnReference",
    "Novelty",
    "Reference",
    "Role",
    "check_function",
    "count_cells",
    "find_drift",
    "findings_table",
    "fit_novelty",
    "prediction_columns",
    "target_column",
]
