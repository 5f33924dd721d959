"""Requests for a table's network that are not written as its signature demands.

The manifest of an export has the schema of its table. With it cells are read as
`kerasnn predict` reads a file's: `null` and a column that may be missing, a number or a
truth as text, a truth in a column of numbers. A request that the signature takes as it is
never comes here.
"""

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.factorized import MISSING_TEXTS, text_of
from kerasnn.datasets.cells.truths import truth_of
from kerasnn.datasets.schema.checking import check_rows
from kerasnn.datasets.schema.inputs import raw_columns
from kerasnn.datasets.schema.limits import ColumnLimits
from kerasnn.datasets.schema.schema import Column, Schema
from kerasnn.errors import InputError
from kerasnn.manifest import DEFAULT_SIGNATURE, read_manifest
from kerasnn.serving.errors import invalid
from kerasnn.serving.saved_model.cell_counts import (
    CellCounts,
    NumberColumn,
    Reason,
    TextColumn,
)

_MAX_SHOWN = 12  # columns of the row that a message shows
_CELLS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class TableInputs:
    """The inputs of a table's network.

    Attributes:
        schema: of the table.
        columns: the column of each input, by the input's name.
        options: of each signature that takes the columns, the inputs for its options.
    """

    schema: Schema
    columns: Mapping[str, str]
    options: Mapping[str, Sequence[str]]

    def read(
        self, document: Mapping[str, Any], signature: str = DEFAULT_SIGNATURE
    ) -> dict[str, NDArray[Any]] | None:
        """Return an array for each input; None if the request is no table.

        Args:
            document: with "instances", a list of objects, or "inputs", an object of lists.
            signature: one of `options`.

        Raises:
            ServingError: INVALID_ARGUMENT, with the column and a row as it should be sent.
        """
        cells = _cells(document)
        if cells is None:
            return None
        rows = max((len(values) for values in cells.values()), default=0)
        given = {name: cells.pop(name, None) for name in self.options[signature]}
        try:
            options = {name: _option(name, one, rows) for name, one in given.items()}
            table = pd.DataFrame(self._columns(cells, rows), dtype=object)
            checked = check_rows(table, self.schema, strict=True).rows
        except InputError as error:
            raise invalid(f"{error}. A row looks like this: {self._example()}") from None
        raw = raw_columns(checked)
        return {**{name: raw[c] for name, c in self.columns.items()}, **options}

    def cell_counts(self) -> CellCounts:
        """Return counts of cells that are unlike those of the training, all 0."""
        numbers: list[NumberColumn] = []
        texts: list[TextColumn] = []
        for name, of in self.columns.items():
            column = self.schema.column(of)
            limits = ColumnLimits.of(column)
            if column.kind != "numeric":
                texts += _counted_texts(name, column, limits)
            elif limits.low is not None and limits.high is not None:
                ends = limits.low, limits.high
                numbers.append(NumberColumn(name, of, *ends, limits.was_missing))
        return CellCounts(numbers, texts, self.schema.names)

    def _columns(
        self, cells: Mapping[str, Sequence[Any]], rows: int
    ) -> dict[str, Sequence[Any]]:
        """Return the cells of each column of the schema."""
        given = {self._column(name): values for name, values in cells.items()}
        if len(given) < len(cells):
            raise InputError(f"a column is given twice: {', '.join(sorted(cells))}")
        for name, values in given.items():
            if len(values) != rows:
                raise InputError(
                    f"column {name!r} has {len(values)} values, and another one {rows}"
                )
        for column in self.schema.columns:
            if column.name not in given:
                if not column.missing:
                    raise InputError(
                        f"column {column.name!r} is not in the request; it was never"
                        " missing in the training. If it is not known, send null"
                    )
                given[column.name] = [None] * rows
        return {name: given[name] for name in self.schema.names}

    def _column(self, name: str) -> str:
        """Return the column that a request means by a name."""
        if name in self.columns:
            return self.columns[name]
        names = self.schema.names
        unused = [column.name for column in self.schema.left_out]
        if (
            name in names
            or name in unused
            or name == getattr(self.schema.target, "name", "")
        ):
            return name
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"the network has no column {name!r}{hint}")

    def _example(self) -> str:
        inputs = list(self.columns.items())
        row = {
            name: _usual(self.schema.column(column)) for name, column in inputs[:_MAX_SHOWN]
        }
        text = json.dumps(row, ensure_ascii=False)
        return text if len(inputs) <= _MAX_SHOWN else f"{text[:-1]}, ...}}"


