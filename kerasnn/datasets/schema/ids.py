"""Detection of ids, row numbers and free text, which differ in every row.

A network could only memorise them.
"""

import re

import numpy as np

from kerasnn.datasets.cells.factorized import FactorizedColumn
from kerasnn.datasets.cells.parsing import numbers
from kerasnn.datasets.schema.kinds import ColumnReading

_MIN_ROWS = 20  # in fewer rows all values may differ by chance
_UNIQUE_SHARE = 0.95  # distinct texts per row of an id or free text
_MIN_COUNTED_ROWS = 100  # 0, 1, 2, ... in so many rows is no coincidence
_ID_WORDS = {"id", "ids", "uid", "uuid", "guid", "index", "idx", "rowid", "rownum"}
_ROW_NAMES = {"row", "row number", "row nr", "row no", "record", "record number", "key"}


def id_reason(name: str, column: FactorizedColumn, reading: ColumnReading) -> str:
    """Return why a column is an id, a row number or free text; "" if it is not.

    Args:
        name: of the column.
        column: its cells.
        reading: numeric or categorical.
    """
    rows = len(column.codes) - column.missing
    n_distinct = len(column.values)
    if rows <= _MIN_ROWS:
        return ""
    if reading.kind == "categorical":
        if n_distinct < _UNIQUE_SHARE * rows:
            return ""
        return (
            f"an id or free text: {n_distinct:,} different texts in {rows:,} rows;"
            f" categorical=[{name!r}] keeps it"
        )
    if n_distinct < rows:
        return ""
    values = np.sort(numbers(column, reading.number_format)[0][column.codes >= 0])
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return ""
    keep = f"numeric=[{name!r}] keeps it"
    if _is_id_name(name):
        return f"an id by its name, and {rows:,} different whole numbers; {keep}"
    if rows >= _MIN_COUNTED_ROWS and values[-1] - values[0] == rows - 1:
        return f"row numbers: {values[0]:.0f} to {values[-1]:.0f}, each once; {keep}"
    return ""


def _is_id_name(name: str) -> bool:
    """Return whether a name is like PassengerId, customer_id, index or "Unnamed: 0"."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = re.sub(r"[^a-z0-9]+", " ", words.casefold()).strip()
    if words == "unnamed 0" or words in _ROW_NAMES or not words:
        return True
    return bool(_ID_WORDS & {words.split()[0], words.split()[-1]})
