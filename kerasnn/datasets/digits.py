"""DIGITS: 1,797 handwritten digits of 8x8 pixels, packaged with scikit-learn."""

import numpy as np
from numpy.typing import NDArray

DIGITS_COLUMNS = tuple(f"pixel_{i}_{j}" for i in range(8) for j in range(8))
N_CLASSES = 10
PIXEL_MAXIMUM = 16.0

_LabelledRows = tuple[NDArray[np.float32], NDArray[np.generic]]


def digits(
    *, scaled: bool = True, one_hot: bool = False
) -> tuple[_LabelledRows, _LabelledRows]:
    """Return the digits, split 80/20 as in the lesson (`random_state=1`).

    Args:
        scaled: pixels in [0, 1]; False gives 0..16, as in the lesson.
        one_hot: labels as one-hot rows, as in the lesson; False gives integers.

    Returns:
        (x_train, y_train), (x_test, y_test):
            x: [1437 or 360, 64] float32, the columns `DIGITS_COLUMNS`.
            y: [rows] int32 in 0..9, or [rows, 10] float32.

    Source: UCI, Optical Recognition of Handwritten Digits (1998).
    """
    # Imported here because scikit-learn takes most of a second, which
    # `kerasnn predict --server` does not need.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from kerasnn.reference import one_hot as one_hot_rows

    x, labels = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    if scaled:
        x /= np.float32(PIXEL_MAXIMUM)
    y = (
        one_hot_rows(labels, N_CLASSES).astype(np.float32)
        if one_hot
        else labels.astype(np.int32)
    )
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=1)
    return (x_train, y_train), (x_test, y_test)
