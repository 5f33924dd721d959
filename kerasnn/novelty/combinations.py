"""How unlikely a row's combination of values is: a tree of pairs of columns.

Each column depends on at most one other. The score of a row is the sum, over the pairs of
the tree, of how much rarer their two values are together than if they were independent.
Values that are rare alone do not count.

Source: Chow and Liu, Approximating Discrete Probability Distributions with Dependence
Trees (1968).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

MAX_TREE_COLUMNS = 128  # of the tree, those of the largest entropy
MAX_TREE_ROWS = 5_000  # that the tree is fitted to
MIN_TREE_ROWS = 50
UNLIKELY_SHARE = 0.01  # of the rows that were left out when it was fitted
_FOLDS = 5
_PRIOR = 1.0  # pseudocount: rows that are added to each pair of bins


@dataclass(frozen=True, eq=False)
class Combinations:
    """Pairs of columns, and how rare their values are together.

    Attributes:
        pairs: [n_pairs, 2] int32, positions of columns.
        sizes: [n_columns] bins of each column.
        surprises: [sum of the pairs' products of sizes] float32: of each pair of bins the
            logarithm of how much rarer it is than if the columns were independent.
        threshold: a row with a larger sum is unlikely.
        n_unlikely: rows above it that were left out when the tree was fitted, ...
        n_rows: ... of so many.
    """

    pairs: NDArray[np.int32]
    sizes: NDArray[np.int32]
    surprises: NDArray[np.float32]
    threshold: float
    n_unlikely: int = 0
    n_rows: int = 0

    @property
    def starts(self) -> NDArray[np.int32]:
        """[n_pairs], the place in `surprises` of each pair's first bins."""
        products = self.sizes[self.pairs].prod(axis=1)
        return np.concatenate([[0], np.cumsum(products)[:-1]]).astype(np.int32)

    def of_rows(self, codes: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the surprise of each pair, [rows, n_pairs].

        Args:
            codes: [rows, n_columns] bins.
        """
        first, second = self.pairs.T
        places = codes[:, first] * self.sizes[second] + codes[:, second] + self.starts
        return self.surprises[places].astype(np.float64)


def fit_combinations(
    codes: NDArray[np.int32], sizes: NDArray[np.int32]
) -> Combinations | None:
    """Return the tree of training rows; None if they are few, or no columns depend.

    The threshold is from rows that were left out, a fold at a time.

    Args:
        codes: [rows, n_columns] bins, the rows in random order.
        sizes: [n_columns] bins of each column.
    """
    codes = codes[:MAX_TREE_ROWS]
    if len(codes) < MIN_TREE_ROWS or not len(sizes):
        return None
    chosen = _varied_columns(codes, sizes)
    folds = np.arange(len(codes)) % _FOLDS
    counts = [
        _pair_counts(codes[folds == k][:, chosen], sizes[chosen]) for k in range(_FOLDS)
    ]
    total = np.sum(counts, axis=0)
    scores = np.zeros(len(codes))
    for k, left_out in enumerate(counts):
        tree = _tree(total - left_out, chosen, sizes)
        scores[folds == k] = tree.of_rows(codes[folds == k]).sum(axis=1)
    tree = _tree(total, chosen, sizes)
    if not len(tree.pairs):
        return None
    threshold = float(np.quantile(scores, 1 - UNLIKELY_SHARE, method="higher"))
    threshold = max(threshold, 0.0)
    return replace(
        tree,
        threshold=threshold,
        n_unlikely=int((scores > threshold).sum()),
        n_rows=len(codes),
    )


def _varied_columns(codes: NDArray[np.int32], sizes: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the columns of the largest entropy, at most `MAX_TREE_COLUMNS`, in order."""
    entropies = []
    for column, size in zip(codes.T, sizes, strict=True):
        shares = np.bincount(column, minlength=size) / len(column)
        entropies.append(-(shares * np.log(np.maximum(shares, 1e-12))).sum())
    return np.sort(np.argsort(entropies, kind="stable")[::-1][:MAX_TREE_COLUMNS])


def _pair_counts(codes: NDArray[np.int32], sizes: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return [bins, bins] the number of rows that are in both of two bins."""
    starts = np.cumsum(sizes) - sizes
    present = np.zeros((len(codes), sizes.sum()), np.float32)
    present[np.arange(len(codes))[:, np.newaxis], codes + starts] = 1
    return (present.T @ present).astype(np.float64)


def _tree(
    counts: NDArray[np.float64], chosen: NDArray[np.intp], sizes: NDArray[np.int32]
) -> Combinations:
    """Return the tree of the pairs that depend most, without a threshold."""
    starts = np.cumsum(sizes[chosen]) - sizes[chosen]
    weights = _dependence(counts, starts)
    found = minimum_spanning_tree(-weights).tocoo()
    ends = np.stack([found.row, found.col], axis=1)
    rows = counts.diagonal()[: sizes[chosen][0]].sum()
    surprises = [_surprises(counts, i, j, starts, sizes[chosen], rows) for i, j in ends]
    return Combinations(
        chosen[ends].astype(np.int32).reshape(-1, 2),
        sizes.astype(np.int32),
        np.concatenate([np.zeros(0, np.float32), *surprises]),
        math.inf,
    )


def _dependence(
    counts: NDArray[np.float64], starts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return [columns, columns] G statistics of independence, 0 where it may be chance."""

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat(np.add.reduceat(values, starts, axis=0), starts, axis=1)

    margins = counts.diagonal()
    rows = np.add.reduceat(margins, starts)[0]
    own = np.add.reduceat(_n_log_n(margins), starts)
    g = 2 * (sums(_n_log_n(counts)) - own[:, np.newaxis] - own + _n_log_n(rows))
    used = np.add.reduceat((margins > 0).astype(np.float64), starts)
    freedom = np.outer(used - 1, used - 1)
    by_chance = freedom + 3 * np.sqrt(2 * freedom)
    dependent = np.where((g > by_chance) & (freedom > 0), g - freedom, 0.0)
    np.fill_diagonal(dependent, 0.0)
    return dependent


def _n_log_n(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values * np.log(np.maximum(values, 1.0))


def _surprises(
    counts: NDArray[np.float64],
    i: int,
    j: int,
    starts: NDArray[np.intp],
    sizes: NDArray[np.int32],
    rows: float,
) -> NDArray[np.float32]:
    """Return the surprise of each pair of bins of two columns, flat."""
    first, second = (slice(starts[k], starts[k] + sizes[k]) for k in (i, j))
    margins = counts.diagonal()
    expected = np.outer(margins[first], margins[second]) / rows
    surprises = np.log((expected + _PRIOR) / (counts[first, second] + _PRIOR))
    return surprises.astype(np.float32).reshape(-1)
