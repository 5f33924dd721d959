"""A table as a whole job: rows, network, test, report, export, evaluation.

rows     which rows are learned from and which are kept for the test
streamed the same of a table that is larger than memory
job      training, measuring, saving
evaluation how good what was saved is
outcome  what has come of it
report   the page that tells of it
"""

from kerasnn.tables.evaluation import evaluate
from kerasnn.tables.files import are_large
from kerasnn.tables.job import fit, measure, save, train_table
from kerasnn.tables.outcome import Evaluation, Fitted, Outcome
from kerasnn.tables.rows import Rows, read_rows, target_values
from kerasnn.tables.streamed import StreamedRows, stream_rows

__all__ = [
    "Evaluation",
    "Fitted",
    "Outcome",
    "Rows",
    "StreamedRows",
    "are_large",
    "evaluate",
    "fit",
    "measure",
    "read_rows",
    "save",
    "stream_rows",
    "target_values",
    "train_table",
]
