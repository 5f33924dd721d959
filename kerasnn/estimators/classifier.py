"""`NetworkClassifier`: rows of a table to classes, with honest probabilities."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from kerasnn.choices import (
    Activation,
    FitDriver,
    NumericEmbedding,
    Sharing,
    TabularTask,
)
from kerasnn.datasets import Schema, Target, category_text
from kerasnn.errors import InputError
from kerasnn.estimators.base import NetworkEstimator
from kerasnn.estimators.disk_job import Learned, PreparedTable
from kerasnn.estimators.train_jobs import Progress
from kerasnn.models import TabularNetwork
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """An ensemble of networks that classifies the rows of a table.

    It needs no tuning: what is "auto" is decided by the number of rows (`recipe_` says
    how). Its members learn from all but one fold of the rows each; the rows that they
    leave out decide which epoch is kept and how sure the probabilities are.

    Args:
        hidden_units: units of each hidden layer of a member, such as (64, 32).
        members: networks that answer together, by the mean of their probabilities.
        folds: parts of the rows, of which each member leaves one out; 0: every member
            learns from all rows, for all epochs.
        epochs: passes over the rows; with folds the best of them is kept.
        batch_size: rows of a step, at most.
        learning_rate: the highest of the schedule, which goes up and down in waves.
        weight_decay: decoupled, relative to the learning rate.
        dropout: probability that a unit is silent in a step.
        smoothing: of the labels.
        calibrated: whether the sharpness of the probabilities is fitted to the rows that
            the members left out.
        activation: "relu", "selu", "mish", "silu" or "gelu".
        embedding: of numbers: "periodic", "piecewise-linear" or "none".
        sharing: "separate" weights for each member, or "batch-ensemble".
        class_weight: None, "balanced", or a weight for each class by its label.
        schema: what the columns are, from `datasets.infer_schema`; None finds it in X.
        time_limit: seconds; the training is shortened to keep to it.
        driver: "auto", "xla", "graph" or "eager"; see `kerasnn.fit`.
        progress: called with (epochs done, epochs in all, losses) as training goes on.
        checkpoint: a folder for what the training needs to go on after its process died;
            Ctrl-C and SIGTERM save, and raise `InterruptedFitError`.
        checkpoint_every: seconds between two of them, at the least.
        resume: go on from the newest checkpoint in the folder, if there is one; it ends
            with the same weights as if it had never been interrupted. With a `time_limit`
            the clock decides, and begins anew.
        random_state: an int makes every fit the same, bit for bit on one machine.

    Attributes:
        classes_: the labels, in the order of the probabilities.
        schema_: what the columns are, and which were left out.
        preprocessor_: fitted preprocessing.
        network_: the trained `models.TabularNetwork`.
        recipe_: every number that decided how it was trained.
        history_: "epoch", "loss", "val_loss", "sharpness", "member_loss" at each look at
            the held-out rows.
        held_out_: for each training row, the mean probabilities of the members that did
            not learn from it, [rows, classes] (None without folds): an honest estimate
            without test rows, a little better than it should be, since it chose the epoch.
        best_epoch_: the epoch whose weights were kept.
        n_epochs_: epochs that were run.
        n_features_in_, feature_names_in_: as scikit-learn has them.
    """

    def __init__(
        self,
        *,
        hidden_units: Iterable[int] | str = "auto",
        members: int | str = "auto",
        folds: int | str = "auto",
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float | str = "auto",
        weight_decay: float | str = "auto",
        dropout: float | str = "auto",
        smoothing: float | str = "auto",
        calibrated: bool | str = "auto",
        activation: Activation | str = "auto",
        embedding: NumericEmbedding | str = "auto",
        sharing: Sharing | str = "auto",
        class_weight: Mapping[Any, float] | str | None = None,
        schema: Schema | None = None,
        time_limit: float | None = None,
        driver: FitDriver = "auto",
        progress: Progress | None = None,
        checkpoint: str | Path | None = None,
        checkpoint_every: float = SECONDS_BETWEEN,
        resume: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            hidden_units=hidden_units,
            members=members,
            folds=folds,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            dropout=dropout,
            activation=activation,
            embedding=embedding,
            sharing=sharing,
            schema=schema,
            time_limit=time_limit,
            driver=driver,
            progress=progress,
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            resume=resume,
            random_state=random_state,
        )
        self.smoothing = smoothing
        self.calibrated = calibrated
        self.class_weight = class_weight

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """The probability of each class for each row, [rows, classes].

        Args:
            X: the columns of `fit`, in any order where they have names; categories never
                seen and missing values are fine.

        Raises:
            InputError: a column is not there, or a cell cannot be used.
        """
        probabilities = self._answers(X)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable class of each row, [rows]; X as for `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    @property
    def _n_out(self) -> int:
        return len(self.classes_)

    @property
    def _task(self) -> TabularTask:
        return "binary" if self._n_out == 2 else "multiclass"

    def _fit_targets(self, y: ArrayLike, n_rows: int) -> NDArray[np.int32]:
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None"
            )
        if isinstance(y, pd.Categorical) and self._are_target_classes(y.categories):
            check_consistent_length(np.empty(n_rows), y)
            self.classes_ = np.asarray(y.categories)
            return y.codes.astype(np.int32)
        given: NDArray[Any] = column_or_1d(y, warn=True)
        check_consistent_length(np.empty(n_rows), given)
        _check_present(given)
        check_classification_targets(given)
        self.classes_, labels = np.unique(given, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"y has one class only, {self.classes_.tolist()[0]!r} in all {n_rows}"
                " rows; a classifier needs at least two"
            )
        return labels.astype(np.int32)

    def _are_target_classes(self, categories: pd.Index) -> bool:
        """Return whether these are the classes of the given schema, in its order."""
        target = self.schema.target if isinstance(self.schema, Schema) else None
        return target is not None and target.classes == tuple(
            category_text(np.asarray(categories))
        )

    def _described(self, schema: Schema, y: ArrayLike) -> Schema:
        """The schema with the target as it is here."""
        given = schema.target
        classes = tuple(category_text(self.classes_))
        if given is not None and given.classes == classes:
            return schema
        counts = np.unique(np.asarray(y), return_counts=True)[1]
        target = Target(
            name=given.name if given else str(getattr(y, "name", None) or "target"),
            task="classification",
            reason=given.reason if given else "as asked",
            classes=classes,
            counts=tuple(int(count) for count in counts),
        )
        return dataclasses.replace(schema, target=target)

    def _disk_task(self, target: Target) -> TabularTask:
        return "binary" if len(target.classes) == 2 else "multiclass"

    def _take_target(self, prepared: PreparedTable) -> Learned:
        if self.class_weight is not None:
            raise InputError(
                "class_weight must be None for a table that is read from disk;"
                f" got {self.class_weight!r}"
            )
        self.classes_ = np.array(prepared.table.target.classes, dtype=object)
        return lambda indices: indices.astype(np.int32)

    def _class_weights(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        y, classes = self.classes_[targets], self.classes_
        return compute_class_weight(self.class_weight, classes=classes, y=y)[targets]

    def _set_answers(self, network: TabularNetwork) -> None:
        network.sharpness.assign(self._score.sharpness if self._score else 1.0)

    def _named_answers(self, x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        """The output of the SavedModel, which adds the text of the class."""
        return {"probabilities": self.network_.call((x, codes))}


def _check_present(y: NDArray[Any]) -> None:
    """Every label is there.

    Raises:
        InputError: one is missing or infinite.
    """
    wrong = pd.isna(y)
    if y.dtype.kind == "f":
        wrong |= np.isinf(y)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"y is missing or infinite in {wrong.sum():,} of {len(y):,} rows, first"
            f" {y[row]} in row {row}. Fill it in, or leave these rows out"
        )
