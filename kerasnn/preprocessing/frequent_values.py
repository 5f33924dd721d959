"""Codes for frequent values of a numeric column that is mostly one number.

If most rows have the same number, often 0, the other values may be categories: a capital
gain of 7,688 is one kind of case, and 7,298 another. No smooth function of the number
represents that. Trees find such values; a network gets their codes, for an embedding,
beside the scaled number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerasnn.preprocessing.scaling import clip_inputs

MAX_VALUES = 200  # distinct values of a column
MIN_MEAN_ROWS = 30  # rows of a value, on average
MIN_COUNT = 8  # rows of a value that gets a code
MIN_MODE_SHARE = 0.5  # share of the rows that have the most frequent value


@dataclass(frozen=True)
class FrequentValues:
    """The values of one numeric column that have codes, from 1.

    Attributes:
        column: its name.
        values: ascending, finite.
    """

    column: str
    values: tuple[float, ...]

    def codes(self, numbers: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return [rows] codes: 0 for other values and NaN."""
        known = np.array(self.values)
        # NaN is sorted behind the last value, and equals none.
        numbers = clip_inputs(numbers)  # TensorFlow flushes denormal numbers to 0
        places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        return np.where(known[places] == numbers, places + 1, 0).astype(np.int32)


def fit_frequent_values(column: str, numbers: NDArray[np.float64]) -> FrequentValues | None:
    """Return the values to keep, from training rows; None if the column has none."""
    numbers = clip_inputs(numbers)
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    few = 2 < len(values) <= MAX_VALUES
    if not few or counts.sum() < MIN_MEAN_ROWS * len(values):
        return None
    if counts.max() < MIN_MODE_SHARE * counts.sum():
        return None
    kept = values[counts >= MIN_COUNT]
    return FrequentValues(column, tuple(map(float, kept))) if len(kept) > 2 else None
