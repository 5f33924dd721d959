"""Numbers and intervals as a person reads them."""

import math

from kerasnn.reports.page import Cell
from kerasnn.reports.scores import Score

NAMES = {
    "accuracy": "accuracy",
    "error": "error",
    "log_loss": "log loss",
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R\u00b2",
}


def number_text(value: float, *, like: float | None = None) -> str:
    """A number with about three digits that count.

    Args:
        value: the number.
        like: as many decimals as this one has; by default as many as `value`.
    """
    size = abs(value if like is None else like)
    if 0 < size < 0.001 or size >= 1e9:
        return f"{value:.3g}"
    decimals = 3 if size == 0 else min(4, max(0, 2 - math.floor(math.log10(size))))
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0: no "-0.00"


def score_cell(score: Score, *, like: float | None = None, strong: bool = False) -> Cell:
    """A score with its interval below it.

    Args:
        score: the score.
        like: as in `number_text`.
        strong: whether it stands out.
    """
    like = score.value if like is None else like
    value, low, high = (number_text(number, like=like) for number in score)
    return Cell(value, f"{low} to {high}", strong=strong)


def share_text(count: int, of: int) -> str:
    """A count, and how much it is of all."""
    if not count or not of:
        return f"{count:,}"
    percent = 100 * count / of
    return f"{count:,} ({percent:.0f}%)" if percent >= 1 else f"{count:,} ({percent:.1g}%)"


def counted(count: int, noun: str, plural: str = "") -> str:
    """1 row, 2 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
