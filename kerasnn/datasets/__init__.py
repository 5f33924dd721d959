"""Tables and their columns; no TensorFlow.

`as_table` reads a table of any origin, `infer_schema` finds what its columns are, and
`checked_table` checks later rows against that schema. Tables larger than memory become
shards on disk (`write_shards`, `ShuffledShards`). The lessons' data is here as well.

The rooms, each of which imports only from those before it
(`tests/test_architecture.py`):

names      names of columns, and errors about them
notices    guesses and repairs while a table was read, for the user
cells      the cells of one column: distinct values, texts, numbers, dates
files      files, arrays and frames -> a DataFrame
schema     kinds of columns and the target: inferred, kept as JSON, checked
profiling  statistics of a table that is read once: samples, counts, ranges
shards     blocks of rows on disk, shuffled
iris, digits
"""

from kerasnn.datasets.cells.factorized import MISSING_TEXTS, WHOLE_AS_FLOAT
from kerasnn.datasets.cells.parsing import category_text
from kerasnn.datasets.digits import DIGITS_COLUMNS, N_CLASSES, digits
from kerasnn.datasets.files.csv_numbers import read_numbers
from kerasnn.datasets.files.frames import TableRead, as_table, read_table
from kerasnn.datasets.files.read_options import ReadOptions
from kerasnn.datasets.files.table_files import (
    TableFiles,
    column_names,
    table_chunks,
    table_files,
)
from kerasnn.datasets.iris import IRIS_COLUMNS, IRIS_TARGET, iris_perceptron
from kerasnn.datasets.notices import Notice
from kerasnn.datasets.schema.checking import (
    CheckedRows,
    InvalidCell,
    check_rows,
    checked_table,
)
from kerasnn.datasets.schema.hints import ColumnHints
from kerasnn.datasets.schema.inference import infer_schema
from kerasnn.datasets.schema.inputs import input_names, raw_columns
from kerasnn.datasets.schema.schema import MAX_LEVELS, Column, LeftOut, Schema, Target
from kerasnn.datasets.schema.target import infer_target, usable_rows
from kerasnn.datasets.shards.number_rows import InputArray, NumberRows, check_columns
from kerasnn.datasets.shards.shards import Shards, open_shards, write_shards
from kerasnn.datasets.shards.shuffling import ShuffledShards

__all__ = [
    "DIGITS_COLUMNS",
    "IRIS_COLUMNS",
    "IRIS_TARGET",
    "MAX_LEVELS",
    "MISSING_TEXTS",
    "N_CLASSES",
    "WHOLE_AS_FLOAT",
    "CheckedRows",
    "Column",
    "ColumnHints",
    "InputArray",
    "InvalidCell",
    "LeftOut",
    "Notice",
    "NumberRows",
    "ReadOptions",
    "Schema",
    "Shards",
    "ShuffledShards",
    "TableFiles",
    "TableRead",
    "Target",
    "as_table",
    "category_text",
    "check_columns",
    "check_rows",
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
    "read_table",
    "table_chunks",
    "table_files",
    "usable_rows",
    "write_shards",
]
