"""Reports on trained networks: scores, figures, and one self-contained page.

scores                        scores of predictions, with intervals
importance                    permutation importance of columns
figures                       learning curve, outputs, confusion matrix, wrong digits
table_figures, class_figures  figures of networks for tables
page, formatting              the HTML page; numbers as texts
reason_sections               sections about reasons, and slices with larger errors
coverage                      how often intervals and sets cover the truth
columns, predictions          sections about columns and predictions
table_report                  the report on a network for a table
"""

from kerasnn.reports.coverage import COVERAGE, Covered, coverage_scores
from kerasnn.reports.figures import (
    confusion_matrix_figure,
    learning_curve,
    output_figure,
    png,
    svg,
    wrong_digits_figure,
)
from kerasnn.reports.importance import (
    Importance,
    Permutations,
    PreparedTable,
    permutation_importance,
)
from kerasnn.reports.page import Cell, Report, Section, Table, report_html
from kerasnn.reports.scores import Score, compare_predictions, score_predictions
from kerasnn.reports.table_report import TableResult, table_report, table_sections

__all__ = [
    "COVERAGE",
    "Cell",
    "Covered",
    "Importance",
    "Permutations",
    "PreparedTable",
    "Report",
    "Score",
    "Section",
    "Table",
    "TableResult",
    "compare_predictions",
    "confusion_matrix_figure",
    "coverage_scores",
    "learning_curve",
    "output_figure",
    "permutation_importance",
    "png",
    "report_html",
    "score_predictions",
    "svg",
    "table_report",
    "table_sections",
    "wrong_digits_figure",
]
