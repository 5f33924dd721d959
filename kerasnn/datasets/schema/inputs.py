"""Columns of a table as inputs of a SavedModel: their names and values.

The writer and the reader of a SavedModel, and the clients of a server, need both without
TensorFlow.
"""

import itertools
import keyword
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def input_names(columns: Sequence[str]) -> dict[str, str]:
    """Return the name of the SavedModel's input for each column.

    TensorFlow accepts ASCII letters, digits and "_", with a letter first; keywords of
    Python, "self" and two names that differ only in case are not possible. Other columns
    get the nearest free name: "hours-per-week" becomes "hours_per_week", "class" becomes
    "class_", and a second "A" beside "a" becomes "A_2".
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    numbers: dict[str, int] = {}  # the first that may be free, by nearest name
    # Columns whose names fit keep them.
    for column in sorted(columns, key=lambda c: _nearest_name(c) != c):
        nearest = _nearest_name(column)
        numbered = itertools.count(numbers.get(nearest, 1))
        candidates = ((i, f"{nearest}_{i}" if i > 1 else nearest) for i in numbered)
        number, name = next((i, n) for i, n in candidates if n.lower() not in taken)
        numbers[nearest], names[column] = number + 1, name
        taken.add(name.lower())
    return {column: names[column] for column in columns}


def raw_columns(rows: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Return the columns of a checked table as graph inputs: float64, or UTF-8 text."""
    return {str(name): _raw(column) for name, column in rows.items()}


def _nearest_name(column: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_]", "_", column)
    if not name[:1].isalpha():
        name = f"x{name}"
    return f"{name}_" if keyword.iskeyword(name) or name == "self" else name


def _raw(column: pd.Series) -> NDArray[Any]:
    if column.dtype.kind == "f":
        return column.to_numpy(np.float64)
    if column.dtype.kind == "M":
        dates = column.to_numpy("datetime64[s]")
        return _utf8(np.where(np.isnat(dates), "", np.datetime_as_string(dates)))
    return _utf8(column.to_numpy(object, na_value=""))


def _utf8(texts: Sequence[str] | NDArray[Any]) -> NDArray[np.object_]:
    encoded = np.empty(len(texts), object)
    # A str may hold half a surrogate pair, which no file does: an unknown level.
    encoded[:] = [text.encode("utf-8", "surrogatepass") for text in texts]
    return encoded
