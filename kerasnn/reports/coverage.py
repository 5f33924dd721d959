"""The coverage of intervals of values, or sets of classes, on the test rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from kerasnn.choices import Task
from kerasnn.reports.figures import TRAIN_COLOUR
from kerasnn.reports.formatting import format_number
from kerasnn.reports.page import Section
from kerasnn.reports.scores import Score, wilson_interval
from kerasnn.reports.table_figures import REFERENCE, new_axes

COVERAGE = 0.9  # that is measured
_GROUPS = 10
_MIN_GROUP = 5  # rows; the share of fewer says nothing
_MAX_SIZES = 8  # classes in a set, each a group of its own


class Covered(NamedTuple):
    """Test rows with their intervals or sets, of the coverage `COVERAGE`.

    Attributes:
        inside: [rows] whether the interval has the true value, or the set the true class.
        sizes: [rows] width of the interval, or number of classes in the set.
    """

    inside: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of_values(cls, truth: np.ndarray, ends: Sequence[np.ndarray]) -> "Covered":
        """Compare values [rows] with lower and upper ends, each [rows]."""
        lower, upper = (np.asarray(end, np.float64) for end in ends)
        return cls((lower <= truth) & (truth <= upper), upper - lower)

    @classmethod
    def of_classes(cls, labels: np.ndarray, in_set: np.ndarray) -> "Covered":
        """Compare labels [rows] with sets [rows, n_classes] of bool."""
        in_set = np.asarray(in_set, np.bool_)
        return cls(in_set[np.arange(len(labels)), labels], in_set.sum(axis=1))


def coverage_scores(task: Task, covered: Covered) -> dict[str, Score]:
    """Return the covered share and the mean size, with 95 % intervals.

    The interval of the share is Wilson's, that of the size follows from its deviation.

    Args:
        task: "classification" or "regression".
        covered: of one row or more.
    """
    n_rows, share = len(covered.inside), float(covered.inside.mean())
    low, high = wilson_interval(share, n_rows)
    mean = float(covered.sizes.mean())
    reach = 1.96 * float(covered.sizes.std()) / np.sqrt(n_rows)
    size = "mean_width_90" if task == "regression" else "mean_set_size_90"
    return {
        "coverage_90": Score(share, float(low), float(high)),
        size: Score(mean, mean - reach, mean + reach),
    }


def coverage_section(task: Task, covered: Covered) -> Section:
    """Return the section of the report; arguments as for `coverage_scores`."""
    share, mean = covered.inside.mean(), format_number(float(covered.sizes.mean()))
    if task == "regression":
        what = f"The 90% intervals have the true value of {share:.1%} of the test rows"
        rest = f"their mean width is {mean}. Below, in tenths of the rows by width."
    else:
        empty = (covered.sizes == 0).mean()
        what = f"The 90% sets have the true class of {share:.1%} of the test rows"
        rest = (
            f"they have {mean} classes in the mean, and {empty:.1%} are empty: rows that"
            " are unlike every class. Below, by the number of classes."
        )
    return Section(
        "Do the intervals cover?" if task == "regression" else "Do the sets cover?",
        f"{what}; {rest} Vertical bars: 95% intervals of the share.",
        {"coverage": coverage_figure(task, covered)},
    )


def coverage_figure(task: Task, covered: Covered) -> Figure:
    """Draw the covered share over the size of intervals or sets."""
    figure, axes = new_axes()
    axes.axhline(COVERAGE, **REFERENCE)
    groups = [rows for rows in _groups(task, covered.sizes) if len(rows) >= _MIN_GROUP]
    shares = np.array([covered.inside[rows].mean() for rows in groups])
    counts = np.array([len(rows) for rows in groups])
    if groups:
        low, high = wilson_interval(shares, counts)
        reach = np.stack([shares - low, high - shares]).clip(0)
        sizes = [float(covered.sizes[rows].mean()) for rows in groups]
        axes.errorbar(sizes, shares, reach, fmt="o-", color=TRAIN_COLOUR, capsize=2)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share covered")
    values = task == "regression"
    axes.set_xlabel("mean width of a tenth of the rows" if values else "classes in the set")
    return figure


def _groups(task: Task, sizes: np.ndarray) -> list[np.ndarray]:
    """Return row numbers: tenths by width, or those of each number of classes."""
    if task == "regression":
        return np.array_split(np.argsort(sizes, kind="stable"), _GROUPS)
    # An empty set covers nothing, by definition.
    return [np.flatnonzero(sizes == k) for k in range(1, _MAX_SIZES + 1)]
