"""Scores, figures and a self-contained page about a training."""

from kerasnn.reports.baselines import baseline_predictions
from kerasnn.reports.figures import (
    confusion_matrix_figure,
    learning_curve,
    png,
    wrong_digits_figure,
)
from kerasnn.reports.importance import Importance, permutation_importance
from kerasnn.reports.page import Cell, Section, Table, report_html
from kerasnn.reports.scores import Score, compare_predictions, score_predictions
from kerasnn.reports.table_report import TableResult, table_report, table_sections

__all__ = [
    "Cell",
    "Importance",
    "Score",
    "Section",
    "Table",
    "TableResult",
    "baseline_predictions",
    "compare_predictions",
    "confusion_matrix_figure",
    "learning_curve",
    "permutation_importance",
    "png",
    "report_html",
    "score_predictions",
    "table_report",
    "table_sections",
    "wrong_digits_figure",
]
