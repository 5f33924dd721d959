"""Scores of a trained network on rows that it never saw, beside simple models."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn import reports
from kerasnn.preprocessing import Prepared
from kerasnn.reports import Importance, Score
from kerasnn.tables.fitting import FittedTable


@dataclass(frozen=True)
class Measurement:
    """A trained network with its scores.

    Attributes:
        fitted: the network and its rows.
        truth: [test rows] class indices, or float64.
        predicted: [test rows, n_classes] probabilities, or [test rows].
        baselines: predictions of simple models, by name; empty without test rows.
        scores: of the network, with intervals, on the rows that `measured_on` names.
        baseline_scores: of the simple models.
        importance: of each column; empty without test rows.
    """

    fitted: FittedTable
    truth: NDArray[Any]
    predicted: NDArray[Any]
    baselines: dict[str, NDArray[Any]]
    scores: dict[str, Score]
    baseline_scores: dict[str, dict[str, Score]]
    importance: list[Importance]

    @property
    def metrics(self) -> dict[str, float]:
        """The scores without their intervals."""
        return {name: score.value for name, score in self.scores.items()}

    @property
    def tested(self) -> bool:
        """True if there are test rows."""
        return len(self.truth) > 0

    @property
    def measured_on(self) -> str:
        """The rows of the scores."""
        if self.tested:
            return "test rows, never learned from"
        # They chose the epoch, so the scores are slightly too good.
        return "training rows, each by the members that left it out" if self.scores else ""


def measure(fitted: FittedTable, *, importance: bool = True) -> Measurement:
    """Score a network and simple models on the test rows, and rank its columns.

    Args:
        fitted: the network and its rows.
        importance: whether the columns are ranked.
    """
    rows, task, seed = fitted.rows, fitted.rows.target.task, fitted.rows.seed
    if not rows.n_tested:
        none = np.empty(0)
        return Measurement(fitted, none, none, {}, _left_out_scores(fitted), {}, [])
    estimator, truth = fitted.estimator, rows.targets(tested=True)
    prepared = estimator.prepare(rows.inputs(tested=True))
    predicted = estimator.predict_prepared(*prepared)
    baselines = _baselines(fitted, prepared)
    return Measurement(
        fitted=fitted,
        truth=truth,
        predicted=predicted,
        baselines=baselines,
        scores=reports.score_predictions(task, truth, predicted, seed=seed),
        baseline_scores={
            name: reports.score_predictions(task, truth, values, seed=seed)
            for name, values in baselines.items()
        },
        importance=_importance(fitted, prepared, truth) if importance else [],
    )


def _importance(
    fitted: FittedTable, prepared: Prepared, truth: NDArray[Any]
) -> list[Importance]:
    """Rank the columns; of many only those that move the answers most."""
    estimator, features = fitted.estimator, fitted.estimator.preprocessor_.of_columns
    sizes = estimator.sensitivities(*prepared)

    def sensitivity(column: str) -> float:
        in_x, in_codes = features[column]
        return np.inf if in_codes else max((sizes[i] for i in in_x), default=0.0)

    return reports.permutation_importance(
        estimator.predict_prepared,
        reports.PreparedTable(*prepared, features),
        truth,
        task=fitted.rows.target.task,
        columns=sorted(features, key=sensitivity, reverse=True),
        permutations=reports.Permutations(seed=fitted.rows.seed),
    )


def score_intervals(scores: dict[str, Score]) -> dict[str, list[float]]:
    """Return the 95 % interval of each score, as JSON values."""
    return {name: [score.low, score.high] for name, score in scores.items()}


def _left_out_scores(fitted: FittedTable) -> dict[str, Score]:
    """Return scores on the training rows, by the members that left each row out."""
    answers, rows = fitted.estimator.oof_predictions_, fitted.rows
    if answers is None:
        return {}
    truth = rows.targets(tested=False)
    return reports.score_predictions(rows.target.task, truth, answers, seed=rows.seed)


def _baselines(fitted: FittedTable, test: Prepared) -> dict[str, NDArray[Any]]:
    """Return the predictions of simple models for the test rows."""
    rows = fitted.rows
    train = fitted.estimator.prepare(rows.inputs(tested=False))
    return reports.baseline_predictions(
        rows.target.task,
        reports.BaselineInputs(*train),
        rows.targets(tested=False),
        reports.BaselineInputs(*test),
        n_classes=len(rows.target.classes),
        seed=rows.seed,
    )
