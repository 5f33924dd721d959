"""A long list of numbers from JSON, held as an array."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_FLOATS = (tf.float32, tf.float64)


class NumberList:
    """Nested lists of numbers of a rectangular shape.

    Args:
        values: int64 if every number was written as an integer, else float64.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def as_type(
        self, dtype: tf.DType, ranges: dict[tf.DType, tuple[int, int]]
    ) -> NDArray[Any] | None:
        """Return the numbers as an array of a type; None if one does not fit the type.

        Args:
            dtype: of the array.
            ranges: of the types of integers.
        """
        if dtype in _FLOATS:
            with np.errstate(over="ignore"):  # too large numbers become infinite
                return self.values.astype(dtype.as_numpy_dtype)
        if dtype not in ranges or self.values.dtype != np.int64:
            return None
        low, high = ranges[dtype]
        if self.values.min() < low or self.values.max() > high:
            return None
        return self.values.astype(dtype.as_numpy_dtype)

    def as_list(self, maximum: int | None = None) -> list[Any]:
        """Return nested lists; at most about `maximum` numbers, but at least one row."""
        rows = None
        if maximum is not None:
            rows = max(1, maximum * len(self.values) // self.values.size)
        return self.values[:rows].tolist()
