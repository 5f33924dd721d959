"""`NetworkClassifier`: predicts classes with calibrated probabilities."""

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
    Quality,
    TabularTask,
    Verbose,
)
from kerasnn.conformal import DEFAULT_COVERAGE, ClassSets, fit_sets, with_best_class
from kerasnn.datasets import Schema, Target, category_text
from kerasnn.ensembles.parts import Progress
from kerasnn.ensembles.result import TrainedEnsemble
from kerasnn.ensembles.task import TargetTransform
from kerasnn.errors import InputError
from kerasnn.estimators.base import NetworkEstimator
from kerasnn.models import TabularNetwork
from kerasnn.saving import SignatureRows
from kerasnn.training.checkpoints.run_checkpoints import SECONDS_BETWEEN


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """An ensemble of networks that classifies the rows of a table.

    It needs no tuning: the number of rows decides every parameter that is "auto" (`recipe_`
    shows the result). Each member learns from all but one fold of the rows; the rows that
    it leaves out select the epoch and calibrate the probabilities.

    Args:
        hidden_units: units of each hidden layer of a member, such as (64, 32).
        members: number of networks; the ensemble predicts their mean probabilities.
        folds: number of parts of the rows; each member leaves one part out. With 0, every
            member learns from all rows, for all epochs.
        epochs: passes over the rows; with folds the best epoch is kept.
        batch_size: largest number of rows in a step.
        learning_rate: highest value of the schedule, which rises and falls in waves.
        weight_decay: decoupled, relative to the learning rate.
        dropout: probability that a unit is zero in a step.
        label_smoothing: share of a label that is spread over all classes.
        calibrate: whether to fit the temperature of the probabilities, and a floor below
            which none of them falls, to the rows that the members left out.
        activation: "relu", "selu", "mish", "silu" or "gelu".
        embedding: how numbers are embedded: "periodic", "piecewise-linear" or "none".
        trees: whether to grow boosted trees too: "auto" and True add them to the networks
            if that lowers the loss on left-out rows; False is for networks alone.
        quality: effort of a fit, which decides the parameters that are "auto": "fast",
            "default", or "best", which takes about four times as long as "default".
        class_weight: None, "balanced", or a weight for each class by its label.
        schema: kinds of the columns, from `datasets.infer_schema`; None infers them from X.
        time_limit: seconds that `fit` may take. The training is shortened to keep to it,
            with fewer members if all of them could hardly learn in that time.
        driver: "auto", "xla", "graph" or "eager"; see `kerasnn.fit`.
        progress: called with (epochs done, epochs in all, losses) during the training.
        verbose: 1 shows the progress of `fit`: a bar in a notebook or on a terminal, lines
            in a log. "auto" shows it in a notebook only, 0 never.
        checkpoint: a folder for checkpoints, from which the training can resume if its
            process dies. Ctrl-C and SIGTERM save one, and raise `InterruptedFitError`.
        checkpoint_every: smallest number of seconds between two checkpoints.
        resume: whether to resume from the newest checkpoint in the folder, if there is
            one. The training ends with the same weights as an uninterrupted one, except
            that a `time_limit` starts again.
        random_state: an int makes every fit the same, bit for bit on one machine.

    Attributes:
        classes_: the labels, in the order of the probabilities.
        schema_: the kinds of the columns, and the columns that were left out.
        warnings_: what was guessed or repaired, and what may make the scores wrong; only
            for a table with column names.
        preprocessor_: fitted preprocessing.
        network_: the trained `models.TabularNetwork`.
        recipe_: every setting of the training.
        trees_: the trees beside the networks, their share, and the losses of networks,
            trees and both on left-out rows; None without trees.
        leaderboard_: scores of networks, trees, both, a linear model and a constant on the
            same left-out rows, the best first; empty without folds.
        history_: "epoch", "loss", "val_loss", "inverse_temperature", "member_loss" of each
            evaluation of the validation rows.
        oof_predictions_: for each training row, the mean probabilities of the members that
            did not learn from it, [rows, classes]; None without folds. Scores from them
            are slightly too good, because these rows selected the epoch. NaN for rows that
            validate no member: with `time`, about the first half.
        best_epoch_: the epoch whose weights were kept.
        n_epochs_: number of epochs run.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

    classes_: NDArray[np.generic]

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
        label_smoothing: float | str = "auto",
        calibrate: bool | str = "auto",
        activation: Activation | str = "auto",
        embedding: NumericEmbedding | str = "auto",
        trees: bool | str = "auto",
        quality: Quality = "default",
        class_weight: Mapping[Any, float] | str | None = None,
        schema: Schema | None = None,
        time_limit: float | None = None,
        driver: FitDriver = "auto",
        progress: Progress | None = None,
        verbose: Verbose = "auto",
        checkpoint: str | Path | None = None,
        checkpoint_every: float = SECONDS_BETWEEN,
        resume: bool = False,
        random_state: Any = None,
    ) -> None:
        parameters = locals()
        shared = NetworkEstimator._get_param_names()
        super().__init__(**{name: parameters[name] for name in shared})
        self.label_smoothing = label_smoothing
        self.calibrate = calibrate
        self.class_weight = class_weight

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Return the probability of each class for each row, [rows, classes].

        Args:
            X: the columns of `fit`; columns with names may be in any order. Unknown
                categories and missing values are allowed.

        Raises:
            InputError: a column is missing, or a cell cannot be used.
        """
        return self.predict_prepared(*self.prepare(X))

    def predict(self, X: Any) -> NDArray[np.generic]:  # noqa: N803
        """Return the most probable class of each row, [rows]; X as for `predict_proba`."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def score(
        self,
        X: Any,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy of `predict` on rows with known classes."""
        return float(super().score(X, y, sample_weight))

    def predict_set(
        self,
        X: Any,  # noqa: N803
        coverage: float = DEFAULT_COVERAGE,
        *,
        allow_empty: bool = True,
    ) -> NDArray[np.bool_]:
        """Return which classes each row may have, [rows, classes].

        For new rows like those of the training, the set contains the true class in at
        least a share `coverage` of the rows; no other sets are smaller on average.

        Args:
            X: as for `predict_proba`.
            coverage: between 0 and 1.
            allow_empty: whether a set may be empty, for a row that is unlike every class.
                If not, it has the most probable class, and the sets cover more rows.

        Raises:
            InputError: the coverage is not between 0 and 1, or there are too few validation
                rows for it; or X cannot be used.
        """
        inside, given = self.interval_outputs(
            coverage, self.prepare(X), "in_set", "probabilities"
        )
        return inside if allow_empty else with_best_class(inside, given)

    @property
    def _n_out(self) -> int:
        return len(self.classes_)

    @property
    def _kind(self) -> TabularTask:
        return "binary" if self._n_out == 2 else "multiclass"

    def _fit_targets(self, y: ArrayLike, n_rows: int) -> NDArray[np.int32]:
        self._check_given(y)
        if isinstance(y, pd.Categorical) and self._are_indexed(y):
            check_consistent_length(np.empty(n_rows), y)
            self.classes_ = np.asarray(y.categories)
            return y.codes.astype(np.int32)
        is_nullable = isinstance(getattr(y, "dtype", None), pd.BooleanDtype)
        if is_nullable and pd.Series(y).notna().all():
            y = np.asarray(y, np.bool_)  # scikit-learn would make 0.0 and 1.0 of it
        given: NDArray[Any] = column_or_1d(y, warn=True)
        check_consistent_length(np.empty(n_rows), given)
        _check_present(given)
        check_classification_targets(given)
        self.classes_, indices = np.unique(given, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(
                f"y has one class only, {self.classes_.tolist()[0]!r} in all {n_rows}"
                " rows; a classifier needs at least two"
            )
        return indices.astype(np.int32)

    def _true_values(self, y: ArrayLike, n_rows: int) -> NDArray[np.int64]:
        labels = column_or_1d(y)
        check_consistent_length(np.empty(n_rows), labels)
        known = {label: index for index, label in enumerate(self.classes_.tolist())}
        unknown = sorted({str(v) for v in labels.tolist() if v not in known})
        if unknown:
            raise InputError(
                f"y must have the classes of the training, {', '.join(map(str, known))};"
                f" got {', '.join(unknown[:5])}"
            )
        return np.array([known[label] for label in labels.tolist()])

    def _are_indexed(self, y: pd.Categorical) -> bool:
        """Check whether the codes are indices into the classes of the given schema."""
        target = self.schema.target if isinstance(self.schema, Schema) else None
        if target is None or (y.codes < 0).any():  # a label is missing
            return False
        return target.classes == tuple(category_text(np.asarray(y.categories)))

    def _described_target(
        self, given: Target | None, targets: NDArray[Any], name: Any
    ) -> Target:
        classes = tuple(category_text(self.classes_))
        if given is not None and given.classes == classes:
            return given
        return Target(
            name=given.name if given else str(name or "target"),
            task="classification",
            reason=given.reason if given else "as asked",
            classes=classes,
            counts=tuple(np.bincount(targets).tolist()),
        )

    def _class_weights(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        labels = self.classes_[targets]
        return compute_class_weight(self.class_weight, classes=self.classes_, y=labels)[
            targets
        ]

    def _accept_target(self, target: Target) -> None:
        if self.class_weight is not None:
            raise InputError(
                "class_weight must be None for a table that is read from disk;"
                f" got {self.class_weight!r}"
            )
        self.classes_ = np.array(target.classes, dtype=object)

    def _fit_disk_targets(self, moments: Mapping[str, float]) -> TargetTransform:
        return lambda indices: indices.astype(np.int32)

    def _answers(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        return outputs / outputs.sum(axis=1, keepdims=True)

    def _set_output_scale(self, network: TabularNetwork) -> None:
        score, floor = self._validation_score, self._floor
        network.inverse_temperature.assign(score.inverse_temperature if score else 1.0)
        if floor is not None:
            network.floor_share.assign(floor.share)
            network.floor_rates.assign(floor.rates)

    def _fit_conformal(self, trained: TrainedEnsemble) -> ClassSets | None:
        given, task = trained.validation_predictions, trained.task
        return None if given is None else fit_sets(given, task.targets, task.weights)

    def _interval_answer(self, rows: SignatureRows) -> dict[str, tf.Tensor]:
        assert isinstance(self._conformal, ClassSets)
        given = self.network_.call((rows.x, rows.codes))
        classes = tf.constant(tuple(category_text(self.classes_)))
        return {
            "class": tf.gather(classes, tf.argmax(given, axis=1)),
            "probabilities": given,
            "in_set": self._conformal.contains(given, rows.options["coverage"]),
        }

    def _named_outputs(self, x: tf.Tensor, codes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the probabilities; the SavedModel adds the text of the class."""
        return {"probabilities": self.network_.call((x, codes))}


def _check_present(y: NDArray[Any]) -> None:
    """Check that no label is missing or infinite.

    Raises:
        InputError: one is.
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
