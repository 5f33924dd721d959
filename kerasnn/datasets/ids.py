"""Which columns are ids, row numbers or free text: another value in each row.

A network could only learn them by heart.
"""

import re

import numpy as np

from kerasnn.datasets.cells import Cells
from kerasnn.datasets.readings import are_plain_numbers, numbers

_LEAST_ROWS = 20  # in so few rows all values may differ by chance
_SHARE = 0.95  # of the rows differ: an id or free text
_LEAST_COUNTED_ROWS = 100  # 0, 1, 2, ... in so many rows is no coincidence
_ID_WORDS = {"id", "ids", "uid", "uuid", "guid", "index", "idx", "rowid", "rownum"}
_ROW_NAMES = {"row", "row number", "row nr", "row no", "record", "record number", "key"}


def id_reason(name: str, cells: Cells) -> str:
    """Why this is an id, a row number or free text; empty where it is none."""
    rows = len(cells.codes) - cells.missing
    n_different = len(cells.values)
    if rows <= _LEAST_ROWS:
        return ""
    if cells.content == "text" and not are_plain_numbers(cells):
        if n_different < _SHARE * rows:
            return ""
        return (
            f"an id or free text: {n_different:,} different texts in {rows:,} rows;"
            f" categorical=[{name!r}] keeps it"
        )
    if n_different < rows:
        return ""
    values = np.sort(numbers(cells)[0][cells.codes >= 0])
    if not np.isfinite(values).all() or (values != np.floor(values)).any():
        return ""
    keep = f"numeric=[{name!r}] keeps it"
    if _is_id_name(name):
        return f"an id by its name, and {rows:,} different whole numbers; {keep}"
    if rows >= _LEAST_COUNTED_ROWS and values[-1] - values[0] == rows - 1:
        return f"row numbers: {values[0]:.0f} to {values[-1]:.0f}, each once; {keep}"
    return ""


def _is_id_name(name: str) -> bool:
    """PassengerId, customer_id, ID, index, Unnamed: 0 (a DataFrame's index in a CSV)."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = re.sub(r"[^a-z0-9]+", " ", words.casefold()).strip()
    if words == "unnamed 0" or words in _ROW_NAMES or not words:
        return True
    return bool(_ID_WORDS & {words.split()[0], words.split()[-1]})
