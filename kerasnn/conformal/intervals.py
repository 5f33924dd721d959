"""Intervals of a regression, [value - bound * below, value + bound * above].

`below` and `above` are scales of the row (`scale`): a row that is hard to predict gets a
wide interval, and one whose errors are skewed a skewed one. `bound` is the same for all
rows; it is the quantile, which the coverage needs, of the validation rows' errors divided
by their scales. The scale of a validation row is fitted without it.

Source: Barber et al., Predictive inference with the jackknife+ (2021), CV+, with the mean
of the members in place of each; Lei et al., Distribution-free predictive inference for
regression (2018), for the scales.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from kerasnn.conformal.features import (
    RowSignals,
    ScaleFeatures,
    fit_features,
    member_spread,
)
from kerasnn.conformal.quantiles import DEFAULT_COVERAGE, ScoreTable
from kerasnn.conformal.scale import ScaleModel, constant_scale, fit_scales

N_FOLDS = 5
RIDGES = (3.0, 30.0, 300.0)
MAX_SCALE_ROWS = 10_000
MIN_FITTED_ROWS = 40  # with fewer, every row has the same scale
MIN_SHRINKAGE = 0.9
_GAIN = 0.01  # share by which scales that differ by row must lower the loss


class ValidationValues(NamedTuple):
    """Validation rows, and what the members that left them out predicted.

    Attributes:
        outputs: [repeats, rows, n_out] float32, standardised.
        targets: [rows, n_out], standardised.
        weights: [rows]; rows of weight 0 do not count.
        x: [rows, n_in].
        codes: [rows, n_codes].
        n_numeric: numbers in x.
        members: of the whole ensemble.
    """

    outputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    x: NDArray[np.float32]
    codes: NDArray[np.int32]
    n_numeric: int
    members: int

    @property
    def counted(self) -> "ValidationValues":
        """Return the rows that have a weight."""
        counted = self.weights > 0
        return self._replace(
            outputs=self.outputs[:, counted],
            targets=self.targets[counted],
            weights=self.weights[counted],
            x=self.x[counted],
            codes=self.codes[counted],
        )


@dataclass(frozen=True, eq=False)
class OutputIntervals:
    """The fitted intervals of one output.

    Attributes:
        features: of the scales.
        below: scale of errors below the prediction.
        above: scale of errors above it.
        scores: errors of validation rows, divided by their scales.
    """

    features: ScaleFeatures
    below: ScaleModel
    above: ScaleModel
    scores: ScoreTable


@dataclass(frozen=True, eq=False)
class Intervals:
    """The fitted intervals.

    Attributes:
        outputs: the intervals of each output.
        repeats: members that left out each validation row.
        low, high: [n_out] range of the training targets, standardised.
        in_range: whether the intervals end there too; values of later rows may be beyond.
    """

    outputs: tuple[OutputIntervals, ...]
    repeats: int
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    in_range: bool = True

    @property
    def n_validation_rows(self) -> int:
        """Number of validation rows, the same for all outputs."""
        return self.outputs[0].scores.n_rows

    def ends(
        self, outputs: tf.Tensor, x: tf.Tensor, codes: tf.Tensor, coverage: tf.Tensor
    ) -> tf.Tensor:
        """Return lower and upper ends, standardised, by TensorFlow operations.

        Args:
            outputs: [members, rows, n_out] of the network, standardised.
            x: [rows, n_in].
            codes: [rows, n_codes].
            coverage: [rows] float64.

        Returns:
            [rows, 2, n_out] float32.
        """
        centres = tf.reduce_mean(tf.clip_by_value(outputs, self.low, self.high), axis=0)
        spreads = _spreads(outputs, self.repeats)
        ends = []
        for i, own in enumerate(self.outputs):
            rows = RowSignals(centres[:, i], spreads[:, i], x, codes)
            features = own.features.encode(rows)
            bound = tf.cast(own.scores.bounds(coverage), tf.float32)
            lower = rows.centre - bound * own.below.scale(features)
            upper = rows.centre + bound * own.above.scale(features)
            ends.append(tf.stack([lower, upper], axis=1))
        return tf.stack(ends, axis=2)


def fit_intervals(
    values: ValidationValues,
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    *,
    in_range: bool = True,
    seed: int = 0,
) -> Intervals | None:
    """Fit the intervals; None without validation rows.

    Args:
        values: of the validation rows.
        low: [n_out] smallest training targets, standardised.
        high: [n_out] largest ones.
        in_range: whether new values are expected between them.
        seed: of the folds of the scales.
    """
    rows = values.counted
    if not len(rows.targets):
        return None
    repeats = len(rows.outputs)
    outputs = np.clip(rows.outputs, low, high)
    spreads = _spreads(tf.constant(rows.outputs), repeats).numpy()
    fitted = []
    for i in range(rows.targets.shape[1]):
        own = outputs[..., i]
        signals = RowSignals(own.mean(axis=0), spreads[:, i], rows.x, rows.codes)
        errors = rows.targets[:, i].astype(np.float64) - signals.centre
        shrunk = errors * _shrinkage(own, errors, rows.members)
        # One thread: for matrices as small as these, several wait for each other.
        with threadpool_limits(1):
            fitted.append(_fit_output(signals, shrunk, rows.n_numeric, seed))
    return Intervals(tuple(fitted), repeats, low, high, in_range)


def _spreads(outputs: tf.Tensor, repeats: int) -> tf.Tensor:
    if repeats < 2 or outputs.shape[0] % repeats:
        return tf.zeros_like(outputs[0])
    return member_spread(outputs, repeats)


def _shrinkage(
    outputs: NDArray[np.float32], errors: NDArray[np.float64], members: int
) -> float:
    """Return how much smaller the errors of the whole ensemble are, at most 1.

    The squared error of the mean of m members is a + b / m, b their variance: what is known
    of the few members that left a row out is extrapolated to all of them. Members that have
    hardly learned differ so much that this says nothing of quantiles: then it is 1.

    Args:
        outputs: [repeats, rows].
        errors: [rows] of their mean.
        members: of the whole ensemble.
    """
    repeats, square = len(outputs), float(np.mean(errors**2))
    if repeats < 2 or square == 0:
        return 1.0
    variance = float(outputs.var(axis=0, ddof=1, dtype=np.float64).mean())
    less = variance * (1 / repeats - 1 / max(members, repeats))
    factor = float(np.sqrt(max(square - less, 0.0) / square))
    return factor if factor >= MIN_SHRINKAGE else 1.0


def _fit_output(
    signals: RowSignals, errors: NDArray[np.float64], n_numeric: int, seed: int
) -> OutputIntervals:
    """Choose the scales with the best intervals for rows left out of the fit."""
    sizes = np.abs(errors)
    features = fit_features(signals, n_numeric, sizes)
    encoded = features.encode(RowSignals(*map(tf.constant, signals))).numpy()
    order = np.random.default_rng(seed).permutation(len(errors))
    folds = np.empty(len(errors), np.int64)
    folds[order] = np.arange(len(errors)) % N_FOLDS
    plain = _Candidate.without_features(errors)
    best, least = plain, plain.loss(errors) * (1 - _GAIN)
    if len(errors) >= MIN_FITTED_ROWS and sizes.any():
        for candidate in _candidates(encoded, errors, folds):
            loss = candidate.loss(errors)
            if loss < least:
                best, least = candidate, loss
    scores = ScoreTable.of(best.scores(errors))
    return OutputIntervals(features, best.models[0], best.models[1], scores)


class _Candidate(NamedTuple):
    """Scales of validation rows, fitted without them, and models of all rows.

    Attributes:
        below, above: [rows].
        models: for below and above.
    """

    below: NDArray[np.float64]
    above: NDArray[np.float64]
    models: tuple[ScaleModel, ScaleModel]

    @classmethod
    def without_features(cls, errors: NDArray[np.float64]) -> "_Candidate":
        """Return the same scale for all rows."""
        model = constant_scale(np.abs(errors))
        scale = np.full(len(errors), np.exp(model.offset))
        return cls(scale, scale, (model, model))

    def scores(self, errors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the errors, divided by the scales, [rows]."""
        return np.maximum(errors / self.above, -errors / self.below)

    def loss(self, errors: NDArray[np.float64]) -> float:
        """Return the mean interval score for the default coverage.

        That is the width, plus 2 / 0.1 times the distance by which a value lies outside.
        The intervals with the least mean width alone would give up the rows that are hard.

        Source: Gneiting and Raftery, Strictly proper scoring rules (2007), eq. 43.
        """
        bound = np.quantile(self.scores(errors), DEFAULT_COVERAGE)
        lower, upper = -bound * self.below, bound * self.above
        outside = np.maximum(lower - errors, 0) + np.maximum(errors - upper, 0)
        return float((upper - lower + 2 / (1 - DEFAULT_COVERAGE) * outside).mean())


