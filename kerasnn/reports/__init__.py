"""What a person looks at after training: figures, and one self-contained page."""

from kerasnn.reports.figures import (
    confusion_matrix_figure,
    learning_curve,
    png,
    wrong_digits_figure,
)
from kerasnn.reports.page import Section, report_html

__all__ = [
    "Section",
    "confusion_matrix_figure",
    "learning_curve",
    "png",
    "report_html",
    "wrong_digits_figure",
]
