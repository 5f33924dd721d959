"""`NetworkRegressor`: rows of a table to numbers."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from kerasnn.choices import TabularTask
from kerasnn.datasets import Schema, Target
from kerasnn.ensembles.train_on_disk import Learned
from kerasnn.errors import InputError
from kerasnn.estimators.base import NetworkEstimator
from kerasnn.estimators.table_on_disk import PreparedTable
from kerasnn.models import TabularNetwork

LARGEST = 1e37  # of a target; float32 ends at 3.4e38


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """An ensemble of networks that predicts numbers from the rows of a table.

    What is predicted lies within what the training rows had. The target may have several
    columns, [rows, outputs]. Arguments and attributes are those of `NetworkClassifier`,
    without what concerns classes.
    """

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """The value of each row: [rows], or [rows, outputs] as the target was.

        Args:
            X: the columns of `fit`, in any order where they have names; categories never
                seen and missing values are fine.

        Raises:
            InputError: a column is not there, or a cell cannot be used.
        """
        values = self._answers(X)
        return values[:, 0] if self._target_ndim == 1 else values

    @property
    def _n_out(self) -> int:
        return len(self._target_mean)

    @property
    def _task(self) -> TabularTask:
        return "regression"

    def _fit_targets(self, y: ArrayLike, n_rows: int) -> NDArray[np.float32]:
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(np.empty(n_rows), values)
        _check_size(values)
        self._target_ndim = values.ndim
        values = values.reshape(n_rows, -1)
        self._target_mean = values.mean(axis=0)
        deviation = values.std(axis=0)
        self._target_scale = np.where(deviation > 0, deviation, 1.0)
        self._target_low, self._target_high = values.min(axis=0), values.max(axis=0)
        return ((values - self._target_mean) / self._target_scale).astype(np.float32)

    def _described(self, schema: Schema, y: ArrayLike) -> Schema:
        """The schema with the target as it is here."""
        name = schema.target.name if schema.target else getattr(y, "name", None)
        target = Target(
            name=str(name or "target"),
            task="regression",
            reason=schema.target.reason if schema.target else "as asked",
            low=float(self._target_low.min()),
            high=float(self._target_high.max()),
        )
        return dataclasses.replace(schema, target=target)

    def _disk_task(self, target: Target) -> TabularTask:
        return "regression"

    def _take_target(self, prepared: PreparedTable) -> Learned:
        found, target = prepared.moments, prepared.table.target
        _check_size(np.array([found["low"], found["high"]]))
        self._target_ndim = 1
        self._target_mean = np.array([found["mean"]])
        self._target_scale = np.array([found["deviation"] or 1.0])
        self._target_low = np.array([found["low"]])
        self._target_high = np.array([found["high"]])
        target = dataclasses.replace(target, low=found["low"], high=found["high"])
        self.schema_ = dataclasses.replace(prepared.schema, target=target)

        def learned(values: NDArray[Any]) -> NDArray[np.float32]:
            standard = (values[:, None] - self._target_mean) / self._target_scale
            return standard.astype(np.float32)

        return learned

    def _held_out(self, answers: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if answers is None:
            return None
        values = answers * self._target_scale + self._target_mean
        values = np.clip(values, self._target_low, self._target_high)
        return values[:, 0] if self._target_ndim == 1 else values

    def _set_answers(self, network: TabularNetwork) -> None:
        network.target_mean.assign(self._target_mean)
        network.target_scale.assign(self._target_scale)
        network.target_low.assign(self._target_low)
        network.target_high.assign(self._target_high)

    def _named_answers(self, x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        """The output of the SavedModel."""
        values = self.network_.call((x, codes))
        return {"value": values[:, 0] if self._target_ndim == 1 else values}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _check_size(values: NDArray[np.float64]) -> None:
    """No target is too large for the network.

    Raises:
        InputError: one is.
    """
    if np.abs(values).max() > LARGEST:
        raise InputError(
            f"y must be at most {LARGEST:g} in size, the network being of float32;"
            f" got {values.flat[np.argmax(np.abs(values))]:g}. Give it in another unit"
        )
