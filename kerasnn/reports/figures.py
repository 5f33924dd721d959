"""Figures: learning curves, confusion matrix, misclassified digits.

They use matplotlib's `Figure`, not pyplot, which has global state.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import confusion_matrix

TRAIN_COLOUR, TEST_COLOUR = "#1f5fa8", "#d1602b"
_MAX_WRONG = 24
_MAX_LETTERS = 30  # of names side by side below a confusion matrix
MIN_LOG_RATIO = 20  # of largest to smallest value on a logarithmic axis


def png(figure: Figure, *, dpi: int = 110) -> bytes:
    """Return a figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
    return buffer.getvalue()


def learning_curve(history: Mapping[str, Sequence[float]], name: str = "loss") -> Figure:
    """Draw a metric over the epochs, on training rows, and on test rows if there are any.

    Args:
        history: as in `History.history`; `name` and "val_" + `name` are drawn.
        name: "loss", "accuracy", or another metric.
    """
    figure = Figure(figsize=(5.4, 3.7), layout="constrained")
    axes = figure.subplots()
    last = []
    for key, label, colour in (
        (name, "training rows", TRAIN_COLOUR),
        (f"val_{name}", "test rows", TEST_COLOUR),
    ):
        if key in history:
            epochs = np.arange(1, len(history[key]) + 1)
            # A line through one point draws nothing.
            marker = "o" if len(epochs) == 1 else None
            axes.plot(epochs, history[key], label=label, color=colour, marker=marker)
            last.append(f"{label} {history[key][-1]:.4f}")
    values = np.concatenate([line.get_ydata() for line in axes.lines])
    if values.min() > 0 and values.max() > MIN_LOG_RATIO * values.min():
        axes.set_yscale("log")
    axes.set_title(f"{name.capitalize()} at the end: {', '.join(last)}", fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if len(last) > 1:
        axes.legend()
    return figure


def confusion_matrix_figure(
    labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]
) -> Figure:
    """Draw counts of rows by true class (down) and predicted class (across).

    Args:
        labels: [rows] integers, indices into `classes`.
        predicted: [rows] integers.
        classes: names of the classes.
    """
    counts = confusion_matrix(labels, predicted, labels=np.arange(len(classes)))
    figure = Figure(figsize=(4.8, 4.4), layout="constrained")
    axes = figure.subplots()
    # Shaded by the share of the true class, so that rare classes are visible.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    # The largest count fits into its cell.
    size = min(10.0, 330 / (len(classes) * len(str(counts.max()))))
    for i, j in np.argwhere(counts):
        colour = "white" if shares[i, j] > 0.5 else "black"
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size}
        axes.text(j, i, str(counts[i, j]), color=colour, **style)
    # Long names side by side would overlap.
    long = sum(map(len, classes)) > _MAX_LETTERS
    axes.set_xticks(range(len(classes)), classes, rotation=90 if long else 0)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(
        f"{int(np.trace(counts))} of {int(counts.sum())} rows right", fontsize=10
    )
    return figure


def wrong_digits_figure(
    pixels: np.ndarray, labels: np.ndarray, probabilities: np.ndarray
) -> Figure | None:
    """Draw misclassified digits, the surest mistakes first.

    Args:
        pixels: [rows, 64].
        labels: [rows] integers.
        probabilities: [rows, 10].

    Returns:
        The figure; None without mistakes.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    if not wrong.size:
        return None
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    shown = surest[:_MAX_WRONG]
    across = min(4, len(shown))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(1.45 * across, 1.75 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, row in zip(grid.flat, shown, strict=False):
        axes.imshow(pixels[row].reshape(8, 8), cmap="gray_r")
        taken, sure = predicted[row], probabilities[row].max()
        axes.set_title(f"{labels[row]}, taken for {taken}\n({sure:.0%})", fontsize=8)
    return figure
