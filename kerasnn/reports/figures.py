"""Figures: learning curves, confusion matrix, misclassified digits; their files.

They use matplotlib's `Figure`, not pyplot, which has global state.
"""

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import confusion_matrix

TRAIN_COLOUR, TEST_COLOUR = "#1f5fa8", "#d1602b"
ON_FULL, OTHER_COLOUR, GREY, DARK_GREY = "#fefefe", "#c4ccd6", "#8a94a0", "#5b6775"
CURVE_COLOURS = (TRAIN_COLOUR, TEST_COLOUR, "#2e9e6b", "#a05fc4", GREY)
# Names of the CSS variables that a page may set.
_COLOURS = {
    "#000000": "ink",
    TRAIN_COLOUR: "blue",
    TEST_COLOUR: "orange",
    ON_FULL: "on-blue",
    OTHER_COLOUR: "pale",
    GREY: "grey",
    DARK_GREY: "soft",
}
_MAX_WRONG = 24
_MAX_LETTERS = 30  # of names side by side below a confusion matrix
MIN_LOG_RATIO = 20  # of largest to smallest value on a logarithmic axis


def png(figure: Figure, *, dpi: int = 110) -> bytes:
    """Return a figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
    return buffer.getvalue()


def svg(figure: Figure, *, label: str) -> str:
    """Return a figure as an SVG element of HTML, with font and colours from its page.

    Each of `_COLOURS` becomes a CSS variable, with the colour itself where a page does not
    set it.

    Args:
        figure: the figure.
        label: what it shows, for screen readers.
    """
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "kerasnn"}):
        figure.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Its style would be that of the whole page.
    left_out = r"<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*"
    drawing = re.sub(left_out, "", text, flags=re.DOTALL)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    head = (
        f'<svg viewBox="0 0 {0.75 * width:g} {0.75 * height:g}" role="img"'
        f' aria-label="{escape(label)}" style="max-width:{width}px">'
    )
    drawing = head + drawing[drawing.index(">") + 1 :]
    used = set(re.findall(r"""#([\w-]+)[")]""", drawing))
    drawing = re.sub(
        r' id="([\w-]+)"', lambda found: found[0] if found[1] in used else "", drawing
    )
    drawing = re.sub(
        r"font: ([^;\"]*?px) [^;\"]*", r"font: \1 system-ui, sans-serif", drawing
    )
    for colour, name in _COLOURS.items():
        drawing = drawing.replace(colour, f"var(--{name}, {colour})")
    return drawing


class InlineFigure(Figure):
    """A figure that a notebook shows without pyplot, in the notebook's colours."""

    def _repr_html_(self) -> str:
        style = "fill:currentColor;--ink:currentColor"
        return f'<div style="{style}">{svg(self, label="figure")}</div>'


def learning_curve(
    history: Mapping[str, Sequence[float]], name: str = "loss", *, others: str = "test rows"
) -> InlineFigure:
    """Draw a metric over the epochs, on training rows, and on other rows if there are any.

    Args:
        history: as in `History.history`; `name` and "val_" + `name` are drawn.
        name: "loss", "accuracy", or another metric.
        others: what the rows of "val_" are.
    """
    figure = InlineFigure(figsize=(4.5, 3.4), layout="constrained")
    axes = figure.subplots()
    last = []
    for key, label, colour in (
        (name, "training rows", TRAIN_COLOUR),
        (f"val_{name}", others, TEST_COLOUR),
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
    # In two lines: in one, the last digit was beyond the edge of the figure.
    axes.set_title(f"{name.capitalize()} at the end:\n{', '.join(last)}", fontsize=10)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if len(last) > 1:
        axes.legend(frameon=False)
    return figure


def output_figure(targets: np.ndarray, outputs: np.ndarray) -> Figure:
    """Draw histograms of the targets and of the outputs of a network.

    Args:
        targets: [rows, n_out].
        outputs: [rows, n_out].
    """
    figure = Figure(figsize=(4.5, 3.4), layout="constrained")
    axes = figure.subplots()
    bars = np.histogram_bin_edges(np.concatenate([targets, outputs]), 40)
    for values, label, colour in (
        (targets, "targets", TRAIN_COLOUR),
        (outputs, "outputs", TEST_COLOUR),
    ):
        axes.hist(values.reshape(-1), bars.tolist(), label=label, color=colour, alpha=0.8)
    mean = float(targets.mean())
    axes.axvline(mean, color="black", linestyle="--", linewidth=1)
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(f"Mean of the targets (dashed): {mean:.4f}", fontsize=10)
    axes.set_xlabel("value")
    axes.set_ylabel("rows")
    axes.legend(frameon=False)
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
    n_classes = len(classes)
    counts = confusion_matrix(labels, predicted, labels=np.arange(n_classes))
    side = min(1.6 + 0.45 * n_classes, 4.8)
    figure = Figure(figsize=(side + 0.3, side), layout="constrained")
    axes = figure.subplots()
    # Shaded by the share of the true class, so that rare classes are visible.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # The largest count fits into its cell.
    size = min(10.0, 330 / (n_classes * len(str(counts.max()))))
    for (i, j), share in np.ndenumerate(shares):
        corner = (j - 0.48, i - 0.48)
        axes.add_patch(Rectangle(corner, 0.96, 0.96, color=TRAIN_COLOUR, alpha=share, lw=0))
        if counts[i, j]:
            colour = ON_FULL if share > 0.5 else "black"
            style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": size}
            axes.text(j, i, f"{counts[i, j]:,}", color=colour, **style)
    axes.set(xlim=(-0.5, n_classes - 0.5), ylim=(n_classes - 0.5, -0.5), aspect="equal")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
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
