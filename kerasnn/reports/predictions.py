"""Sections of a report about predictions: curves, classes, probabilities, residuals."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kerasnn.reports.class_figures import (
    MAX_CURVES,
    drawable,
    judged_probabilities,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
)
from kerasnn.reports.figures import confusion_matrix_figure
from kerasnn.reports.formatting import format_number
from kerasnn.reports.page import Cell, Section, Table
from kerasnn.reports.table_figures import (
    abbreviate,
    member_curves,
    predicted_true_figure,
    residual_figure,
)

_MAX_MATRIX_CLASSES = 20  # a larger matrix cannot be read
_MAX_CLASSES = 30  # in the table of classes
_MAX_MISTAKES = 8


def curve_section(
    history: Mapping[str, ArrayLike],
    epochs: ArrayLike | None = None,
    best_epoch: float | Sequence[float] | None = None,
) -> Section:
    """Return the section of learning curves; arguments as for `member_curves`."""
    names = dict.fromkeys(name.removeprefix("val_") for name in history)
    figures = {
        name: member_curves(history, name, epochs=epochs, best_epoch=best_epoch)
        for name in names
    }
    members = max(np.ndim(values) for values in history.values()) > 1
    return Section(
        "Learning curves",
        "Validation rows are training rows kept aside to choose the epoch; they are not"
        " the test rows."
        + (
            " Lines: mean of the members; bands: from the lowest to the highest of them."
            if members
            else ""
        ),
        figures,
    )


def class_sections(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> list[Section]:
    """Return sections about a classifier: mistakes, ROC, reliability.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: names.
    """
    sections = [_confusion(labels, probabilities.argmax(axis=1), classes)]
    if len(np.unique(labels)) > 1:
        sections.append(_separation(labels, probabilities, classes))
    return [*sections, _reliability(labels, probabilities, classes)]


def value_sections(targets: np.ndarray, predicted: np.ndarray) -> list[Section]:
    """Return sections about a regression: predicted and true values, residuals.

    Args:
        targets: [rows] float.
        predicted: [rows] float.
    """
    figures = {
        "predicted and true": predicted_true_figure(targets, predicted),
        "residuals": residual_figure(targets, predicted),
    }
    gaps = np.abs(targets - predicted)
    half, large = np.quantile(gaps, [0.5, 0.9])
    return [
        Section(
            "Predicted and true values",
            f"Half of the test rows are off by at most {format_number(half)}, nine in ten"
            f" by at most {format_number(large)}. A prediction on a dashed line is right.",
            figures,
        )
    ]


def _confusion(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]
) -> Section:
    drawn = drawable(classes)
    if len(classes) > _MAX_MATRIX_CLASSES:
        shown = _mistakes_text(labels, predicted, classes)
        figures = {}
    else:
        shown = "Test rows by true and predicted class."
        names = [abbreviate(name, 16) for name in drawn]
        figures = {"confusion matrix": confusion_matrix_figure(labels, predicted, names)}
    return Section(
        "Right and wrong",
        f"{shown} Precision: share of the rows predicted as a class that are of it. Recall:"
        " share of its rows that are predicted as it. F1: their harmonic mean.",
        figures,
        _class_table(labels, predicted, classes, drawn),
    )


def _class_table(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str], drawn: Sequence[str]
) -> Table:
    precision, recall, f1, rows = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=np.nan
    )
    shown = list(range(len(classes)))
    caption = ""
    if len(classes) > _MAX_CLASSES:
        # The lowest recalls; classes without test rows come last.
        order = np.argsort(np.where(rows > 0, recall, np.inf), kind="stable")
        shown = order[:_MAX_CLASSES].tolist()
        caption = f"The {_MAX_CLASSES} of {len(classes)} classes with the lowest recall."
    rows_shown: list[list[str | Cell]] = [
        [
            Cell(classes[k], "" if drawn[k] == classes[k] else f"{drawn[k]} in figures"),
            Cell(f"{rows[k]:,}", f"{rows[k] / len(labels):.0%}"),
            *(_number(scores[k]) for scores in (precision, recall, f1)),
        ]
        for k in shown
    ]
    head = ["class", "test rows", "precision", "recall", "F1"]
    return Table(head, rows_shown, caption=caption)


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _mistakes_text(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]
) -> str:
    """Return the most frequent mistakes as text, for too many classes for a matrix."""
    counts = confusion_matrix(labels, predicted, labels=np.arange(len(classes)))
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MAX_MISTAKES]
    pairs = [np.unravel_index(i, counts.shape) for i in order]
    texts = [
        f"{classes[true]} predicted as {classes[taken]} ({counts[true, taken]:,})"
        for true, taken in pairs
        if counts[true, taken]
    ]
    if not texts:
        return "All test rows are right."
    return f"The most frequent mistakes: {'; '.join(texts)}."


def _separation(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> Section:
    given = (labels, probabilities, drawable(classes))
    if len(classes) == 2:
        which = f"For the class {classes[1]}, as the threshold falls from 1 to 0."
    elif len(classes) <= MAX_CURVES:
        which = "Each class against all others."
    else:
        which = (
            f"The {MAX_CURVES} classes with the smallest areas, each against all others."
        )
    return Section(
        "ROC and precision-recall",
        f"{which} Dashed: random guesses.",
        {
            "ROC": roc_figure(*given),
            "precision-recall": precision_recall_figure(*given),
        },
    )


def _reliability(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> Section:
    given, hit = judged_probabilities(labels, probabilities)
    mean, share = f"{given.mean():.3f}", f"{hit.mean():.3f}"
    if len(classes) == 2:
        average = (
            f"the probability of {classes[1]} is {mean}, and {share} of the rows are of it."
        )
    else:
        average = f"the probability is {mean}, and {share} of the predictions are right."
    figure = reliability_figure(labels, probabilities, drawable(classes))
    return Section(
        "Are the probabilities right?",
        "Rows in ten groups by predicted probability. On the dashed line the observed"
        " frequency equals the probability. Vertical bars: 95% intervals. On average"
        f" {average}",
        {"reliability": figure},
    )
