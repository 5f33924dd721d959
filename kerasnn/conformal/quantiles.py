"""Scores of the validation rows, and the bound that a new row's score does not exceed.

Of n validation rows and a new one, each is as likely as any other to have the k-th smallest
score. So a new row's score is at most the k-th smallest of theirs with a probability of
k / (n + 1) or more.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError

DEFAULT_COVERAGE = 0.9
MAX_STORED = 2000  # scores; of more rows, only some are stored
_ROUNDING = 1e-9  # within which (n + 1) * coverage counts as whole


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of validation rows by rank, from which the bound of any coverage follows.

    Attributes:
        n_rows: number of validation rows.
        ranks: [stored] ascending, from 1; the last one is n_rows.
        scores: [stored] float64, ascending.
    """

    n_rows: int
    ranks: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> Self:
        """Make a table of scores [rows]; of very many rows it holds some ranks only.

        A bound between two stored ranks is the larger one. The highest ranks are all
        stored, because the bounds of high coverages differ most.
        """
        n_rows = len(scores)
        ranks = np.arange(1, n_rows + 1)
        if n_rows > MAX_STORED:
            half = MAX_STORED // 2
            spread = np.linspace(1, n_rows - half, half).astype(np.int64)
            ranks = np.concatenate([spread, ranks[-half:]])
        return cls(n_rows, ranks.astype(np.float64), np.sort(scores)[ranks - 1])

    def bounds(self, coverage: tf.Tensor) -> tf.Tensor:
        """Return the bound of each coverage, [rows] float64, by TensorFlow operations.

        Infinite where the coverage needs more validation rows (`rows_needed`), and NaN
        where it is not between 0 and 1.
        """
        rank = tf.math.ceil((self.n_rows + 1) * coverage - _ROUNDING)
        place = tf.searchsorted(tf.constant(self.ranks), rank)
        found = tf.gather(tf.constant(np.append(self.scores, np.inf)), place)
        valid = (coverage > 0) & (coverage < 1)
        return tf.where(valid, found, tf.cast(np.nan, tf.float64))


def rows_needed(coverage: float) -> int:
    """Return how many validation rows a finite bound needs."""
    return math.ceil(coverage / (1 - coverage) * (1 - _ROUNDING))


def check_validation_rows(coverage: float, n_rows: float) -> None:
    """Check that there are enough validation rows for a coverage.

    Args:
        coverage: between 0 and 1.
        n_rows: number of them; infinite if it is not known.

    Raises:
        InputError: there are too few.
    """
    needed = rows_needed(coverage)
    if n_rows < needed:
        less = "" if not n_rows else f" (at most {n_rows / (n_rows + 1):.6g})"
        raise InputError(
            f"coverage={coverage:g} needs at least {needed:,} validation rows, which"
            f" members predicted without having learned from them; there are {n_rows:,}."
            f" Ask for a smaller coverage{less}, or train on more rows"
        )


def check_coverage(coverage: float) -> float:
    """Return a coverage as a float.

    Raises:
        InputError: it is no number between 0 and 1.
    """
    number = isinstance(coverage, (int, float, np.number)) and not isinstance(
        coverage, bool
    )
    if not (number and 0 < coverage < 1):
        raise InputError(
            "coverage must be a number between 0 and 1, such as 0.9, and not 0 or 1; got"
            f" {coverage!r}"
        )
    return float(coverage)
