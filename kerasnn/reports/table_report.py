"""The report on a network for a table, from plain arrays.

It needs no network and no TensorFlow: predictions, baselines, history and importance are
arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from kerasnn.choices import Task
from kerasnn.datasets import Notice, Schema, Target
from kerasnn.errors import InputError
from kerasnn.reports.columns import schema_sections
from kerasnn.reports.coverage import Covered, coverage_section
from kerasnn.reports.formatting import (
    SCORE_NAMES,
    format_count,
    format_number,
    format_settings,
    score_cell,
)
from kerasnn.reports.importance import Importance
from kerasnn.reports.page import Cell, Section, Table, report_html
from kerasnn.reports.predictions import (
    class_sections,
    curve_section,
    value_sections,
)
from kerasnn.reports.reason_sections import TableReasons, reason_sections
from kerasnn.reports.scores import (
    HIGHER_IS_BETTER,
    Score,
    compare_predictions,
    default_resamples,
    score_predictions,
)

_MAX_COLUMNS = 30  # in the list of importances
_LARGE: dict[Task, tuple[str, ...]] = {
    "classification": ("accuracy", "log_loss", "auc"),
    "regression": ("r2", "rmse", "mae"),
}
_COMPARED: dict[Task, tuple[str, ...]] = {
    "classification": ("error", "log_loss"),
    "regression": ("rmse", "mae"),
}


@dataclass(frozen=True)
class TableResult:
    """The content of a report.

    Attributes:
        title: heading.
        schema: of the table, with its target.
        truth: [test rows] integers, indices into the target's classes; or float.
        predicted: [test rows, n_classes] probabilities, or [test rows] float.
        rows_trained: number of training rows.
        seconds: of the training; None if unknown.
        baselines: predictions like `predicted`, by name, from `baseline_predictions`; the
            network is compared with the first.
        history: as in `member_curves`: "loss", "val_loss", ...
        epochs: [evaluations] the epochs of the values of `history`; 1, 2, ... by default.
        best_epoch: the epoch chosen, or one for each member.
        importance: from `permutation_importance`.
        settings: by name.
        data: facts about the data: source, fingerprint.
        versions: by name.
        seed: of the resamples.
        notices: warnings and guesses; see `report_html`.
        covered: intervals or sets of the test rows; None without them.
        known_scores: of "network" and of baselines, by name, as `score_predictions` gives
            them; others are computed.
        reasons: of some test rows; None leaves them out.
        histograms: of the numeric columns; see `columns.histograms`.
        made: when and how the network was made, by name.
        examples: how to predict with it; see `report_html`.
        leaderboard: scores of several models on the same left-out rows, by model.
    """

    title: str
    schema: Schema
    truth: np.ndarray
    predicted: np.ndarray
    rows_trained: int
    seconds: float | None = None
    baselines: Mapping[str, np.ndarray] = field(default_factory=dict)
    history: Mapping[str, ArrayLike] = field(default_factory=dict)
    epochs: ArrayLike | None = None
    best_epoch: float | Sequence[float] | None = None
    importance: Sequence[Importance] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    notices: Sequence[Notice] = ()
    covered: Covered | None = None
    known_scores: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    reasons: TableReasons | None = None
    histograms: Mapping[str, Sequence[int]] = field(default_factory=dict)
    made: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    leaderboard: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """The target of the schema.

        Raises:
            InputError: the schema has no target.
        """
        if self.schema.target is None:
            raise InputError("a report needs a schema with its target; target is None")
        return self.schema.target

    @cached_property
    def scores(self) -> dict[str, Score]:
        """The scores of the network on the test rows; computed once."""
        return self.scores_of("network", self.predicted)

    def scores_of(self, name: str, predicted: np.ndarray) -> dict[str, Score]:
        """Return the scores of a model on the test rows."""
        if name in self.known_scores:
            return dict(self.known_scores[name])
        return score_predictions(self.target.task, self.truth, predicted, seed=self.seed)


def table_report(result: TableResult) -> str:
    """Return one self-contained HTML page.

    Raises:
        InputError: predictions, truth and schema do not match.
    """
    sections = table_sections(result)
    return report_html(
        result.title,
        _summary(result),
        numbers=_numbers(result),
        tables=_tables(result),
        sections=sections,
        notices=result.notices,
        examples=result.examples,
    )


def table_sections(result: TableResult) -> list[Section]:
    """Return the sections of the report."""
    target = result.target
    _check_classes(target, result.predicted)
    sections = []
    if result.baselines:
        sections.append(_comparison(result))
    if result.leaderboard:
        sections.append(_leaderboard(result.leaderboard))
    if result.history:
        sections.append(curve_section(result.history, result.epochs, result.best_epoch))
    if target.task == "classification":
        sections += class_sections(result.truth, result.predicted, target.classes)
    else:
        sections += value_sections(result.truth, result.predicted)
    if result.covered is not None:
        sections.append(coverage_section(target.task, result.covered))
    if result.importance:
        sections.append(_importance(result))
    if result.reasons is not None:
        sections += reason_sections(result.reasons)
    return sections + schema_sections(result.schema, result.histograms)


def _check_classes(target: Target, predicted: np.ndarray) -> None:
    if target.task == "classification" and predicted.shape[1:] != (len(target.classes),):
        raise InputError(
            f"predicted must be [rows, {len(target.classes)}] probabilities, one for each"
            f" class of {target.name!r}; got {predicted.shape}"
        )


def _summary(result: TableResult) -> str:
    target = result.target
    kind = (
        format_count(len(target.classes), "class", "classes")
        if target.task == "classification"
        else "a number"
    )
    seconds = "" if result.seconds is None else f" in {format_number(result.seconds)} s"
    return (
        f"Predicts {target.name} ({kind}) from"
        f" {format_count(len(result.schema.columns), 'column')}. It learned from"
        f" {format_count(result.rows_trained, 'row')}{seconds}; the scores are of"
        f" {format_count(len(result.truth), 'test row')} that it never saw,"
        " with 95% intervals."
    )


def _numbers(result: TableResult) -> dict[str, str | Cell]:
    scores = result.scores
    return {
        SCORE_NAMES[name]: score_cell(scores[name])
        for name in _LARGE[result.target.task]
        if name in scores
    }


def _comparison(result: TableResult) -> Section:
    of_models = {"network": result.scores} | {
        name: result.scores_of(name, predicted)
        for name, predicted in result.baselines.items()
    }
    rows: list[list[str | Cell]] = []
    for score, ours in result.scores.items():
        best = _best(score, {m: scores[score].value for m, scores in of_models.items()})
        rows.append(
            [
                SCORE_NAMES[score],
                *(
                    score_cell(scores[score], like=ours.value, strong=m == best)
                    for m, scores in of_models.items()
                ),
            ]
        )
    return Section(
        "Beside simple models",
        "Scores of simple models on the same test rows. Below each score is its 95%"
        f" interval, from {default_resamples(len(result.truth)):,} resamples of the test"
        " rows.",
        table=Table(["", *of_models], rows, caption=_verdict(result)),
    )


def _leaderboard(leaderboard: Mapping[str, Mapping[str, float]]) -> Section:
    first, *_ = leaderboard.values()
    rows: list[list[str | Cell]] = [
        [model, *(format_number(scores[name], like=first[name]) for name in first)]
        for model, scores in leaderboard.items()
    ]
    return Section(
        "Networks, trees and simple models",
        "Scores on the same rows of the training, each by models that had left it out."
        " These rows chose the epoch, and the share of trees: the scores of networks and"
        " trees are slightly too good.",
        table=Table(["", *(SCORE_NAMES[name] for name in first)], rows),
    )


def _best(score: str, values: Mapping[str, float]) -> str:
    sign = 1 if score in HIGHER_IS_BETTER else -1
    return max(values, key=lambda model: sign * values[model])


def _verdict(result: TableResult) -> str:
    """Compare the network with the first baseline, resampled in pairs."""
    task = result.target.task
    name, other = next(iter(result.baselines.items()))
    gaps = compare_predictions(
        task, result.truth, result.predicted, other, seed=result.seed
    )
    texts = [_gap_text(s, gaps[s], like=result.scores[s].value) for s in _COMPARED[task]]
    return f"Network minus {name}, on the same rows: {'; '.join(texts)}."


def _gap_text(score: str, gap: Score, *, like: float) -> str:
    """Return a difference, and whether it may be chance."""
    value, low, high = (format_number(v, like=like) for v in gap)
    if gap.low <= 0 <= gap.high:
        meaning = "which may be chance"
    else:
        meaning = f"{'better' if gap.value < 0 else 'worse'} beyond chance"
    return f"{SCORE_NAMES[score]} {value} ({low} to {high}), {meaning}"


def _importance(result: TableResult) -> Section:
    importance = result.importance
    unit = "RMSE" if result.target.task == "regression" else "log loss"
    largest = max(max(one.mean for one in importance), 1e-12)
    shown = importance[:_MAX_COLUMNS]
    rows = [
        [
            Cell(one.name, bar=min(max(one.mean / largest, 0.0), 1.0)),
            Cell(
                format_number(one.mean, like=largest),
                f"\u00b1\u00a0{format_number(one.spread, like=largest)}",
            ),
        ]
        for one in shown
    ]
    more = len(importance) - len(shown)
    smallest = format_number(shown[-1].mean, like=largest)
    captions = (
        [f"The other {format_count(more, 'column')}: at most {smallest}."] if more else []
    )
    unknown = len(result.schema.columns) - len(importance)
    if unknown > 0:
        captions.append(
            f"{format_count(unknown, 'column')} more were not shuffled: the answers change"
            " less with them."
        )
    return Section(
        "Importance of the columns",
        f"The growth of the {unit} when a column is shuffled among the test rows, and its"
        " standard deviation over the shuffles. Columns with the same information share"
        " their importance.",
        table=Table(["column", "growth"], rows, caption=" ".join(captions)),
    )


def _tables(result: TableResult) -> dict[str, dict[str, str | Cell]]:
    tables: dict[str, dict[str, str | Cell]] = {
        "Settings": format_settings(result.settings),
        "Data": {
            "rows to learn from": f"{result.rows_trained:,}",
            "test rows": f"{len(result.truth):,}",
            **result.data,
        },
        "How it was made": {**result.made, **result.versions},
    }
    return {heading: rows for heading, rows in tables.items() if rows}