def read_table_inputs(folder: Path, signatures: Mapping[str, Any]) -> TableInputs | None:
    """Return the inputs of a table's network; None for any other SavedModel.

    Args:
        folder: of the version.
        signatures: of its graph.
    """
    try:
        manifest = read_manifest(folder)
        schema = Schema.from_dict(manifest["schema"])
        columns = {name: one["column"] for name, one in manifest["inputs"].items()}
    except (InputError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    signature = signatures.get(DEFAULT_SIGNATURE)
    if signature is None or signature.inputs.keys() != columns.keys():
        return None
    if set(columns.values()) != set(schema.names):
        return None
    options = {
        key: [name for name in one.inputs if name not in columns]
        for key, one in signatures.items()
        if columns.keys() <= one.inputs.keys()
    }
    return TableInputs(schema, columns, options)


def _counted_texts(name: str, column: Column, limits: ColumnLimits) -> Iterator[TextColumn]:
    """Yield a column of texts, if its cells can be unlike those of the training."""
    levels, missing = limits.levels, {*MISSING_TEXTS, *column.missing_texts, ""}
    truths = {truth_of(level) for level in levels or ()} - {None}

    def judge(cell: bytes) -> Reason | None:
        text = text_of(cell.decode("utf-8", "replace").strip())
        if text in missing:
            return None if limits.was_missing else "missing"
        if levels is None or text in levels:
            return None
        is_truth = column.kind == "boolean" and truth_of(text) in truths
        return None if is_truth else "unseen"

    if levels is not None or not limits.was_missing:
        usual = None if levels is None else {level.encode() for level in levels}
        if usual is not None and limits.was_missing:
            usual.add(b"")
        yield TextColumn(
            name,
            column.name,
            None if usual is None else frozenset(usual),
            frozenset(text.encode() for text in missing),
            judge,
        )


def _option(name: str, cells: Sequence[Any] | None, rows: int) -> NDArray[np.float64]:
    """Return [rows] values of an option, NaN where the request does not set it.

    Raises:
        InputError: one is no number.
    """
    cells = [None] * rows if cells is None else cells
    wrong = [cell for cell in cells if not (cell is None or _is_number(cell))]
    if wrong or len(cells) != rows:
        got = repr(wrong[0]) if wrong else f"{len(cells)} values for {rows} rows"
        raise InputError(f"{name} must be a number for each row, or left out; got {got}")
    return np.array([math.nan if cell is None else cell for cell in cells], np.float64)


def _cells(document: Mapping[str, Any]) -> dict[str, list[Any]] | None:
    """Return the cells of each column by the name in the request, None where left out."""
    items, inputs = document.get("instances"), document.get("inputs")
    if type(items) is list and items and all(type(item) is dict for item in items):
        names = dict.fromkeys(name for item in items for name in item)
        found = {name: [item.get(name) for item in items] for name in names}
    elif type(inputs) is dict and all(type(c) is list for c in inputs.values()):
        found = dict(inputs)
    else:
        return None
    plain = all(type(cell) in _CELLS for cells in found.values() for cell in cells)
    return found if plain and found else None


def _is_number(cell: Any) -> bool:
    return type(cell) is float or (type(cell) is int and abs(cell) < 2**63)


def _usual(column: Column) -> Any:
    """Return a value as a request should send it."""
    if column.kind == "numeric":
        return column.low or 0.0
    if column.kind == "datetime":
        return column.first or "2000-01-01"
    return column.levels[0] if column.levels else "some text"
