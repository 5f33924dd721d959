"""Tables of numbers written as shards: columns of files become the arrays of a fit.

Nothing is preprocessed here: text, dates and missing values are errors that name file,
column and row. The caller decides which columns a network takes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.cells.parsing import plain_numbers
from kerasnn.datasets.files.plain_columns import column_numbers
from kerasnn.datasets.files.table_files import (
    TableFiles,
    file_chunks,
    file_digest,
    holds_text,
)
from kerasnn.datasets.names import check_names
from kerasnn.datasets.shards.shards import Shards, write_shards
from kerasnn.errors import InputError

_BLOCK = 32_768  # rows that are read from a file at once
_BOOLEANS = {"false": False, "true": True}
_FOR_INPUT = "`kerasnn train` prepares any table, or fill, encode or leave out the column"
_FOR_TARGET = "`kerasnn train` prepares any target, or give classes as whole numbers"


@dataclass(frozen=True)
class InputArray:
    """An input of a network that consists of columns.

    Attributes:
        name: of the array in the shards.
        columns: of the table.
        dtype: its NumPy name.
        flat: True for [rows] of one column; False for [rows, columns].
    """

    name: str
    columns: tuple[str, ...]
    dtype: str = "float32"
    flat: bool = False


@dataclass(frozen=True)
class NumberRows:
    """The columns of a table that become inputs, target and sample weights.

    Attributes:
        files: of the table.
        inputs: arrays made of the columns.
        target: the column of `y`: int64 for whole numbers and booleans, else float32.
        weight: the column of `sample_weight`, float32.
    """

    files: TableFiles
    inputs: tuple[InputArray, ...]
    target: str | None = None
    weight: str | None = None

    def write(self, folder: Path, notes: Mapping[str, Any]) -> Shards:
        """Write the rows as shards.

        Raises:
            InputError: a cell is not a number, a column or file is missing, or the disk
                cannot take the shards; nothing is left behind.
        """
        try:
            return write_shards(self._blocks(whole=True), folder, notes=notes)
        except _NotWholeError:  # the target began with whole numbers: start again
            return write_shards(self._blocks(whole=False), folder, notes=notes)

    def described(self) -> dict[str, Any]:
        """Return the columns, and name, size and SHA-256 of each file, as JSON values.

        Raises:
            InputError: a file cannot be read.
        """
        digests = {self.files.name(file): file_digest(file) for file in self.files}
        return {
            "files": {n: [size, f"sha256:{d.hex()}"] for n, (size, d) in digests.items()},
            "inputs": {
                array.name: [list(array.columns), array.dtype, array.flat]
                for array in self.inputs
            },
            "target": self.target,
            "weight": self.weight,
        }

    def _blocks(self, *, whole: bool) -> Iterator[dict[str, NDArray[Any]]]:
        current, first_row, n_rows = None, 0, 0
        is_text = holds_text(self.files[0])
        for file, chunk in file_chunks(self.files, _BLOCK):
            first_row = 0 if file != current else first_row
            current = file
            if len(chunk):
                yield self._arrays(
                    _Chunk(file, chunk, first_row, self.target, is_text), whole
                )
            first_row += len(chunk)
            n_rows += len(chunk)
        if not n_rows:
            others = " and the others" if len(self.files) > 1 else ""
            raise InputError(f"{self.files[0]}{others}: there are no rows")

    def _arrays(self, chunk: "_Chunk", whole: bool) -> dict[str, NDArray[Any]]:
        arrays = {}
        for array in self.inputs:
            columns = [chunk.column(name, array.dtype) for name in array.columns]
            arrays[array.name] = columns[0] if array.flat else np.stack(columns, axis=1)
        if self.target is not None:
            arrays["y"] = chunk.labels(self.target) if whole else chunk.column(self.target)
        if self.weight is not None:
            arrays["sample_weight"] = chunk.column(self.weight)
        return arrays


def check_columns(wanted: Sequence[str], present: Sequence[str], file: Path) -> None:
    """Check that a file has certain columns.

    Raises:
        InputError: a column is missing; the message names the file.
    """
    try:
        check_names(wanted, present)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


class _NotWholeError(Exception):
    """A target in which other values follow whole numbers."""


@dataclass(frozen=True)
class _Chunk:
    """Some rows of a file, parsed as numbers column by column."""

    file: Path
    table: pd.DataFrame
    first_row: int
    target: str | None
    is_text: bool

    def column(self, name: str, dtype: str = "float32") -> NDArray[Any]:
        """Return a column of this dtype, which must represent all its values."""
        values = self._numbers(name)
        with np.errstate(over="ignore", invalid="ignore"):
            cast = values.astype(dtype)
        is_float = cast.dtype.kind == "f"  # which may lose the last digits
        wrong = ~np.isfinite(cast) if is_float else cast != values
        if wrong.any():
            row = int(wrong.argmax())
            raise self._error(name, row, f"{values[row]!s}, which {dtype} cannot hold")
        return cast

    def labels(self, name: str) -> NDArray[np.int64]:
        """Return a column of whole numbers or booleans."""
        series = self.table[name]
        if self.is_text:
            texts = [text.strip().casefold() for text in series.dropna()]
            whole = all(t.lstrip("+-").isdecimal() or t in _BOOLEANS for t in texts)
        else:
            whole = series.dtype.kind in "iub"
        if not whole:
            self._numbers(name)  # raises for text
            raise _NotWholeError
        return self.column(name, "int64")

    def _numbers(self, name: str) -> NDArray[Any]:
        """Return all values of a column, in any numeric dtype."""
        series = self.table[name]
        missing = series.isna().to_numpy()
        if missing.any():
            raise self._error(name, int(missing.argmax()), "missing")
        parsed = (_from_texts if self.is_text else _from_arrow)(series)
        if parsed is not None:
            return parsed
        row = int(np.argmin([_is_number(cell) for cell in series]))
        cell = series.iloc[row]
        raise self._error(name, row, repr(cell if isinstance(cell, str) else str(cell)))

    def _error(self, name: str, row: int, found: str) -> InputError:
        return InputError(
            f"{self.file}: column {name!r} must hold numbers; row"
            f" {self.first_row + row} is {found};"
            f" {_FOR_TARGET if name == self.target else _FOR_INPUT}"
        )


def _from_texts(series: pd.Series) -> NDArray[Any] | None:
    parsed = column_numbers(series)
    if parsed is None:
        found = [_BOOLEANS.get(text.strip().casefold()) for text in series]
        parsed = None if None in found else np.array(found, dtype=bool)
    return parsed


def _from_arrow(series: pd.Series) -> NDArray[Any] | None:
    if pd.api.types.is_bool_dtype(series):
        return series.to_numpy(dtype=bool)
    if pd.api.types.is_integer_dtype(series):
        return series.to_numpy(dtype=np.dtype(str(series.dtype).lower()))
    if pd.api.types.is_float_dtype(series):
        return series.to_numpy(dtype=np.float64)
    if pd.api.types.infer_dtype(series) == "decimal":
        return series.to_numpy().astype(np.float64)
    return None


def _is_number(cell: Any) -> bool:
    if isinstance(cell, str):
        return plain_numbers([cell]) is not None
    return isinstance(cell, (int, float, np.number))