def _candidates(
    encoded: NDArray[np.float32], errors: NDArray[np.float64], folds: NDArray[np.int64]
) -> Iterator[_Candidate]:
    """Yield scales for each ridge: the same on both sides, then one for each side."""
    fitted = np.arange(len(errors)) < MAX_SCALE_ROWS
    sides = (fitted, fitted & (errors < 0), fitted & (errors >= 0))
    found = [_crossfitted(encoded, np.abs(errors), folds, side) for side in sides]
    for both, below, above in zip(*found, strict=True):
        yield _Candidate(both[0], both[0], (both[1], both[1]))
        yield _Candidate(below[0], above[0], (below[1], above[1]))


def _crossfitted(
    encoded: NDArray[np.float32],
    sizes: NDArray[np.float64],
    folds: NDArray[np.int64],
    fitted: NDArray[np.bool_],
) -> list[tuple[NDArray[np.float64], ScaleModel]]:
    """Return for each ridge the rows' scales from other folds, and the model of all."""
    scales = np.empty((len(RIDGES), len(sizes)))
    for fold in range(N_FOLDS):
        inside, learned = folds == fold, fitted & (folds != fold)
        models = fit_scales(encoded[learned], sizes[learned], RIDGES)
        for own, model in zip(scales, models, strict=True):
            own[inside] = model.scale(tf.constant(encoded[inside])).numpy()
    models = fit_scales(encoded[fitted], sizes[fitted], RIDGES)
    return list(zip(scales, models, strict=True))
