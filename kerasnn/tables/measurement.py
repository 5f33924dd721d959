"""Scores of a trained network on rows that it never saw, beside simple models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn import reports
from kerasnn.choices import Task
from kerasnn.datasets import Notice
from kerasnn.deadline import Deadline
from kerasnn.estimators.baselines import BaselineInputs, baseline_predictions
from kerasnn.estimators.report import covered_rows, rank_columns
from kerasnn.preprocessing import Prepared
from kerasnn.reports import COVERAGE, Covered, Importance, Score, coverage_scores
from kerasnn.reports.formatting import SCORE_NAMES, format_count, format_number
from kerasnn.reports.reason_sections import TableReasons
from kerasnn.tables.fitting import FittedTable
from kerasnn.tables.reasons import table_reasons

MAX_SECONDS = 30.0  # of the importance of columns
FAR_BELOW_COVERAGE = 0.85  # instead of `COVERAGE`, and not by chance


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
        importance: of columns; empty without test rows.
        notices: about the training and the scores.
        reasons: of some test rows; None if the columns are not ranked.
        covered: test rows with their intervals or sets; None where there are none.
    """

    fitted: FittedTable
    truth: NDArray[Any]
    predicted: NDArray[Any]
    baselines: dict[str, NDArray[Any]]
    scores: dict[str, Score]
    baseline_scores: dict[str, dict[str, Score]]
    importance: list[Importance]
    notices: tuple[Notice, ...] = ()
    reasons: TableReasons | None = None
    covered: Covered | None = None

    @property
    def all_notices(self) -> tuple[Notice, ...]:
        """The notices, and those of the table."""
        return (*self.notices, *self.fitted.rows.notices)

    @property
    def all_scores(self) -> dict[str, Score]:
        """The scores, and the coverage of intervals or sets, which simple models lack."""
        if self.covered is None:
            return self.scores
        task = self.fitted.rows.target.task
        return self.scores | coverage_scores(task, self.covered)

    @property
    def metrics(self) -> dict[str, float]:
        """The scores without their intervals."""
        return {name: score.value for name, score in self.all_scores.items()}

    @property
    def tested(self) -> bool:
        """True if there are test rows."""
        return len(self.truth) > 0

    @property
    def measured_on(self) -> str:
        """The rows of the scores."""
        validation = self.fitted.rows.validation
        if self.tested:
            return validation.test_rows_text
        # They chose the epoch, so the scores are slightly too good.
        return validation.validation_rows_text if self.scores else ""


def measure(
    fitted: FittedTable, *, importance: bool = True, deadline: Deadline | None = None
) -> Measurement:
    """Score a network and simple models on the test rows, and rank its columns.

    Args:
        fitted: the network and its rows.
        importance: whether the columns are ranked.
        deadline: of the ranking, which takes at most `MAX_SECONDS` anyway.
    """
    rows, task, seed = fitted.rows, fitted.rows.target.task, fitted.rows.seed
    shortened = (*_shortened(fitted), *_refitted(fitted))
    if not rows.n_tested:
        none, scores = np.empty(0), _left_out_scores(fitted)
        return Measurement(fitted, none, none, {}, scores, {}, [], shortened)
    estimator, truth = fitted.estimator, rows.targets(tested=True)
    prepared = estimator.prepare(rows.inputs(tested=True))
    predicted = estimator.predict_prepared(*prepared)
    baselines = _baselines(fitted, prepared)
    scores = reports.score_predictions(task, truth, predicted, seed=seed)
    baseline_scores = {
        name: reports.score_predictions(task, truth, values, seed=seed)
        for name, values in baselines.items()
    }
    covered = covered_rows(estimator, prepared, truth, task)
    seconds = MAX_SECONDS if deadline is None else min(MAX_SECONDS, deadline.left())
    ranked = importance and seconds > 0
    return Measurement(
        fitted=fitted,
        truth=truth,
        predicted=predicted,
        baselines=baselines,
        scores=scores,
        baseline_scores=baseline_scores,
        importance=rank_columns(
            estimator,
            prepared,
            truth,
            task,
            reports.Permutations(seed=seed, max_seconds=seconds),
        )
        if ranked
        else [],
        notices=(
            *shortened,
            *_better_baseline(scores, baseline_scores),
            *_low_coverage(task, covered),
        ),
        reasons=table_reasons(fitted, truth, predicted) if ranked else None,
        covered=covered,
    )


