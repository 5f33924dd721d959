"""The mini-batcher of the lesson: row numbers cut by scikit-learn's KFold."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold


def kfold_batches(
    n_rows: int, batch_size: int, *, seed: int, epoch: int = 0
) -> list[NDArray[np.int64]]:
    """Return the mini-batches of one epoch: shuffled rows in n_rows // batch_size folds.

    Every row is in exactly one batch, and batches differ by at most one row; with fewer
    than two batches' worth of rows there is one batch. It is for teaching: it shows that
    an epoch is a partition of the rows.

    Args:
        n_rows: rows of the data.
        batch_size: minimum rows of a batch; the remainder is spread over the first folds.
        seed: decides the order of the rows, together with `epoch`.
        epoch: number of the epoch, from 0.

    Returns:
        A list of [rows of the batch] row numbers.
    """
    order = np.random.default_rng((seed, epoch)).permutation(n_rows)
    n_folds = n_rows // batch_size
    if n_folds < 2:
        return [order]
    return [order[fold] for _, fold in KFold(n_folds).split(order)]
