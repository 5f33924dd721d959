"""Numbers, scores and settings as texts for a person."""

import math
from collections.abc import Mapping

from kerasnn.reports.page import Cell
from kerasnn.reports.scores import Score

SCORE_NAMES = {
    "accuracy": "accuracy",
    "error": "error",
    "log_loss": "log loss",
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R\u00b2",
    "coverage_90": "90% coverage",
    "mean_width_90": "90% mean width",
    "mean_set_size_90": "90% mean set size",
}


def format_number(value: float, *, like: float | None = None) -> str:
    """Return a number with about three significant digits.

    Args:
        value: the number.
        like: number that decides how many decimals there are; None for `value`.
    """
    size = abs(value if like is None else like)
    if 0 < size < 0.001 or size >= 1e9:
        return f"{value:.3g}"
    decimals = 3 if size == 0 else min(4, max(0, 2 - math.floor(math.log10(size))))
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0: no "-0.00"


def score_cell(score: Score, *, like: float | None = None, strong: bool = False) -> Cell:
    """Return a cell with a score and its interval below it.

    Args:
        score: the score.
        like: as in `format_number`.
        strong: whether it is emphasised.
    """
    like = score.value if like is None else like
    value, low, high = (format_number(number, like=like) for number in score)
    return Cell(value, f"{low} to {high}", strong=strong)


def format_share(count: int, total: int) -> str:
    """Return a count, and its percentage of the total."""
    if not count or not total:
        return f"{count:,}"
    percent = 100 * count / total
    return f"{count:,} ({percent:.0f}%)" if percent >= 1 else f"{count:,} ({percent:.1g}%)"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: 1 row, 2 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def format_settings(settings: Mapping[str, object]) -> dict[str, str]:
    """Return names and values of settings as texts."""
    return {k.replace("_", " "): _setting_text(v) for k, v in settings.items()}


def _setting_text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
