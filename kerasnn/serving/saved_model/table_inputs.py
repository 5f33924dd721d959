"""Requests for a table's network that are not written as its signature demands.

The manifest of an export has the schema of its table. With it cells are read as
`kerasnn predict` reads those of a file: `null`, a column that may be left out, a number or
boolean as text, a boolean in a column of numbers. A request that the signature takes as it
is, and whose cells the graph reads, needs none of this.
"""

import json
import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from kerasnn.manifest import DEFAULT_SIGNATURE, MANIFEST, read_manifest
from kerasnn.serving.errors import invalid
from kerasnn.serving.saved_model.cell_counts import (
    CellCounts,
    NumberColumn,
    Reason,
    TextColumn,
)
from kerasnn.serving.saved_model.plain_cells import PlainCells, check_truths
from kerasnn.serving.saved_model.table_cells import (
    Cells,
    ColumnNames,
    cells_of_columns,
    cells_of_rows,
)

_MAX_SHOWN = 12  # columns of the row that a message shows
_IGNORED = "The manifest is ignored: requests are read by the signatures alone"
_log = logging.getLogger("kerasnn.serving")


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
        try:
            cells = self._cells(document, self.options[signature])
            if not cells:
                return None
            rows = max(map(len, cells.values()))
            given = {name: cells.pop(name, None) for name in self.options[signature]}
            options = {name: _option(name, one, rows) for name, one in given.items()}
            table = pd.DataFrame(self._columns(cells, rows), dtype=object)
            raw = raw_columns(check_rows(table, self.schema, strict=True).rows)
            for column in self.schema.columns:
                check_truths(column.name, column, raw[column.name])
        except InputError as error:
            raise invalid(f"{_sentence(error)} {self._example()}") from None
        return {**{name: raw[c] for name, c in self.columns.items()}, **options}

    def are_plain(
        self, document: Mapping[str, Any], inputs: Mapping[str, NDArray[Any]]
    ) -> bool:
        """Return whether the graph reads a request as it is meant.

        Args:
            document: the request; with names that are no inputs it is left to `read`.
            inputs: as the signature takes them.
        """
        named = document.get("inputs")
        if type(named) is dict and not named.keys() <= inputs.keys():
            return False
        return self._plain.are_all(inputs)

    def as_meant(
        self, inputs: Mapping[str, NDArray[Any]], signature: str
    ) -> Mapping[str, NDArray[Any]]:
        """Return arrays that the graph reads as they are meant.

        Args:
            inputs: as the signature takes them.
            signature: one of `options`.

        Raises:
            ServingError: as `read`.
        """
        if self.are_plain({}, inputs):
            return inputs
        cells = {name: _json_cells(array) for name, array in inputs.items()}
        return self.read({"inputs": cells}, signature) or inputs

    def feature_names(self, names: Collection[str], row: int) -> dict[str, str]:
        """Return the input of each feature of a tf.Example that the network reads.

        Args:
            names: of the features.
            row: of the example in its request, for messages.

        Raises:
            ServingError: INVALID_ARGUMENT, a feature is unknown or given twice.
        """
        try:
            return self._names.features(names, row)
        except InputError as error:
            raise invalid(f"{_sentence(error)} {self._example()}") from None

    @cached_property
    def _names(self) -> ColumnNames:
        return ColumnNames(self.schema, self.columns)

    @cached_property
    def _plain(self) -> PlainCells:
        return PlainCells(self.schema, self.columns)

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

    def _cells(self, document: Mapping[str, Any], options: Sequence[str]) -> Cells | None:
        """Return the cells of a request by column; None if it is no table."""
        items, inputs = document.get("instances"), document.get("inputs")
        if type(items) is list and all(type(item) is dict for item in items):
            return cells_of_rows(items, self._names, options)
        if type(inputs) is dict and all(type(c) is list for c in inputs.values()):
            return cells_of_columns(inputs, self._names, options)
        return None

    def _columns(self, given: Cells, rows: int) -> Cells:
        """Return the cells of each column of the schema, missing where left out."""
        for column in self.schema.columns:
            if column.name not in given:
                if not column.missing:
                    raise InputError(
                        f"column {column.name!r} is not in the request; it was never"
                        " missing in the training. If it is not known, send null"
                    )
                given[column.name] = [None] * rows
        return {name: given[name] for name in self.schema.names}

    def _example(self) -> str:
        inputs = list(self.columns.items())
        row = {
            name: _usual(self.schema.column(column)) for name, column in inputs[:_MAX_SHOWN]
        }
        text = json.dumps(row, ensure_ascii=False)
        return text if len(inputs) <= _MAX_SHOWN else f"{text[:-1]}, ...}}"


def read_table_inputs(folder: Path, signatures: Mapping[str, Any]) -> TableInputs | None:
    """Return the inputs of a table's network; None for any other SavedModel.

    A damaged manifest is logged: its network is served by its signatures alone.

    Args:
        folder: of the version.
        signatures: of its graph.
    """
    try:
        manifest = read_manifest(folder)
        if "schema" not in manifest:
            return None
        schema = Schema.from_dict(manifest["schema"])
        columns = {name: one["column"] for name, one in manifest["inputs"].items()}
    except (InputError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = error if isinstance(error, InputError) else f"it is damaged: {error!r}"
        _log.warning("%s: %s. %s", folder / MANIFEST, why, _IGNORED)
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


def _json_cells(array: NDArray[Any]) -> list[Any]:
    """Return the cells of a column as JSON would hold them."""
    if array.dtype != object:
        return array.tolist()
    return [cell.decode("utf-8", "replace") for cell in array.tolist()]


def _sentence(error: InputError) -> str:
    """Return an error as a sentence, and the beginning of the next one."""
    end = "" if str(error).endswith(("?", ".")) else "."
    return f"{error}{end} A row looks like this:"


def _is_number(cell: Any) -> bool:
    return type(cell) is float or (type(cell) is int and abs(cell) < 2**63)


def _usual(column: Column) -> Any:
    """Return a value as a request should send it."""
    if column.kind == "numeric":
        return column.low or 0.0
    if column.kind == "datetime":
        return column.first or "2000-01-01"
    return column.levels[0] if column.levels else "some text"
