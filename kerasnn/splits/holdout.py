"""Rows that are kept for a test: whole groups, or the last block in time."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.splits.folds import grouped_folds, nearest_cuts

MAX_GROUP_PARTS = 20  # folds of the groups, of which some are kept


class Division(NamedTuple):
    """Rows of training and test.

    Attributes:
        trained: [rows] whether a row is learned from.
        tested: [rows] whether a row is tested; rows of a gap are neither.
    """

    trained: NDArray[np.bool_]
    tested: NDArray[np.bool_]


def whole_groups(
    groups: NDArray[np.int64], targets: NDArray[Any], share: float, *, seed: int
) -> Division:
    """Draw whole groups for the test, stratified by class.

    The groups are cut into folds, and folds are drawn until their share is the nearest. No
    class is drawn completely if it is in several folds.

    Args:
        groups: [rows] codes.
        targets: [rows] labels (integers), or numbers.
        share: of the test rows, at most 0.5; 0 for none.
        seed: decides which.

    Raises:
        InputError: there is one group only.
    """
    n_rows = len(groups)
    if share == 0:
        return Division(np.ones(n_rows, np.bool_), np.zeros(n_rows, np.bool_))
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise InputError(
            f"all {n_rows:,} rows are of one group, so none can be kept for the test:"
            " test_size=0 keeps none"
        )
    n_folds = min(MAX_GROUP_PARTS, n_groups)
    fold_of_row = grouped_folds(groups, targets, n_folds, seed=(seed, n_folds))
    labels = targets if targets.dtype.kind in "iu" else np.zeros(n_rows, np.int64)
    counts = np.zeros((n_folds, int(labels.max()) + 1), np.int64)
    np.add.at(counts, (fold_of_row, labels), 1)
    order = np.random.default_rng(seed).permutation(n_folds)
    tested = np.isin(fold_of_row, _nearest_folds(counts, share * n_rows, order))
    return Division(~tested, tested)


def _nearest_folds(
    counts: NDArray[np.int64], n_wanted: float, order: NDArray[np.int64]
) -> list[int]:
    """Return folds with about a number of rows, at least one and never all.

    Args:
        counts: [folds, classes] rows.
        n_wanted: number of rows.
        order: in which the folds are tried.
    """
    several = (counts > 0).sum(axis=0) > 1  # classes that are in two folds or more
    chosen: list[int] = []
    drawn = np.zeros(counts.shape[1], np.int64)
    for fold in order.tolist():
        after = drawn + counts[fold]
        empties = (after == counts.sum(axis=0))[several].any()
        nearer = abs(after.sum() - n_wanted) < abs(drawn.sum() - n_wanted)
        if nearer and not empties:
            chosen.append(fold)
            drawn = after
    return chosen or [int(np.argmin(counts.sum(axis=1)))]


def last_block(times: NDArray[np.float64], share: float, *, gap: int = 0) -> Division:
    """Keep the latest rows for the test; rows of one time are on one side.

    Args:
        times: [rows] numbers that grow with time.
        share: of the test rows, about; 0 for none.
        gap: rows before the test rows that are not learned from.

    Raises:
        InputError: all times are equal, or the gap leaves no rows to learn from.
    """
    n_rows = len(times)
    if share == 0:
        return Division(np.ones(n_rows, np.bool_), np.zeros(n_rows, np.bool_))
    order = np.argsort(times, kind="stable")
    changes = np.flatnonzero(np.diff(times[order])) + 1
    if not len(changes):
        raise InputError(
            f"all {n_rows:,} rows have the same time, so none is later than the others and"
            " can be kept for the test; test_size=0 keeps none"
        )
    cuts = changes[changes >= gap + 2]
    if not len(cuts):
        raise InputError(
            f"gap must leave rows to learn from before the test rows, of {n_rows:,} rows;"
            f" got gap={gap}"
        )
    (cut,) = nearest_cuts(cuts, [round(n_rows * (1 - share))])
    trained, tested = np.zeros((2, n_rows), np.bool_)
    trained[order[: cut - gap]] = True
    tested[order[cut:]] = True
    return Division(trained, tested)
