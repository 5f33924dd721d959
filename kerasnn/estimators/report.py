"""The report on a fitted estimator: on test rows, or on rows that members left out."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

import kerasnn
from kerasnn import reports
from kerasnn.choices import Task
from kerasnn.datasets import Notice, Schema, Target
from kerasnn.ensembles.recipe import Recipe
from kerasnn.ensembles.result import EvaluationHistory
from kerasnn.errors import InputError
from kerasnn.estimators.blending import Blend
from kerasnn.estimators.leaderboard import Standing
from kerasnn.preprocessing import Prepared, Preprocessor
from kerasnn.reports import COVERAGE, Covered, Importance, Report, TableResult, table_report

RANKING_SECONDS = 10.0  # of the importance of columns

NO_TEST = Notice(
    "no-test-rows",
    "there are no test rows. Where this page has some, they are training rows, each"
    " predicted by members that did not learn from it. They chose the epoch as well, so the"
    " scores are slightly too good",
    is_warning=True,
)


class Fitted(Protocol):
    """A fitted `NetworkClassifier` or `NetworkRegressor`, as far as a report needs it."""

    schema_: Schema
    preprocessor_: Preprocessor
    recipe_: Recipe
    trees_: Blend | None
    history_: EvaluationHistory
    best_epoch_: int
    oof_predictions_: NDArray[np.float64] | None
    leaderboard_: list[Standing]

    def prepare(self, X: Any) -> Prepared:  # noqa: N803
        """Check rows."""

    def predict_prepared(
        self, x: NDArray[np.float32], codes: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Return probabilities or values."""

    def sensitivities(
        self, x: NDArray[np.float32], codes: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Return how much each feature moves the answers."""

    def has_intervals(self, coverage: float) -> bool:
        """Check for intervals or sets."""

    def interval_outputs(
        self, coverage: float, rows: Prepared, *names: str
    ) -> list[NDArray[Any]]:
        """Return outputs of the signature `interval`."""

    def learned_targets(self) -> NDArray[Any] | None:
        """Return the targets of the training rows."""

    def _true_values(self, y: ArrayLike, n_rows: int) -> NDArray[Any]:
        """Return the class indices, or the values, of test rows."""


def estimator_report(
    estimator: Fitted,
    X: Any,  # noqa: N803
    y: ArrayLike | None,
    title: str,
) -> Report:
    """Return the page of `NetworkClassifier.report`.

    Raises:
        InputError: see there.
    """
    target = estimator.schema_.target
    assert target is not None
    if X is None:
        result = _left_out_result(estimator, target)
    elif y is None:
        raise InputError(
            "a report on test rows needs y, their true classes or values; got None"
        )
    else:
        result = _test_result(estimator, target, X, y)
    title = title or f"{type(estimator).__name__}: {target.name}"
    found = getattr(estimator, "warnings_", ())
    return Report(
        table_report(
            dataclasses.replace(result, title=title, notices=(*result.notices, *found))
        )
    )


def _test_result(
    estimator: Fitted,
    target: Target,
    X: Any,  # noqa: N803
    y: ArrayLike,
) -> TableResult:
    rows = estimator.prepare(X)
    truth = estimator._true_values(y, len(rows.x))
    result = _result(estimator, target, truth, estimator.predict_prepared(*rows))
    limits = reports.Permutations(max_seconds=RANKING_SECONDS)
    return dataclasses.replace(
        result,
        importance=rank_columns(estimator, rows, truth, target.task, limits),
        covered=covered_rows(estimator, rows, truth, target.task),
    )


def _left_out_result(estimator: Fitted, target: Target) -> TableResult:
    predicted, learned = estimator.oof_predictions_, estimator.learned_targets()
    if predicted is None or learned is None:
        raise InputError(
            "a report needs rows that no network learned from, and no member left any out:"
            " give test rows, report(file, X, y)"
        )
    left_out = ~np.isnan(predicted.reshape(len(predicted), -1)[:, 0])
    result = _result(estimator, target, learned[left_out], predicted[left_out])
    return dataclasses.replace(result, notices=(NO_TEST,))


def _result(
    estimator: Fitted,
    target: Target,
    truth: NDArray[Any],
    predicted: NDArray[np.float64],
) -> TableResult:
    if target.task == "regression" and predicted.ndim > 1:
        raise InputError(
            f"a report is about one target; this estimator predicts {predicted.shape[1]}"
        )
    learned, n_rows = estimator.learned_targets(), estimator.schema_.rows
    baselines = {}
    if learned is not None:
        n_rows = len(learned)
        baselines["constant"] = constant_predictions(target, learned, len(truth))
    settings = dataclasses.asdict(estimator.recipe_)
    return TableResult(
        title="",
        schema=estimator.schema_,
        truth=truth,
        predicted=predicted,
        rows_trained=n_rows,
        baselines=baselines,
        history=loss_curves(estimator),
        epochs=estimator.history_["epoch"],
        best_epoch=estimator.best_epoch_,
        settings={**settings, "trees": str(estimator.trees_ or "none")},
        versions=used_versions(),
        leaderboard=leaderboard_scores(estimator),
    )


def leaderboard_scores(estimator: Fitted) -> dict[str, dict[str, float]]:
    """Return the scores of the models of a fit, by name, the best first."""
    return {standing.model: standing.scores for standing in estimator.leaderboard_}


def covered_rows(
    estimator: Fitted, rows: Prepared, truth: NDArray[Any], task: Task
) -> Covered | None:
    """Return the rows with their intervals or sets, where there are any."""
    if not estimator.has_intervals(COVERAGE):
        return None
    if task == "regression":
        ends = estimator.interval_outputs(COVERAGE, rows, "lower", "upper")
        return Covered.of_values(truth, ends)
    (in_set,) = estimator.interval_outputs(COVERAGE, rows, "in_set")
    return Covered.of_classes(truth, in_set)


def rank_columns(
    estimator: Fitted,
    rows: Prepared,
    truth: NDArray[Any],
    task: Task,
    permutations: reports.Permutations,
) -> list[Importance]:
    """Return the importance of columns: of many, those that move the answers most."""
    features = estimator.preprocessor_.of_columns
    sizes = estimator.sensitivities(*rows)

    def sensitivity(column: str) -> float:
        in_x, in_codes = features[column]
        return np.inf if in_codes else max((sizes[i] for i in in_x), default=0.0)

    return reports.permutation_importance(
        estimator.predict_prepared,
        reports.PreparedTable(*rows, features),
        truth,
        task=task,
        columns=sorted(features, key=sensitivity, reverse=True),
        permutations=permutations,
    )


def constant_predictions(
    target: Target, learned: NDArray[Any], n_rows: int
) -> NDArray[np.float64]:
    """Return the shares of the classes, or the mean, of the training rows for each row."""
    if target.task == "regression":
        return np.full(n_rows, learned.mean())
    shares = np.bincount(learned, minlength=len(target.classes)) / len(learned)
    return np.tile(shares, (n_rows, 1))


def loss_curves(estimator: Fitted) -> dict[str, Any]:
    """Return the losses of every member, and the loss on left-out rows."""
    history: Mapping[str, Any] = estimator.history_
    curves = {"loss": history["member_loss"]}
    return curves | {k: v for k, v in history.items() if k == "val_loss"}


def used_versions() -> dict[str, str]:
    """Return the versions of the packages that decide the numbers."""
    return {
        "kerasnn": kerasnn.__version__,
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
    }
