"""Weights of training rows."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerasnn.errors import InputError


def row_weights(
    sample_weight: ArrayLike | None,
    class_weights: NDArray[np.float64] | float,
    n_rows: int,
) -> NDArray[np.float32]:
    """Return the weights of the rows, mean one.

    Args:
        sample_weight: [rows], not negative; None: equal weights.
        class_weights: [rows] weight of each row's class, or one number for all rows.
        n_rows: number of rows.

    Raises:
        InputError: the shape is wrong, a weight is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        weights = np.ones(n_rows)
    else:
        weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (n_rows,):
        if weights.ndim != 0:
            raise InputError(
                f"sample_weight.shape == {weights.shape}, expected {(n_rows,)}!"
            )
        weights = np.full(n_rows, float(weights))
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if wrong.size:
        raise InputError(
            "sample_weight must be finite and not negative;"
            f" got {weights[wrong[0]]} in row {wrong[0]}"
        )
    weights = weights * class_weights
    if not weights.sum() > 0:
        raise InputError("sample_weight must not be zero for every row")
    return (weights / weights.mean()).astype(np.float32)
