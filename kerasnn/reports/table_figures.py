"""Figures of a network for a table: curves of its members, predicted values.

They are smaller than those of `figures`: 29rem wide, or as wide as a phone.
`class_figures` has the figures of classifiers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from kerasnn.reports.figures import (
    CURVE_COLOURS,
    DARK_GREY,
    GREY,
    MIN_LOG_RATIO,
    TEST_COLOUR,
    TRAIN_COLOUR,
)

SIZE = (4.5, 3.5)  # inches
REFERENCE: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1}
_MAX_POINTS = 3000  # of a scatter plot


def member_curves(
    history: Mapping[str, ArrayLike],
    name: str = "loss",
    *,
    epochs: ArrayLike | None = None,
    best_epoch: float | Sequence[float] | None = None,
) -> Figure:
    """Draw a metric over the epochs on training and validation rows, and the epoch chosen.

    Args:
        history: `name` and "val_" + `name`, each [evaluations], or [evaluations, members]:
            then the mean is drawn, and a band from the lowest to the highest. NaN stands
            for a member that had stopped.
        name: "loss" or another metric.
        epochs: [evaluations] their epochs; 1, 2, ... by default.
        best_epoch: the epoch that was chosen, or that of each member.
    """
    figure, axes = new_axes()
    lowest, highest = np.inf, -np.inf
    for key, label, colour in (
        (name, "training rows", TRAIN_COLOUR),
        (f"val_{name}", "validation rows", TEST_COLOUR),
    ):
        if key not in history:
            continue
        of_members = np.atleast_2d(np.asarray(history[key], np.float64).T)
        of_members = np.ma.masked_invalid(of_members)  # [members, evaluations]
        n_evaluations = of_members.shape[1]
        x = np.arange(1, n_evaluations + 1) if epochs is None else np.asarray(epochs)
        mean, low, high = of_members.mean(0), of_members.min(0), of_members.max(0)
        # A line through one point draws nothing.
        marker = "o" if n_evaluations == 1 else None
        axes.plot(x, mean, label=label, color=colour, marker=marker)
        if len(of_members) > 1:
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        lowest, highest = min(lowest, mean.min()), max(highest, mean.max())
    _mark_epochs(axes, best_epoch)
    if lowest > 0 and highest > MIN_LOG_RATIO * lowest:
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(escape(name.replace("_", " ")))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.legend(frameon=False)
    return figure


def predicted_true_figure(targets: np.ndarray, predicted: np.ndarray) -> Figure:
    """Draw true values over predicted ones.

    Args:
        targets: [rows] float.
        predicted: [rows] float.
    """
    figure, axes = new_axes()
    rows = _some_rows(len(targets))
    ends = [
        min(targets[rows].min(), predicted[rows].min()),
        max(targets[rows].max(), predicted[rows].max()),
    ]
    axes.plot(ends, ends, **REFERENCE)
    axes.scatter(predicted[rows], targets[rows], **_dots(len(rows)))
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def residual_figure(targets: np.ndarray, predicted: np.ndarray) -> Figure:
    """Draw residuals, true minus predicted, over predicted values, and their histogram.

    Args:
        targets: [rows] float.
        predicted: [rows] float.
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    rows = _some_rows(len(targets))
    residuals = targets - predicted
    left.axhline(0, **REFERENCE)
    left.scatter(predicted[rows], residuals[rows], **_dots(len(rows)))
    left.set_xlabel("predicted")
    left.set_ylabel("true - predicted")
    right.hist(residuals, bins=30, orientation="horizontal", color=TRAIN_COLOUR, alpha=0.8)
    right.axhline(0, **REFERENCE)
    right.set_xlabel("rows")
    for axes in (left, right):
        style_axes(axes)
    return figure


def escape(text: str) -> str:
    """Return a text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")


def abbreviate(text: str, maximum: int = 24) -> str:
    """Return a name that fits beside an axis; a long one keeps its start and its end."""
    return escape(text if len(text) <= maximum else f"{text[: maximum - 7]}...{text[-4:]}")


def new_axes() -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    style_axes(axes)
    return figure, axes


def style_axes(axes: Axes) -> None:
    """Remove the frame, and add a light grid in the background."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_prop_cycle(color=CURVE_COLOURS)


def _mark_epochs(axes: Axes, best_epoch: float | Sequence[float] | None) -> None:
    """Draw a line at the epoch chosen, or a mark for the epoch of each member."""
    if best_epoch is None:
        return
    epochs = np.unique(best_epoch)
    if len(epochs) == 1:
        axes.axvline(epochs.item(), label=f"epoch {epochs.item():g} chosen", **REFERENCE)
        return
    bottom = axes.get_xaxis_transform()  # x as in the data, y from 0 to 1
    style: dict[str, Any] = {"color": DARK_GREY, "linestyle": "", "markersize": 5}
    axes.plot(
        epochs,
        np.full(len(epochs), 0.02),
        "^",
        transform=bottom,
        label="epochs chosen",
        **style,
    )


def _some_rows(rows: int) -> np.ndarray:
    """Return at most `_MAX_POINTS` row numbers, always the same."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:_MAX_POINTS])


def _dots(n: int) -> dict[str, Any]:
    alpha = float(np.clip(60 / n**0.5 / 4, 0.15, 0.7))
    return {
        "s": 10,
        "alpha": alpha,
        "color": TRAIN_COLOUR,
        "linewidths": 0,
        "rasterized": n > 300,
    }
