"""A table as a whole job: rows, network, test, report, export, evaluation.

rows     which rows are learned from and which are kept for the test
job      training, measuring, saving; evaluating what was saved
outcome  what has come of it
report   the page that tells of it
"""

from kerasnn.tables.job import evaluate, fit, measure, save, train_table
from kerasnn.tables.outcome import Evaluation, Fitted, Outcome
from kerasnn.tables.rows import Rows, read_rows, target_values

__all__ = [
    "Evaluation",
    "Fitted",
    "Outcome",
    "Rows",
    "evaluate",
    "fit",
    "measure",
    "read_rows",
    "save",
    "target_values",
    "train_table",
]