def _shortened(fitted: FittedTable) -> tuple[Notice, ...]:
    """Return a warning if the time limit ended the training."""
    estimator = fitted.estimator
    if not estimator.shortened_:
        return ()
    n_epochs, recipe = estimator.n_epochs_, estimator.recipe_
    return (
        Notice(
            "time-limit",
            f"the time limit ended the training after {n_epochs} of {recipe.epochs} epochs,"
            f" with {format_count(recipe.members, 'network')}: a longer one may give better"
            " predictions",
            is_warning=True,
        ),
    )


def _refitted(fitted: FittedTable) -> tuple[Notice, ...]:
    """Return a note if later rows validated other networks than those that predict."""
    rows, recipe = fitted.rows, fitted.estimator.recipe_
    if rows.validation.time is None or not recipe.folds:
        return ()
    if rows.n_held_out:
        message = (
            f"the latest {format_count(rows.n_held_out, 'row')} before the test rows chose"
            " the epoch, and were not learned from"
        )
    else:
        message = (
            "later training rows validated networks that learned from earlier ones; the"
            " networks that predict learned from all training rows, for as many epochs and"
            " with the same calibration"
        )
    if rows.n_tested and rows.validation.test_file is None:
        message += "; test_size=0 learns from the test rows, the latest, too"
    return (Notice("refitted", message, (rows.validation.time,)),)


def _better_baseline(
    scores: Mapping[str, Score], baselines: Mapping[str, Mapping[str, Score]]
) -> tuple[Notice, ...]:
    """Return a warning if the linear model has smaller losses on the test rows."""
    name = "rmse" if "rmse" in scores else "log_loss"
    network, linear = scores[name].value, baselines["linear"][name].value
    if network <= linear:
        return ()
    texts = [format_number(value, like=network) for value in (linear, network)]
    return (
        Notice(
            "linear-baseline",
            f"a linear model is better on the test rows: {SCORE_NAMES[name]} {texts[0]},"
            f" against {texts[1]} for the network",
            is_warning=True,
        ),
    )


def _low_coverage(task: Task, covered: Covered | None) -> tuple[Notice, ...]:
    """Return a warning if intervals or sets cover far fewer test rows than they promise."""
    share = None if covered is None else coverage_scores(task, covered)["coverage_90"]
    if share is None or share.high >= FAR_BELOW_COVERAGE:
        return ()
    kind = "intervals" if task == "regression" else "sets of classes"
    return (
        Notice(
            "low-coverage",
            f"{kind} that should hold the truth of {COVERAGE:.0%} of the rows hold that of"
            f" {share.value:.0%} of the test rows: these are unlike the validation rows,"
            " and no interval or set can be relied on for such rows",
            is_warning=True,
        ),
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
    left_out = ~np.isnan(answers.reshape(len(answers), -1)[:, 0])
    return reports.score_predictions(
        rows.target.task, truth[left_out], answers[left_out], seed=rows.seed
    )


def _baselines(fitted: FittedTable, test: Prepared) -> dict[str, NDArray[Any]]:
    """Return the predictions of simple models for the test rows."""
    rows = fitted.rows
    train = fitted.estimator.prepare(rows.inputs(tested=False))
    return baseline_predictions(
        rows.target.task,
        BaselineInputs(*train),
        rows.targets(tested=False),
        BaselineInputs(*test),
        n_classes=len(rows.target.classes),
        seed=rows.seed,
    )
