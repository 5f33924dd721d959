"""`NetworkRegressor`: predicts numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from kerasnn.choices import TabularTask
from kerasnn.conformal import (
    DEFAULT_COVERAGE,
    Intervals,
    ValidationValues,
    fit_intervals,
)
from kerasnn.datasets import Target
from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import TargetTransform
from kerasnn.errors import InputError
from kerasnn.estimators.base import NetworkEstimator
from kerasnn.models import TabularNetwork
from kerasnn.saving import SignatureRows

MAX_TARGET = 1e37  # float32 ends at 3.4e38


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """An ensemble of networks that predicts numbers from the rows of a table.

    Predictions are within the range of the training targets. The target may have several
    columns, [rows, outputs]. Arguments and attributes are those of `NetworkClassifier`,
    except those about classes.
    """

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the value of each row, [rows] or [rows, outputs] as the target was.

        Args:
            X: the columns of `fit`; columns with names may be in any order. Unknown
                categories and missing values are allowed.

        Raises:
            InputError: a column is missing, or a cell cannot be used.
        """
        return self.predict_prepared(*self.prepare(X))

    def score(
        self,
        X: Any,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the coefficient of determination (R2) of `predict` on known values."""
        return float(super().score(X, y, sample_weight))

    def predict_interval(
        self,
        X: Any,  # noqa: N803
        coverage: float = DEFAULT_COVERAGE,
    ) -> NDArray[np.float64]:
        """Return the lower and the upper end of an interval for each row.

        For new rows like those of the training, the interval contains the true value in at
        least a share `coverage` of the rows. Rows that are hard to predict get wide
        intervals. No interval ends outside of the range of the training targets, unless
        `fit` was given `time`.

        Args:
            X: as for `predict`.
            coverage: between 0 and 1; with several outputs, the share for each of them.

        Returns:
            [rows, 2], or [rows, outputs, 2] as the target was.

        Raises:
            InputError: the coverage is not between 0 and 1, or there are too few validation
                rows for it; or X cannot be used.
        """
        ends = self.interval_outputs(coverage, self.prepare(X), "lower", "upper")
        return np.stack(ends, axis=-1).astype(np.float64)

    @property
    def _n_out(self) -> int:
        return len(self._target_mean)

    @property
    def _kind(self) -> TabularTask:
        return "regression"

    def _fit_targets(self, y: ArrayLike, n_rows: int) -> NDArray[np.float32]:
        self._check_given(y)
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(np.empty(n_rows), values)
        _check_size(values)
        self._target_ndim = values.ndim
        values = values.reshape(n_rows, -1)
        self._target_mean = values.mean(axis=0)
        deviation = values.std(axis=0)
        self._target_scale = np.where(deviation > 0, deviation, 1.0)
        self._target_low, self._target_high = values.min(axis=0), values.max(axis=0)
        return self._standardised(values)

    def _true_values(self, y: ArrayLike, n_rows: int) -> NDArray[np.float64]:
        values = check_array(y, dtype=np.float64, ensure_2d=False).reshape(-1)
        check_consistent_length(np.empty(n_rows), values)
        return values

    def _standardised(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        return ((values - self._target_mean) / self._target_scale).astype(np.float32)

    def _described_target(
        self, given: Target | None, targets: NDArray[Any], name: Any
    ) -> Target:
        return Target(
            name=given.name if given else str(name or "target"),
            task="regression",
            reason=given.reason if given else "as asked",
            low=float(self._target_low.min()),
            high=float(self._target_high.max()),
        )

    def _accept_target(self, target: Target) -> None:
        """Do nothing: the moments of the values come with the shards."""

    def _fit_disk_targets(self, moments: Mapping[str, float]) -> TargetTransform:
        _check_size(np.array([moments["low"], moments["high"]]))
        self._target_ndim = 1
        self._target_mean = np.array([moments["mean"]])
        self._target_scale = np.array([moments["deviation"] or 1.0])
        self._target_low = np.array([moments["low"]])
        self._target_high = np.array([moments["high"]])
        return lambda values: self._standardised(values[:, None])

    def _answers(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        return outputs[:, 0] if self._target_ndim == 1 else outputs

    def _in_units_of_target(self, predictions: NDArray[np.float64]) -> NDArray[np.float64]:
        values = predictions * self._target_scale + self._target_mean
        return self._answers(np.clip(values, self._target_low, self._target_high))

    def _set_output_scale(self, network: TabularNetwork) -> None:
        network.target_mean.assign(self._target_mean)
        network.target_scale.assign(self._target_scale)
        network.target_low.assign(self._target_low)
        network.target_high.assign(self._target_high)

    def _fit_conformal(self, trained: TrainedEnsemble) -> Intervals | None:
        outputs, task = trained.validation_outputs, trained.task
        if outputs is None:
            return None
        rows = task.all_validation_rows
        values = ValidationValues(
            outputs=outputs,
            targets=task.targets[rows],
            weights=task.weights[rows],
            x=task.x[rows],
            codes=task.codes[rows],
            n_numeric=task.shape.n_numeric,
            members=task.recipe.members,
        )
        low, high = self._standardised(np.stack([self._target_low, self._target_high]))
        in_time = task.division.are_in_time
        return fit_intervals(values, low, high, in_range=not in_time)

    def _interval_answer(self, rows: SignatureRows) -> dict[str, tf.Tensor]:
        assert isinstance(self._conformal, Intervals)
        network = self.network_
        outputs = network.common_outputs(rows.x, rows.codes)
        ends = self._conformal.ends(outputs, rows.x, rows.codes, rows.options["coverage"])
        ends = ends * network.target_scale + network.target_mean
        if self._conformal.in_range:
            inside = tf.clip_by_value(ends, network.target_low, network.target_high)
            ends = tf.where(tf.math.is_finite(ends), inside, ends)
        found = {
            "value": network.mean_answers(outputs),
            "lower": ends[:, 0],
            "upper": ends[:, 1],
        }
        if self._target_ndim > 1:
            return found
        return {name: values[:, 0] for name, values in found.items()}

    def _named_outputs(self, x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        values = self.network_.call((x, codes))
        return {"value": values[:, 0] if self._target_ndim == 1 else values}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _check_size(values: NDArray[np.float64]) -> None:
    """Check that no target is too large for the network.

    Raises:
        InputError: one is.
    """
    if np.abs(values).max() > MAX_TARGET:
        raise InputError(
            f"y must be at most {MAX_TARGET:g} in absolute value, because the network"
            f" computes in float32; got {values.flat[np.argmax(np.abs(values))]:g}."
            " Use a larger unit"
        )
