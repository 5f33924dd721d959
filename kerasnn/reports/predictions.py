"""The report's parts that show predictions: curves, classes, probabilities, residuals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from kerasnn.reports.class_figures import (
    MOST_CURVES,
    drawable,
    precision_recall_figure,
    reliability_figure,
    roc_figure,
    sureness,
)
from kerasnn.reports.figures import confusion_matrix_figure, png
from kerasnn.reports.formatting import format_number
from kerasnn.reports.page import Cell, Section, Table
from kerasnn.reports.table_figures import (
    member_curves,
    predicted_true_figure,
    residual_figure,
    short,
)

Array = NDArray[Any]

DPI = 140
MATRIX_CLASSES = 20  # with more a matrix cannot be read
MOST_ROWS_SHOWN = 30  # of a table of classes


def curve_section(
    history: Mapping[str, ArrayLike],
    epochs: ArrayLike | None = None,
    best_epoch: float | Sequence[float] | None = None,
) -> Section:
    """Every metric of the history over the epochs; see `member_curves`."""
    names = dict.fromkeys(name.removeprefix("val_") for name in history)
    figures = {
        name: _png(member_curves(history, name, epochs=epochs, best_epoch=best_epoch))
        for name in names
    }
    members = max(np.ndim(values) for values in history.values()) > 1
    return Section(
        "Learning curves",
        "Held-out rows are training rows kept aside to choose the epoch; they are not"
        " the test rows."
        + (
            " Lines: mean of the members; bands: from the lowest to the highest of them."
            if members
            else ""
        ),
        figures,
    )


def class_sections(
    labels: Array, probabilities: Array, classes: Sequence[str]
) -> list[Section]:
    """Right and wrong by class, ROC and precision-recall, reliability.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: their names.
    """
    sections = [_confusion(labels, probabilities.argmax(axis=1), classes)]
    if len(np.unique(labels)) > 1:
        sections.append(_separation(labels, probabilities, classes))
    return [*sections, _reliability(labels, probabilities, classes)]


def value_sections(targets: Array, predicted: Array) -> list[Section]:
    """Predicted against true values, and residuals.

    Args:
        targets: [rows] float.
        predicted: [rows] float.
    """
    figures = {
        "predicted and true": _png(predicted_true_figure(targets, predicted)),
        "residuals": _png(residual_figure(targets, predicted)),
    }
    gaps = np.abs(targets - predicted)
    half, most = np.quantile(gaps, [0.5, 0.9])
    return [
        Section(
            "Predicted and true values",
            f"Half of the test rows are off by at most {format_number(half)}, nine in ten"
            f" by at most {format_number(most)}. A prediction on a dashed line is right.",
            figures,
        )
    ]


def _png(figure: Figure) -> bytes:
    return png(figure, dpi=DPI)


def _confusion(labels: Array, predicted: Array, classes: Sequence[str]) -> Section:
    drawn = drawable(classes)
    if len(classes) > MATRIX_CLASSES:
        shown = _mix_ups(labels, predicted, classes)
        figures = {}
    else:
        shown = "Test rows by true and predicted class."
        names = [short(name, 16) for name in drawn]
        figures = {
            "confusion matrix": _png(confusion_matrix_figure(labels, predicted, names))
        }
    return Section(
        "Right and wrong",
        f"{shown} Precision: how many of the rows taken for a class are of it. Recall: how"
        " many of its rows are found. F1: their harmonic mean.",
        figures,
        _class_table(labels, predicted, classes, drawn),
    )


def _class_table(
    labels: Array, predicted: Array, classes: Sequence[str], drawn: Sequence[str]
) -> Table:
    precision, recall, f1, rows = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=np.nan
    )
    shown = list(range(len(classes)))
    caption = ""
    if len(classes) > MOST_ROWS_SHOWN:
        # Those that are found least; without test rows there is nothing to find.
        order = np.argsort(np.where(rows > 0, recall, np.inf), kind="stable")
        shown = order[:MOST_ROWS_SHOWN].tolist()
        caption = f"The {MOST_ROWS_SHOWN} of {len(classes)} classes with the lowest recall."
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


def _mix_ups(labels: Array, predicted: Array, classes: Sequence[str], most: int = 8) -> str:
    """The most frequent mistakes, where a matrix would be too large."""
    counts = confusion_matrix(labels, predicted, labels=np.arange(len(classes)))
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [np.unravel_index(i, counts.shape) for i in order]
    texts = [
        f"{classes[true]} taken for {classes[taken]} ({counts[true, taken]:,})"
        for true, taken in pairs
        if counts[true, taken]
    ]
    if not texts:
        return "All test rows are right."
    return f"The most frequent mistakes: {'; '.join(texts)}."


def _separation(labels: Array, probabilities: Array, classes: Sequence[str]) -> Section:
    given = (labels, probabilities, drawable(classes))
    if len(classes) == 2:
        which = f"For the class {classes[1]}, as the threshold goes down from 1 to 0."
    elif len(classes) <= MOST_CURVES:
        which = "Each class against all others."
    else:
        which = f"The {MOST_CURVES} classes told apart worst, each against all others."
    return Section(
        "ROC and precision-recall",
        f"{which} Dashed: a guess that knows nothing.",
        {
            "ROC": _png(roc_figure(*given)),
            "precision-recall": _png(precision_recall_figure(*given)),
        },
    )


def _reliability(labels: Array, probabilities: Array, classes: Sequence[str]) -> Section:
    given, hit = sureness(labels, probabilities)
    mean, share = f"{given.mean():.3f}", f"{hit.mean():.3f}"
    if len(classes) == 2:
        average = f"{classes[1]} is given {mean}, and {share} of the rows are of it."
    else:
        average = f"it is {mean} sure, and right in {share} of the rows."
    figure = reliability_figure(labels, probabilities, drawable(classes))
    return Section(
        "Are the probabilities right?",
        "Rows in ten groups by the probability given; where the points lie on the dashed"
        " line, it happens as often as the network says. Upright bars: 95% intervals. On"
        f" average {average}",
        {"reliability": _png(figure)},
    )
