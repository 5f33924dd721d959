"""Bins of the columns that trees compare, the same for all folds.

scikit-learn would bin each fold anew at each call, which takes longer than growing trees if
rows have weights. In a column of few different values, each value is a bin.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.trees.forest import MAX_CODE

MAX_BINS = 255


@dataclass(frozen=True, eq=False)
class Bins:
    """The columns of codes, then those of x.

    Attributes:
        cardinalities: number of codes of each column of codes.
        edges: of each column of x, ascending; each is the largest value of its bin, and
            the last bin has none.
    """

    cardinalities: tuple[int, ...]
    edges: tuple[NDArray[np.float32], ...]

    @classmethod
    def fit(cls, x: NDArray[np.float32], cardinalities: tuple[int, ...]) -> "Bins":
        """Return the bins of columns x [rows, n_in]."""
        return cls(cardinalities, tuple(map(_edges, x.T)))

    def columns(self, x: NDArray[Any], codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return codes and the bins of x, [rows, columns]."""
        found = np.empty((len(x), len(self.cardinalities) + len(self.edges)))
        n_codes = len(self.cardinalities)
        found[:, :n_codes] = np.where(codes > MAX_CODE, 0, codes)
        for i, edges in enumerate(self.edges):
            found[:, n_codes + i] = np.searchsorted(edges, x[:, i])
        return found

    def limits(
        self, columns: NDArray[np.intp], bins: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return, for a column and a bin each, the largest value of x up to this bin."""
        n_codes = len(self.cardinalities)
        last = np.floor(bins).astype(np.intp)
        pairs = zip(columns, last, strict=True)
        return np.array([self.edges[c - n_codes][i] for c, i in pairs], np.float32)


def _edges(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return edges between values: all of them, or quantiles, each below the next value."""
    known = np.unique(values)
    if len(known) > MAX_BINS:
        ranks = np.arange(1, MAX_BINS) / MAX_BINS
        below = np.unique(np.quantile(values, ranks, method="lower"))
        below = below[below < known[-1]]
    else:
        below = known[:-1]
    above = known[np.searchsorted(known, below, side="right")]
    middle = below + (above - below) / 2
    return np.where(middle < above, middle, below).astype(np.float32)
