"""From a table to a measured and saved network: `kerasnn train FILE` in Python.

    rows = tables.read_rows("adult.csv", target="income")
    fitted = tables.fit(rows, tables.estimator_for(rows.target)(members=4))
    tables.save(tables.measure(fitted), "saved_models/adult")

validation   groups, times and test rows that the user names
test_rows    test rows of a table of their own
rows         rows of training and test, in memory
parts        which rows of a streamed table are tested and held out
streamed     the same for a table that is larger than memory
fitting      the training
measurement  scores on test rows, beside simple models
report       the HTML page of a network
exporting    a network with its report, saved
evaluation   scores of a saved network on another table
drift        another table beside the rows of the training
time_limit   what testing and saving take of a time limit
"""

from kerasnn.tables.drift import Effect, TableDrift, check_drift
from kerasnn.tables.evaluation import Evaluation, evaluate
from kerasnn.tables.exporting import save
from kerasnn.tables.files import are_large
from kerasnn.tables.fitting import FittedTable, estimator_for, fit
from kerasnn.tables.measurement import Measurement, measure, score_intervals
from kerasnn.tables.rows import RowsInMemory, TableRows, read_rows
from kerasnn.tables.streamed import StreamedRows, stream_rows
from kerasnn.tables.time_limit import LOADING_SECONDS, before_saving, seconds_of_training
from kerasnn.tables.validation import Validation

__all__ = [
    "LOADING_SECONDS",
    "Effect",
    "Evaluation",
    "FittedTable",
    "Measurement",
    "RowsInMemory",
    "StreamedRows",
    "TableDrift",
    "TableRows",
    "Validation",
    "are_large",
    "before_saving",
    "check_drift",
    "estimator_for",
    "evaluate",
    "fit",
    "measure",
    "read_rows",
    "save",
    "score_intervals",
    "seconds_of_training",
    "stream_rows",
]
