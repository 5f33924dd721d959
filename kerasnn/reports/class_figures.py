"""Figures of a classifier for a table: ROC, precision-recall, reliability."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from kerasnn.reports.figures import OTHER_COLOUR, TRAIN_COLOUR
from kerasnn.reports.scores import wilson_interval
from kerasnn.reports.table_figures import (
    REFERENCE,
    SIZE,
    abbreviate,
    new_axes,
    style_axes,
)

MAX_CURVES = 5  # classes in one figure, those with the smallest areas
_BINS = 10


def roc_figure(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Draw ROC curves: true positive rate over false positive rate.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: names. Of two classes the second is drawn; of more, those with the
            smallest areas under the ROC curve.
    """
    figure, axes = new_axes()
    axes.plot([0, 1], [0, 1], **REFERENCE)
    for k, area in _shown_classes(labels, probabilities):
        wrong, right, _ = roc_curve(labels == k, probabilities[:, k])
        axes.plot(wrong, right, label=f"{area:.3f}  {abbreviate(classes[k])}")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    _legend_below(figure, "area below the curve, class")
    return figure


def precision_recall_figure(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Draw precision over recall.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: names. Of two classes the second is drawn; of more, those with the
            smallest areas under the ROC curve.
    """
    figure, axes = new_axes()
    for k, _ in _shown_classes(labels, probabilities):
        of_class, given = labels == k, probabilities[:, k]
        precision, recall, _ = precision_recall_curve(
            of_class, given, drop_intermediate=True
        )
        mean = average_precision_score(of_class, given)
        # The last point, (0, 1), belongs to no threshold.
        (line,) = axes.plot(
            recall[:-1],
            precision[:-1],
            label=f"{mean:.3f}  {abbreviate(classes[k])}",
            drawstyle="steps-post",
        )
        style = {**REFERENCE, "color": line.get_color(), "alpha": 0.5}
        axes.axhline(of_class.mean(), **style)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    _legend_below(figure, "average precision, class")
    return figure


def reliability_figure(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Draw observed frequency over predicted probability, and the counts of rows.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: names. Of two classes the probability of the second is judged; of more,
            that of the predicted class.
    """
    if len(classes) == 2:
        no, yes = abbreviate(classes[0]), abbreviate(classes[1])
        judged, happened = f"probability of {yes}", f"share that is {yes}"
    else:
        no, yes = "wrong", "right"
        judged, happened = "probability of the class predicted", "share right"
    groups = _groups(*judged_probabilities(labels, probabilities))
    figure = Figure(figsize=(SIZE[0], 4.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    style_axes(upper)
    style_axes(lower)
    _draw_shares(upper, groups)
    upper.set_ylabel(happened)
    bars = _draw_counts(lower, groups)
    lower.set_xlabel(judged)
    place: dict[str, Any] = {"loc": "outside upper right", "ncols": 2, "frameon": False}
    # With handles: a legend ignores labels that begin with "_", as a class may.
    figure.legend(bars, [f"rows: {no}", yes], fontsize=9, **place)
    return figure


def judged_probabilities(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, and whether the rows have the class, each [rows].

    Of two classes the second; of more, the predicted class.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], labels == 1
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def drawable(classes: Sequence[str]) -> list[str]:
    """Return names of classes; "class 3" for one with letters that the font lacks."""
    font = get_font(findfont(FontProperties()))
    return [
        name if all(font.get_char_index(ord(letter)) for letter in name) else f"class {k}"
        for k, name in enumerate(classes, 1)
    ]


class _Groups(NamedTuple):
    """Rows in `_BINS` equal intervals of probability; each [_BINS]."""

    counts: np.ndarray
    hits: np.ndarray  # rows of the class
    means: np.ndarray  # of the probabilities; NaN in an empty interval


def _groups(given: np.ndarray, hit: np.ndarray) -> _Groups:
    inside = (given * _BINS).astype(int).clip(0, _BINS - 1)
    counts = np.bincount(inside, minlength=_BINS)
    sums = np.bincount(inside, weights=given, minlength=_BINS)
    means = np.divide(sums, counts, out=np.full(_BINS, np.nan), where=counts > 0)
    return _Groups(counts, np.bincount(inside, weights=hit, minlength=_BINS), means)


def _draw_shares(axes: Axes, groups: _Groups) -> None:
    some = groups.counts > 0
    shares = groups.hits[some] / groups.counts[some]
    low, high = wilson_interval(shares, groups.counts[some])
    reach = np.stack([shares - low, high - shares]).clip(0)
    axes.plot([0, 1], [0, 1], **REFERENCE)
    axes.errorbar(
        groups.means[some], shares, reach, fmt="o-", color=TRAIN_COLOUR, capsize=2
    )
    axes.set_ylim(-0.03, 1.03)


def _draw_counts(axes: Axes, groups: _Groups) -> list[Any]:
    """Draw bars of the rows of other classes, and on them the rows of the class."""
    middles = (np.arange(_BINS) + 0.5) / _BINS
    misses = groups.counts - groups.hits
    bars = [
        axes.bar(middles, misses, 0.09, color=OTHER_COLOUR),
        axes.bar(middles, groups.hits, 0.09, misses, color=TRAIN_COLOUR),
    ]
    style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 7.5}
    for middle, count in zip(middles, groups.counts, strict=True):
        if count:
            axes.text(middle, count, f"{count:,}", **style)
    axes.set_ylim(0, 1.3 * groups.counts.max())
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylabel("rows")
    return bars


def _legend_below(figure: Figure, title: str) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    rows = -(-len(handles) // 2)
    figure.set_figheight(SIZE[1] + 0.2 * (rows + 1))
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=2, fontsize=9, frameon=False
    )
    legend.set_title(title, FontProperties(size=9))


def _shown_classes(
    labels: np.ndarray, probabilities: np.ndarray
) -> list[tuple[int, float]]:
    """Return classes and areas under their ROC curves: the second, or the smallest."""
    n_classes = probabilities.shape[1]
    areas = [
        (k, float(roc_auc_score(labels == k, probabilities[:, k])))
        for k in (range(1, 2) if n_classes == 2 else range(n_classes))
        if 0 < np.count_nonzero(labels == k) < len(labels)
    ]
    return sorted(areas, key=lambda one: one[1])[:MAX_CURVES]
