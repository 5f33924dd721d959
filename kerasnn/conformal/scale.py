"""How far off a prediction may be, for each row: a log-linear model of the errors' size.

The size of an error is taken to be gamma distributed around exp(features @ weights).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

_STEPS = 6  # of Fisher scoring
_MAX_RATIO = 8.0  # an error counts as at most this many scales
MAX_LOG_RANGE = 3.0  # a scale is at most exp(3) times as large, or small, as the mean one
_TINY = 1e-6  # of a standardised target


@dataclass(frozen=True, eq=False)
class ScaleModel:
    """Weights of the features.

    Attributes:
        weights: [features]; empty for the same scale in every row.
        centre: mean of features @ weights.
        offset: logarithm of the scale there.
    """

    weights: NDArray[np.float32]
    centre: float
    offset: float

    def scale(self, features: tf.Tensor) -> tf.Tensor:
        """Return [rows] float32 for [rows, features], by TensorFlow operations."""
        if not len(self.weights):
            return tf.fill(tf.shape(features)[:1], np.float32(np.exp(self.offset)))
        moved = tf.linalg.matvec(features, tf.constant(self.weights))
        moved = tf.clip_by_value(
            moved - np.float32(self.centre), -MAX_LOG_RANGE, MAX_LOG_RANGE
        )
        return tf.exp(np.float32(self.offset) + moved)


def constant_scale(sizes: NDArray[np.float64]) -> ScaleModel:
    """Return the same scale for every row: the mean of the sizes [rows]."""
    mean = sizes.mean() if len(sizes) else 0.0
    return ScaleModel(np.zeros(0, np.float32), 0.0, float(np.log(mean + _TINY)))


def fit_scales(
    features: NDArray[np.float32], sizes: NDArray[np.float64], ridges: Sequence[float]
) -> list[ScaleModel]:
    """Fit the weights, once for each ridge.

    Args:
        features: [rows, features].
        sizes: [rows] of the errors, not negative.
        ridges: penalties; each pulls a weight to 0 like as many rows with feature 1.
    """
    if len(sizes) < 2:
        return [constant_scale(sizes)] * len(ridges)
    mean = features.mean(axis=0)
    centred = features - mean
    gram = (centred.T @ centred).astype(np.float64)
    return [_fitted(centred, mean, gram, sizes, ridge) for ridge in ridges]


def _fitted(
    centred: NDArray[np.float32],
    mean: NDArray[np.float32],
    gram: NDArray[np.float64],
    sizes: NDArray[np.float64],
    ridge: float,
) -> ScaleModel:
    """Maximise the penalised likelihood; with a log link the weights of rows are equal."""
    factor = cho_factor(gram + ridge * np.eye(len(gram)))
    weights = np.zeros(len(gram))
    offset = np.log(sizes.mean() + _TINY)
    for _ in range(_STEPS):
        moved = centred @ weights.astype(np.float32)
        moved = np.clip(moved, -MAX_LOG_RANGE, MAX_LOG_RANGE)
        ratio = np.minimum(sizes / np.exp(offset + moved), _MAX_RATIO)
        offset += np.log(ratio.mean() + _TINY)
        surplus = (ratio - ratio.mean()).astype(np.float32)
        gradient = centred.T @ surplus - ridge * weights
        weights = weights + cho_solve(factor, gradient)
    return ScaleModel(weights.astype(np.float32), float(mean @ weights), float(offset))
