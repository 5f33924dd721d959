"""Cells of a table that a graph reads as they are; it would count others as missing.

A graph reports no error for a text that is no date or no boolean, or for an infinite
number. Requests with such cells are read by the schema, which knows more spellings, and
refuses what has no meaning.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.datasets.cells.truths import levels_by_truth
from kerasnn.datasets.schema.schema import Column, Schema
from kerasnn.errors import InputError

_FEW_ROWS = 8  # for which Python is faster than NumPy
_DATE = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
_MAX_KNOWN = 10_000  # dates that are remembered


class PlainCells:
    """A quick check of the inputs of a table's network.

    Args:
        schema: of the table.
        columns: the column of each input.
    """

    def __init__(self, schema: Schema, columns: Mapping[str, str]) -> None:
        kinds = {name: schema.column(column) for name, column in columns.items()}
        self._numbers = [name for name, c in kinds.items() if c.kind == "numeric"]
        self._dates = [name for name, c in kinds.items() if c.kind == "datetime"]
        self._truths = [
            (name, frozenset([b"", *(level.encode() for level in c.levels)]))
            for name, c in kinds.items()
            if has_truths(c)
        ]
        self._known: set[bytes] = {b""}

    def are_all(self, inputs: Mapping[str, NDArray[Any]]) -> bool:
        """Return whether a graph reads all cells as they are meant.

        Inputs of another shape than [rows] are left to the signature.
        """
        if any(cells.ndim != 1 for cells in inputs.values()):
            return True
        for name in self._numbers:
            if not _are_finite(inputs[name]):
                return False
        for name, levels in self._truths:
            if not levels.issuperset(inputs[name].tolist()):
                return False
        for name in self._dates:
            for cell in inputs[name].tolist():
                if cell not in self._known and not self._is_date(cell):
                    return False
        return True

    def _is_date(self, cell: bytes) -> bool:
        if _DATE.fullmatch(cell) is None:
            return False
        try:
            dt.datetime.fromisoformat(cell.decode())
        except ValueError:
            return False
        if len(self._known) < _MAX_KNOWN:
            self._known.add(cell)
        return True


def check_truths(name: str, column: Column, cells: NDArray[Any]) -> None:
    """Check that the cells of a boolean column were read as true, false or missing.

    Raises:
        InputError: one is neither.
    """
    levels = frozenset([b"", *(level.encode() for level in column.levels)])
    if not has_truths(column) or levels.issuperset(cells):
        return
    row, cell = next((i, c) for i, c in enumerate(cells) if c not in levels)
    raise InputError(
        f"column {name!r}, row {row}: {cell.decode('utf-8', 'replace')!r} is neither true"
        " nor false"
    )


def has_truths(column: Column) -> bool:
    """Return whether a column has texts for true and false, and no others."""
    return column.kind == "boolean" and bool(levels_by_truth(column.levels))


def _are_finite(cells: NDArray[Any]) -> bool:
    if len(cells) > _FEW_ROWS:
        return not np.isinf(cells).any()
    return not any(map(math.isinf, cells.tolist()))
