"""Where rows come from, and what they are.

Tables of any origin become DataFrames (`as_table`), a `Schema` says what their columns are
(`infer_schema`), and later rows are held to it (`checked_table`). The lessons' real data
and CSV files of numbers are here as well, and rows on disk for what is larger than memory
(`write_shards`, `ShuffledShards`). It knows nothing of TensorFlow.
"""

from kerasnn.datasets.cells import MISSING_TEXTS, WHOLE_AS_FLOAT, category_text
from kerasnn.datasets.checking import checked_table
from kerasnn.datasets.csv_file import read_numbers
from kerasnn.datasets.digits import DIGITS_COLUMNS, N_CLASSES, digits
from kerasnn.datasets.inference import infer_schema
from kerasnn.datasets.inputs import input_names, raw_columns
from kerasnn.datasets.iris import IRIS_COLUMNS, IRIS_TARGET, iris_perceptron
from kerasnn.datasets.number_rows import (
    InputArray,
    NumberRows,
    check_columns,
    column_names,
)
from kerasnn.datasets.schema import MOST_LEVELS, Column, LeftOut, Schema, Target
from kerasnn.datasets.shards import Shards, open_shards, write_shards
from kerasnn.datasets.shuffling import ShuffledShards
from kerasnn.datasets.table_files import table_files
from kerasnn.datasets.tables import as_table, table_chunks
from kerasnn.datasets.target import infer_target

__all__ = [
    "DIGITS_COLUMNS",
    "IRIS_COLUMNS",
    "IRIS_TARGET",
    "MISSING_TEXTS",
    "MOST_LEVELS",
    "N_CLASSES",
    "WHOLE_AS_FLOAT",
    "Column",
    "InputArray",
    "LeftOut",
    "NumberRows",
    "Schema",
    "Shards",
    "ShuffledShards",
    "Target",
    "as_table",
    "category_text",
    "check_columns",
    "checked_table",
    "column_names",
    "digits",
    "infer_schema",
    "infer_target",
    "input_names",
    "iris_perceptron",
    "open_shards",
    "raw_columns",
    "read_numbers",
    "table_chunks",
    "table_files",
    "write_shards",
]
