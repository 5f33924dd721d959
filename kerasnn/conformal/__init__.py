"""Floor, intervals and sets: what the rows that members left out can promise.

floor      of probabilities, which are never surer than these rows allow
quantiles  scores of the validation rows, and the bound that a coverage needs
features   of a row, that tell how far off a prediction may be
scale      how far off, for each row
intervals  of a regression
sets       of classes

Everything is fitted with NumPy after the training, and answered by TensorFlow operations
alone, so that the SavedModel gives the same intervals.
"""

from kerasnn.conformal.intervals import Intervals, ValidationValues, fit_intervals
from kerasnn.conformal.quantiles import (
    DEFAULT_COVERAGE,
    check_coverage,
    check_validation_rows,
    rows_needed,
)
from kerasnn.conformal.sets import ClassSets, fit_sets, with_best_class

__all__ = [
    "DEFAULT_COVERAGE",
    "ClassSets",
    "Intervals",
    "ValidationValues",
    "check_coverage",
    "check_validation_rows",
    "fit_intervals",
    "fit_sets",
    "rows_needed",
    "with_best_class",
]
