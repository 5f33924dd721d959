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

SETTING_MEANINGS = {
    "members": "networks, whose answers are averaged",
    "folds": "parts of the training rows; each network leaves one out, which validates it",
    "epochs": "passes over the training rows",
    "batch_size": "rows between two changes of the weights, at most",
    "learning_rate": "size of these changes, at its highest",
    "hidden_units": "units of each hidden layer",
    "activation": "the function of these units",
    "parametric_activation": "each unit learns how much of that function it applies",
    "embedding": "how a number becomes the inputs of a network",
    "scaled": "each input has a scale that is learned",
    "cycles": "waves of the learning rate",
    "weight_decay": "pull of the weights towards zero",
    "dropout": "share of the units that are left out in a step",
    "label_smoothing": "share of each label that is spread over all classes",
    "n_evaluations": "evaluations on left-out rows, about",
    "calibrate": "probabilities are fitted to left-out rows",
    "standard_errors": "an epoch within this distance of the best counts as equally good",
    "frequent_value_codes": "frequent numbers also count as categories",
    "trees": "boosted trees beside the networks, if left-out rows gain by them",
    "seed": "of all random numbers",
    "test_size": "share or number of the rows that were kept for the test",
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


def format_settings(settings: Mapping[str, object]) -> dict[str, str | Cell]:
    """Return names and values of settings as texts, with what they mean."""
    return {
        name.replace("_", " "): Cell(_setting_text(value), SETTING_MEANINGS.get(name, ""))
        for name, value in settings.items()
    }


def _setting_text(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
