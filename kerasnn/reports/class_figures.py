"""The figures of a classifier on a table: ROC, precision-recall, reliability."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from kerasnn.reports.figures import TRAIN_COLOUR
from kerasnn.reports.scores import wilson_interval
from kerasnn.reports.table_figures import REFERENCE, SIZE, new_axes, short, tidy

Array = NDArray[Any]

MOST_CURVES = 5  # classes in one figure, those that are told apart worst
BINS = 10
OTHER_COLOUR = "#c4ccd6"


def roc_figure(labels: Array, probabilities: Array, classes: Sequence[str]) -> Figure:
    """Share of the class found against share of the others taken for it.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: their names. Of two the second is shown; of more those told apart worst.
    """
    figure, axes = new_axes()
    axes.plot([0, 1], [0, 1], **REFERENCE)
    for k, area in _shown_classes(labels, probabilities):
        wrong, right, _ = roc_curve(labels == k, probabilities[:, k])
        axes.plot(wrong, right, label=f"{area:.3f}  {short(classes[k])}")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    _legend_below(figure, "area below the curve, class")
    return figure


def precision_recall_figure(
    labels: Array, probabilities: Array, classes: Sequence[str]
) -> Figure:
    """How many of the rows taken for a class are of it, against how many are found.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: their names. Of two the second is shown; of more those told apart worst.
    """
    figure, axes = new_axes()
    for k, _ in _shown_classes(labels, probabilities):
        of_class, given = labels == k, probabilities[:, k]
        precision, recall, _ = precision_recall_curve(
            of_class, given, drop_intermediate=True
        )
        mean = average_precision_score(of_class, given)
        # The last point, (0, 1), is no threshold's.
        (line,) = axes.plot(
            recall[:-1],
            precision[:-1],
            label=f"{mean:.3f}  {short(classes[k])}",
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
    labels: Array, probabilities: Array, classes: Sequence[str]
) -> Figure:
    """How often it was so against how sure the network was, and how many rows were so sure.

    Args:
        labels: [rows] integers, indices into `classes`.
        probabilities: [rows, n_classes].
        classes: their names. Of two the probability of the second is looked at; of more
            that of the class predicted.
    """
    if len(classes) == 2:
        no, yes = short(classes[0]), short(classes[1])
        judged, happened = f"probability of {yes}", f"share that is {yes}"
    else:
        no, yes = "wrong", "right"
        judged, happened = "probability of the class predicted", "share right"
    groups = _groups(*sureness(labels, probabilities))
    figure = Figure(figsize=(SIZE[0], 4.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    tidy(upper)
    tidy(lower)
    _draw_shares(upper, groups)
    upper.set_ylabel(happened)
    bars = _draw_counts(lower, groups)
    lower.set_xlabel(judged)
    place: dict[str, Any] = {"loc": "outside upper right", "ncols": 2, "frameon": False}
    # With handles: a legend leaves out what is labelled "_...", as a class may be.
    figure.legend(bars, [f"rows: {no}", yes], fontsize=9, **place)
    return figure


def sureness(labels: Array, probabilities: Array) -> tuple[Array, Array]:
    """The probability that is to be judged, and whether it was so, each [rows].

    Of two classes that of the second; of more that of the class predicted.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], labels == 1
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def drawable(classes: Sequence[str]) -> list[str]:
    """The names of the classes; for one with letters that the font has not, "class 3"."""
    font = get_font(findfont(FontProperties()))
    return [
        name if all(font.get_char_index(ord(letter)) for letter in name) else f"class {k}"
        for k, name in enumerate(classes, 1)
    ]


class _Groups(NamedTuple):
    """Rows by the probability given, in `BINS` equal steps from 0 to 1; each [BINS]."""

    counts: Array
    hits: Array  # rows in which it was so
    means: Array  # of the probabilities; NaN in an empty group


def _groups(given: Array, hit: Array) -> _Groups:
    inside = (given * BINS).astype(int).clip(0, BINS - 1)
    counts = np.bincount(inside, minlength=BINS)
    sums = np.bincount(inside, weights=given, minlength=BINS)
    means = np.divide(sums, counts, out=np.full(BINS, np.nan), where=counts > 0)
    return _Groups(counts, np.bincount(inside, weights=hit, minlength=BINS), means)


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
    """Bars of the rows in which it was not so, and on them those in which it was."""
    middles = (np.arange(BINS) + 0.5) / BINS
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


def _shown_classes(labels: Array, probabilities: Array) -> list[tuple[int, float]]:
    """Class and area under its ROC curve: the second of two, else those with the least."""
    n_classes = probabilities.shape[1]
    areas = [
        (k, float(roc_auc_score(labels == k, probabilities[:, k])))
        for k in (range(1, 2) if n_classes == 2 else range(n_classes))
        if 0 < np.count_nonzero(labels == k) < len(labels)
    ]
    return sorted(areas, key=lambda one: one[1])[:MOST_CURVES]
