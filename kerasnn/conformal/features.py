"""Features of a row that tell how far off its prediction may be.

The prediction itself, the spread of the members and the numbers of x are encoded as
straight pieces between quantiles, so that a linear model can bend there; indicators and
frequent codes are taken as they are.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

MAX_BENT_NUMBERS = 32  # numbers of x that are encoded: those that tell most about errors
MAX_INDICATORS = 48
MAX_CODES = 8  # frequent codes of each column
MAX_CODE_COLUMNS = 8
CENTRE_PIECES = 12
FEW_NUMBERS, MANY_PIECES, FEW_PIECES = 16, 6, 3


class RowSignals(NamedTuple):
    """Facts about rows that are known when they are predicted.

    Attributes:
        centre: [rows] prediction, float32, standardised.
        spread: [rows] of the members; see `member_spread`.
        x: [rows, n_in].
        codes: [rows, n_codes].
    """

    centre: Any
    spread: Any
    x: Any
    codes: Any


def member_spread(outputs: tf.Tensor, repeats: int) -> tf.Tensor:
    """Return the mean logarithm of the members' variance, [rows, n_out].

    A validation row has `repeats` members that did not learn from it. The members of a new
    row are taken in groups of as many, so that both have the same expected value.

    Args:
        outputs: [members, rows, n_out]; `repeats` divides the number of members, and those
            of the first repeat come first.
        repeats: at least 2.
    """
    shape = tf.shape(outputs)
    groups = tf.reshape(outputs, [repeats, -1, shape[1], outputs.shape[2]])
    return tf.reduce_mean(
        tf.math.log(tf.math.reduce_variance(groups, axis=0) + 1e-4), axis=0
    )


@dataclass(frozen=True, eq=False)
class ScaleFeatures:
    """The fitted encoding.

    Attributes:
        centre_knots: [knots] of the prediction.
        spread_knots: [knots] of the spread.
        numbers: [chosen] columns of x that are encoded.
        knots: [chosen, knots].
        indicators: columns of x that are taken as they are.
        codes: [columns, MAX_CODES] frequent codes of the first columns; -1 for none.
    """

    centre_knots: NDArray[np.float32]
    spread_knots: NDArray[np.float32]
    numbers: NDArray[np.int32]
    knots: NDArray[np.float32]
    indicators: NDArray[np.int32]
    codes: NDArray[np.int32]

    def encode(self, rows: RowSignals) -> tf.Tensor:
        """Return [rows, features] float32."""
        parts = [_pieces(rows.centre[:, None], self.centre_knots[None])]
        parts.append(_pieces(rows.spread[:, None], self.spread_knots[None]))
        if len(self.numbers):
            parts.append(_pieces(tf.gather(rows.x, self.numbers, axis=1), self.knots))
        if len(self.indicators):
            parts.append(tf.gather(rows.x, self.indicators, axis=1))
        if len(self.codes):
            given = rows.codes[:, : len(self.codes), None]
            equal = tf.equal(given, self.codes[None])
            size = self.codes.size
            parts.append(tf.reshape(tf.cast(equal, tf.float32), [-1, size]))
        return tf.concat(parts, axis=1)


def fit_features(
    rows: RowSignals, n_numeric: int, sizes: NDArray[np.float64]
) -> ScaleFeatures:
    """Choose columns and knots from validation rows.

    Args:
        rows: their signals, as arrays.
        n_numeric: numbers in x; its other columns are indicators.
        sizes: [rows] of the errors; of many columns, those that correlate most are taken.
    """
    x, codes = np.asarray(rows.x), np.asarray(rows.codes)[:, :MAX_CODE_COLUMNS]
    numbers = _strongest(x[:, :n_numeric], sizes, MAX_BENT_NUMBERS)
    indicators = n_numeric + _strongest(x[:, n_numeric:], sizes, MAX_INDICATORS)
    pieces = MANY_PIECES if len(numbers) <= FEW_NUMBERS else FEW_PIECES
    frequent = np.full((codes.shape[1], MAX_CODES), -1, np.int32)
    for i, column in enumerate(codes.T):
        counts = np.bincount(column)
        most = np.argsort(-counts, kind="stable")[:MAX_CODES]
        most = most[counts[most] > 0]
        frequent[i, : len(most)] = most
    return ScaleFeatures(
        centre_knots=_knots(np.asarray(rows.centre), CENTRE_PIECES),
        spread_knots=_knots(np.asarray(rows.spread), MANY_PIECES),
        numbers=numbers.astype(np.int32),
        knots=np.stack([_knots(x[:, i], pieces) for i in numbers])
        if len(numbers)
        else np.zeros((0, 2), np.float32),
        indicators=indicators.astype(np.int32),
        codes=frequent,
    )


def _strongest(
    x: NDArray[np.float32], sizes: NDArray[np.float64], maximum: int
) -> NDArray[np.int64]:
    """Return the columns of x that vary; of many, those that correlate most with sizes."""
    deviation = x.std(axis=0, dtype=np.float64)
    varied = np.flatnonzero(deviation > 0)
    if len(varied) <= maximum:
        return varied
    centred = x[:, varied] - x[:, varied].mean(axis=0, dtype=np.float64)
    sizes = np.minimum(sizes, np.quantile(sizes, 0.95))
    strength = np.abs(centred.T @ (sizes - sizes.mean())) / deviation[varied]
    return np.sort(varied[np.argsort(-strength, kind="stable")[:maximum]])


def _knots(values: NDArray[np.float32], pieces: int) -> NDArray[np.float32]:
    """Return [pieces + 1] quantiles, from the first to the last percent.

    Equal ones stay: their piece is a step.
    """
    return np.quantile(values, np.linspace(0.01, 0.99, pieces + 1)).astype(np.float32)


def _pieces(values: tf.Tensor, knots: NDArray[np.float32]) -> tf.Tensor:
    """Return how far each value is between neighbouring knots, from 0 to 1.

    Args:
        values: [rows, columns].
        knots: [columns, knots].

    Returns:
        [rows, columns * (knots - 1)].
    """
    widths = np.maximum(np.diff(knots, axis=1), 1e-6)
    inside = (values[:, :, None] - knots[None, :, :-1]) / widths[None]
    size = widths.size
    return tf.reshape(tf.clip_by_value(inside, 0.0, 1.0), [-1, size])
