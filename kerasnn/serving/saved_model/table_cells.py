"""The cells of a table's rows in a request, by column: each is looked at once.

A request names a column by its own name or by its input's. A table that would be much
larger than its request is refused before it is built.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kerasnn.datasets.schema.schema import Schema
from kerasnn.errors import InputError

# Maximum of cells that a request leaves out, which count as missing.
MAX_ABSENT_CELLS = 2**23
_CELLS = (str, int, float, bool, type(None))

Cells = dict[str, list[Any]]  # [rows] by column, or by the input of an option


@dataclass(frozen=True)
class ColumnNames:
    """The names by which requests may call the columns of a table.

    Attributes:
        schema: of the table.
        inputs: the column of each input, by the input's name.
    """

    schema: Schema
    inputs: Mapping[str, str]

    @cached_property
    def columns(self) -> dict[str, str]:
        """The column of each name: its own, or its input's."""
        return {**{name: name for name in self.schema.names}, **self.inputs}

    @cached_property
    def unused(self) -> frozenset[str]:
        """Columns of the table that the network does not read, with the target."""
        target = self.schema.target
        names = {column.name for column in self.schema.left_out}
        return frozenset(names if target is None else {*names, target.name})

    @cached_property
    def _input_of(self) -> dict[str, str]:
        return {column: name for name, column in self.inputs.items()}

    def column(self, name: str) -> str | None:
        """Return the column of a name; None for a column that the network does not read.

        Raises:
            InputError: the table has no such column.
        """
        column = self.columns.get(name)
        if column is not None or name in self.unused:
            return column
        near = difflib.get_close_matches(name, self.schema.names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"the network has no column {name!r}{hint}")

    def features(self, names: Collection[str], row: int) -> dict[str, str]:
        """Return the input of each feature of an example that the network reads.

        Raises:
            InputError: a feature is unknown or given twice. One that is left out is
                missing, as in every tf.Example.
        """
        inputs: dict[str, str] = {}
        spelled: dict[str, str] = {}
        for name in names:
            column = self.column(name)
            if column is None:
                continue
            if column in spelled:
                raise _twice(column, spelled[column], name, row)
            spelled[column] = name
            inputs[name] = self._input_of[column]
        return inputs


def cells_of_rows(
    items: Sequence[Mapping[str, Any]], names: ColumnNames, options: Collection[str]
) -> Cells | None:
    """Return the cells of rows, None where left out; None if one is no plain value.

    Args:
        items: objects, one for each row.
        names: of the columns.
        options: names of the inputs that are no columns.

    Raises:
        InputError: a name is unknown or given twice, or a cell is left out that was never
            missing in the training.
    """
    rows = len(items)
    _check_absent(rows, sum(map(len, items)), names)
    cells: Cells = {}
    counts: dict[str, int] = {}
    last: dict[str, tuple[int, str]] = {}  # of a column, the row that has it, and its name
    for row, item in enumerate(items):
        for name, cell in item.items():
            column = name if name in options else names.column(name)
            if column is None:
                continue
            if type(cell) not in _CELLS:
                return None
            before = last.get(column)
            if before is None:
                cells[column], counts[column] = [None] * rows, 0
            elif before[0] == row:
                raise _twice(column, before[1], name, row)
            last[column] = row, name
            cells[column][row] = cell
            counts[column] += 1
    for each in names.schema.columns:
        if 0 < counts.get(each.name, 0) < rows and not each.missing:
            raise InputError(_left_out(each.name, items, names))
    return cells


def cells_of_columns(
    inputs: Mapping[str, list[Any]], names: ColumnNames, options: Collection[str]
) -> Cells | None:
    """Return the cells of columns; None if one is no plain value; see `cells_of_rows`.

    Raises:
        InputError: as `cells_of_rows`; or two columns have not the same length.
    """
    rows = max(map(len, inputs.values()), default=0)
    _check_absent(rows, sum(map(len, inputs.values())), names)
    cells: Cells = {}
    spelled: dict[str, str] = {}
    for name, values in inputs.items():
        column = name if name in options else names.column(name)
        if column is None:
            continue
        if column in spelled:
            raise _twice(column, spelled[column], name, None)
        if not all(type(cell) in _CELLS for cell in values):
            return None
        cells[column], spelled[column] = values, name
    rows = max(map(len, cells.values()), default=0)
    for column, values in cells.items():
        if len(values) != rows and column not in options:
            raise InputError(
                f"column {column!r} has {len(values)} values, and another one {rows}"
            )
    return cells


def _check_absent(rows: int, given: int, names: ColumnNames) -> None:
    """Raise if a short request would become a large table."""
    columns = len(names.schema.columns)
    if rows * columns - given > MAX_ABSENT_CELLS:
        raise InputError(
            f"at most {MAX_ABSENT_CELLS} cells may be left out; got {given} cells in {rows}"
            f" rows of {columns} columns. Send several requests"
        )


def _left_out(column: str, items: Sequence[Mapping[str, Any]], names: ColumnNames) -> str:
    row = next(
        row for row, item in enumerate(items) if column not in map(names.columns.get, item)
    )
    return (
        f"column {column!r}, row {row}: it is not in the row; it was never missing in the"
        " training. If it is not known, send null"
    )


def _twice(column: str, first: str, second: str, row: int | None) -> InputError:
    where = "" if row is None else f", row {row}"
    return InputError(
        f"column {column!r}{where}: it is given twice, as {first!r} and {second!r}"
    )
