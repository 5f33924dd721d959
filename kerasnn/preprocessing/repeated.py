"""Numbers that come back in a column that is mostly one number.

Where most rows have the same number, mostly 0, the others often mean something of their
own: a capital gain of 7,688 is a kind of case, and 7,298 another. No smooth function of
the number tells that. Trees find such values; a network is given their codes, for an
embedding, beside the scaled number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerasnn.preprocessing.scaling import tamed

MOST_VALUES = 200  # different ones, of a column that is looked at
ROWS_A_VALUE = 30  # that there are on average
LEAST_COUNT = 8  # rows of a value that is kept
MOSTLY = 0.5  # share of the rows that have the most frequent value, at least


@dataclass(frozen=True)
class RepeatedValues:
    """The values of one numeric column that have a code each, of which 1 is the first.

    Attributes:
        column: its name.
        values: ascending, finite.
    """

    column: str
    values: tuple[float, ...]

    def codes(self, numbers: NDArray[np.float64]) -> NDArray[np.int32]:
        """[rows]: 1 and up for the values kept, 0 for all else and for NaN."""
        known = np.array(self.values)
        # The place of NaN is behind the last one, where nothing equals it.
        numbers = tamed(numbers)  # TensorFlow takes the very smallest for 0
        places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
        return np.where(known[places] == numbers, places + 1, 0).astype(np.int32)


def fit_repeated_values(column: str, numbers: NDArray[np.float64]) -> RepeatedValues | None:
    """The values to keep, from training rows; None where they say nothing of their own."""
    numbers = tamed(numbers)
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    few = 2 < len(values) <= MOST_VALUES
    if not few or counts.sum() < ROWS_A_VALUE * len(values):
        return None
    if counts.max() < MOSTLY * counts.sum():
        return None
    kept = values[counts >= LEAST_COUNT]
    return RepeatedValues(column, tuple(map(float, kept))) if len(kept) > 2 else None
