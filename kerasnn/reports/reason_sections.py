"""Sections about reasons: contributions, effect curves, the worst rows, error slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kerasnn.reports.figures import TRAIN_COLOUR
from kerasnn.reports.formatting import format_count, format_number
from kerasnn.reports.page import Cell, Section, Table
from kerasnn.reports.table_figures import abbreviate, escape, new_axes

SLICE_LEVEL = 0.05  # chance of any wrong slice in the whole list
_MAX_BARS = 20
_N_REASONS = 3
_MAX_LETTERS = 60  # of a cell


@dataclass(frozen=True, eq=False)
class EffectCurve:
    """The mean answer while one column is set to each of some values.

    Attributes:
        column: its name.
        values: numbers, or texts of levels.
        members: [members, values] of each member, on the scale of contributions.
    """

    column: str
    values: Sequence[float] | Sequence[str]
    members: NDArray[np.float64]


class ErrorSlice(NamedTuple):
    """Rows whose errors are larger than those of the others.

    Attributes:
        column: its name.
        values: the level, or the range.
        rows: number of rows.
        loss: their mean loss.
        others: mean loss of the other rows.
        chance: upper bound of the probability that chance made it, for all slices that
            were looked at.
    """

    column: str
    values: str
    rows: int
    loss: float
    others: float
    chance: float


@dataclass(frozen=True, eq=False)
class TableReasons:
    """The reasons that a report shows.

    Attributes:
        contributions: [explained rows, columns] of the columns, by name.
        scale: what a contribution is measured in: "logit of yes".
        curves: of the first columns.
        worst: [worst rows, columns] cells of the test rows with the largest losses.
        worst_contributions: [worst rows, columns] of these rows.
        worst_numbers: number of each of these rows among the test rows, from 0.
        worst_answers: texts of their true and predicted values.
        slices: with larger errors.
    """

    contributions: pd.DataFrame
    scale: str
    curves: Sequence[EffectCurve]
    worst: pd.DataFrame
    worst_contributions: pd.DataFrame
    worst_numbers: Sequence[int]
    worst_answers: Sequence[tuple[str, str]]
    slices: Sequence[ErrorSlice]


def reason_sections(reasons: TableReasons) -> list[Section]:
    """Return the sections of a report."""
    sections = [_contribution_section(reasons)]
    if reasons.curves:
        sections.append(_curve_section(reasons))
    if len(reasons.worst):
        sections.append(_worst_section(reasons))
    sections.append(_slice_section(reasons))
    return sections


def _contribution_section(reasons: TableReasons) -> Section:
    means = reasons.contributions.abs().mean().sort_values(ascending=False, kind="stable")
    largest = max(float(means.iloc[0]), 1e-12)
    shown = means[:_MAX_BARS]
    rows: list[list[str | Cell]] = [
        [Cell(str(name), bar=value / largest), format_number(value, like=largest)]
        for name, value in shown.items()
    ]
    more = len(means) - len(shown)
    caption = f"The other {format_count(more, 'column')} move it less." if more else ""
    return Section(
        "Reasons",
        "How far each column moves the answer away from the mean answer, in the mean size"
        f" of its contributions to {format_count(len(reasons.contributions), 'test row')},"
        f" in units of the {reasons.scale}.",
        table=Table(["column", "mean contribution"], rows, caption=caption),
    )


def _curve_section(reasons: TableReasons) -> Section:
    return Section(
        "Effects of the first columns",
        f"The mean {reasons.scale} when one column of the same rows is set to each value."
        " Line: mean of the members; band: from the lowest to the highest.",
        {curve.column: effect_figure(curve, reasons.scale) for curve in reasons.curves},
    )


def effect_figure(curve: EffectCurve, scale: str) -> Figure:
    """Draw the effect of a column: a line over numbers, points over levels."""
    figure, axes = new_axes()
    mean = curve.members.mean(axis=0)
    low, high = curve.members.min(axis=0), curve.members.max(axis=0)
    numeric = not any(isinstance(value, str) for value in curve.values)
    if numeric:
        x = np.asarray(curve.values, np.float64)
        axes.plot(x, mean, color=TRAIN_COLOUR)
        axes.fill_between(x, low, high, color=TRAIN_COLOUR, alpha=0.15, linewidth=0)
        axes.set_xlabel(abbreviate(curve.column, 48))
        axes.set_ylabel(escape(f"mean {abbreviate(scale, 36)}"))
        return figure
    places = np.arange(len(mean))[::-1]  # the first level on top
    # Members that agree may differ from their mean by a rounding error.
    spread = np.maximum(np.stack([mean - low, high - mean]), 0)
    axes.errorbar(mean, places, xerr=spread, fmt="o", color=TRAIN_COLOUR, elinewidth=1)
    axes.set_yticks(places, [abbreviate(str(value)) for value in curve.values])
    axes.set_xlabel(escape(f"mean {abbreviate(scale, 36)}"))
    axes.set_title(abbreviate(curve.column, 48), fontsize=10)
    return figure


def _worst_section(reasons: TableReasons) -> Section:
    rows: list[list[str | Cell]] = []
    for i, number in enumerate(reasons.worst_numbers):
        true, predicted = reasons.worst_answers[i]
        rows.append(
            [f"{number:,}", true, predicted, _reason_text(reasons, i)],
        )
    return Section(
        "The worst rows",
        "The test rows with the largest losses, and the columns that moved their answers"
        f" most: cell, and contribution to the {reasons.scale}. Look for wrong labels and"
        " for cells that mean something else.",
        table=Table(["test row", "true", "predicted", "reasons"], rows, words=True),
    )


def _reason_text(reasons: TableReasons, row: int) -> str:
    contributions = reasons.worst_contributions.iloc[row]
    order = contributions.abs().sort_values(ascending=False, kind="stable").index
    return "; ".join(
        f"{name} = {_cell_text(reasons.worst[name].iloc[row])} ({contributions[name]:+.3g})"
        for name in order[:_N_REASONS]
    )


def _cell_text(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return "missing"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _MAX_LETTERS else f"{text[: _MAX_LETTERS - 3]}..."


def _slice_section(reasons: TableReasons) -> Section:
    title = "Where the errors are larger"
    if not reasons.slices:
        return Section(
            title,
            "No level and no range of a single column has a loss that is larger beyond"
            " chance.",
        )
    largest = max(one.loss for one in reasons.slices)
    rows: list[list[str | Cell]] = [
        [
            Cell(one.column, one.values, bar=one.loss / largest),
            format_number(one.loss, like=largest),
            format_number(one.others, like=largest),
            f"{one.rows:,}",
        ]
        for one in reasons.slices
    ]
    return Section(
        title,
        "Levels and ranges of single columns in which the mean loss of the test rows is"
        f" larger than elsewhere; at most {SLICE_LEVEL:.0%} of such lists have one that is"
        " larger by chance alone."
        " More rows of this kind, or columns that tell them apart, would help most.",
        table=Table(["column", "loss", "elsewhere", "test rows"], rows),
    )
