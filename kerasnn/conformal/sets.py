"""Sets of classes: all those whose probability reaches a threshold.

The threshold is the quantile of the true classes' probabilities, in validation rows, that
the coverage needs. These sets are the smallest on average. Where more rows are right than
the coverage asks, some sets are empty: a row that is unlike every class.

Source: Sadinle et al., Least ambiguous set-valued classifiers with bounded error levels
(2019).
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.conformal.quantiles import ScoreTable

_ROUNDING = 1e-6  # of probabilities in float32


@dataclass(frozen=True, eq=False)
class ClassSets:
    """The fitted sets.

    Attributes:
        scores: 1 - probability of the true class, of validation rows.
    """

    scores: ScoreTable

    @property
    def n_validation_rows(self) -> int:
        """Number of validation rows."""
        return self.scores.n_rows

    def contains(self, probabilities: tf.Tensor, coverage: tf.Tensor) -> tf.Tensor:
        """Return whether each class is in the set, [rows, n_classes] bool, by TensorFlow.

        Args:
            probabilities: [rows, n_classes] float32.
            coverage: [rows] float64.
        """
        bounds = tf.cast(self.scores.bounds(coverage), tf.float32)
        return 1 - probabilities <= bounds[:, None] + _ROUNDING


def with_best_class(
    inside: NDArray[np.bool_], probabilities: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Return the sets [rows, n_classes], each with the most probable class added."""
    best = probabilities.argmax(axis=1)
    return inside | (np.arange(inside.shape[1]) == best[:, None])


def fit_sets(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int32],
    weights: NDArray[np.float32],
) -> ClassSets | None:
    """Fit the sets; None without validation rows.

    Args:
        probabilities: [rows, n_classes] of members that did not learn from the row; NaN
            where there is no such member.
        labels: [rows].
        weights: [rows]; rows of weight 0 do not count.
    """
    counted = np.isfinite(probabilities).all(axis=1) & (weights > 0)
    if not counted.any():
        return None
    given = probabilities[counted, labels[counted]]
    return ClassSets(ScoreTable.of(1 - given))
