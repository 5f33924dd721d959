"""Counts of cells in requests that are unlike those of the training, by column.

One request of one row of 30 columns takes about ten microseconds: its usual cells are
compared with two numbers, or looked up in a set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Reason = Literal["outside", "unseen", "missing"]

MAX_LABELS = 50  # columns with counts of their own; all others share one
OTHERS = "(other columns)"
_FEW_ROWS = 8  # for which Python is faster than NumPy


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers.

    Attributes:
        input: its name in requests.
        column: its name in the table.
        low, high: the range of the training.
        was_missing: whether a cell was missing in the training.
    """

    input: str
    column: str
    low: float
    high: float
    was_missing: bool


@dataclass(frozen=True)
class TextColumn:
    """A column of texts.

    Attributes:
        input: its name in requests.
        column: its name in the table.
        usual: texts that are like those of the training; None: all but the missing ones.
        missing: texts of missing cells, without outer blanks.
        judge: returns why a text is unlike those of the training; None: it is not.
    """

    input: str
    column: str
    usual: frozenset[bytes] | None
    missing: frozenset[bytes]
    judge: Callable[[bytes], Reason | None]


class CellCounts:
    """Counts of one version; for one event loop, and readers in other threads.

    Args:
        numbers: the columns of numbers.
        texts: all other columns that may have unusual cells.
        order: the names of all columns, the first of which have labels of their own.

    Attributes:
        number_inputs: names in requests of the columns of numbers.
        text_inputs: names in requests of the other columns.
        rows: number of counted rows.
        counts: of unusual cells, by label and reason.
    """

    def __init__(
        self,
        numbers: Sequence[NumberColumn],
        texts: Sequence[TextColumn],
        order: Sequence[str],
    ) -> None:
        labels = {name: name for name in order[:MAX_LABELS]}
        self.number_inputs = [column.input for column in numbers]
        self.text_inputs = [column.input for column in texts]
        self.rows = 0
        self.counts: dict[tuple[str, Reason], int] = {}
        pairs: list[tuple[str, Reason]] = [(c.column, "outside") for c in numbers]
        pairs += [(c.column, "unseen") for c in texts]
        for name, reason in pairs:
            self.counts[labels.get(name, OTHERS), reason] = 0
            self.counts[labels.get(name, OTHERS), "missing"] = 0
        self._numbers = [
            (c.input, c.low, c.high, c, labels.get(c.column, OTHERS)) for c in numbers
        ]
        self._texts = [(c.input, c, labels.get(c.column, OTHERS)) for c in texts]

    def count(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Count the cells of an answered request; one without the columns is ignored."""
        rows = 0
        for name, low, high, column, label in self._numbers:
            cells = inputs.get(name)
            if cells is None or cells.ndim != 1:
                return
            rows = len(cells)
            if rows > _FEW_ROWS:
                inside = (cells >= low) & (cells <= high)
                unlike = [] if inside.all() else cells[~inside].tolist()
            else:
                unlike = [cell for cell in cells.tolist() if not low <= cell <= high]
            if unlike:
                self._add_numbers(unlike, column, label)
        for name, text_column, label in self._texts:
            cells = inputs.get(name)
            if cells is None or cells.ndim != 1:
                return
            rows, usual = len(cells), text_column.usual
            if usual is not None:
                odd = [cell for cell in cells.tolist() if cell not in usual]
            else:
                missing = text_column.missing
                odd = [cell for cell in cells.tolist() if cell.strip() in missing]
            for cell in odd:
                self._add_text(cell, text_column, label)
        self.rows += rows

    def _add_text(self, cell: bytes, column: TextColumn, label: str) -> None:
        reason = column.judge(cell)
        if reason is not None:
            self.counts[label, reason] += 1

    def _add_numbers(self, unlike: list[float], column: NumberColumn, label: str) -> None:
        n_missing = int(np.isnan(unlike).sum())
        self.counts[label, "outside"] += len(unlike) - n_missing
        if not column.was_missing:
            self.counts[label, "missing"] += n_missing
