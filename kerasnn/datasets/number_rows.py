"""Tables of numbers on their way into shards: the columns of files as arrays of a fit.

Nothing is prepared here: text, dates and missing values are errors that name file, column
and row. Which columns a network takes, and as what, is left to whoever asks.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.datasets.names import check_names
from kerasnn.datasets.readings import plain_numbers
from kerasnn.datasets.shards import Shards, write_shards
from kerasnn.datasets.table_files import file_chunks, is_csv
from kerasnn.errors import InputError

_BLOCK = 32_768  # rows taken from a file at a time
_BOOLEANS = {"false": False, "true": True}
_FOR_INPUT = "`kerasnn train` prepares any table, or fill, encode or leave out the column"
_FOR_TARGET = "`kerasnn train` prepares any target, or give classes as whole numbers"


@dataclass(frozen=True)
class InputArray:
    """An input of a network that is made of columns.

    Attributes:
        name: of the array in the shards.
        columns: of the table.
        dtype: NumPy's name of it.
        flat: [rows], of one column; else [rows, columns].
    """

    name: str
    columns: tuple[str, ...]
    dtype: str = "float32"
    flat: bool = False


@dataclass(frozen=True)
class NumberRows:
    """What of a table is taken.

    Attributes:
        files: of the table.
        inputs: the arrays it becomes.
        target: the column that becomes `y`: int64 if it is of whole numbers or booleans,
            else float32.
        weight: the column that becomes `sample_weight`, float32.
    """

    files: tuple[Path, ...]
    inputs: tuple[InputArray, ...]
    target: str | None = None
    weight: str | None = None

    def write(self, folder: Path, notes: Mapping[str, Any]) -> Shards:
        """Write the rows as shards.

        Raises:
            InputError: a cell is not a number, a column or file is not there, or the disk
                does not take the shards; nothing is left behind.
        """
        try:
            return write_shards(self._blocks(whole=True), folder, notes=notes)
        except _NotWholeError:  # a target that begins like labels: once more from the start
            return write_shards(self._blocks(whole=False), folder, notes=notes)

    def described(self) -> dict[str, Any]:
        """As JSON: the columns, and of each file name, size and SHA-256.

        Raises:
            InputError: a file cannot be read.
        """
        return {
            "files": {file.name: _fingerprint(file) for file in self.files},
            "inputs": {
                array.name: [list(array.columns), array.dtype, array.flat]
                for array in self.inputs
            },
            "target": self.target,
            "weight": self.weight,
        }

    def _blocks(self, *, whole: bool) -> Iterator[dict[str, NDArray[Any]]]:
        current, first_row, n_rows = None, 0, 0
        for file, chunk in file_chunks(self.files, _BLOCK):
            first_row = 0 if file != current else first_row
            current = file
            if len(chunk):
                yield self._arrays(_Cells(file, chunk, first_row, self.target), whole)
            first_row += len(chunk)
            n_rows += len(chunk)
        if not n_rows:
            others = " and the others" if len(self.files) > 1 else ""
            raise InputError(f"{self.files[0]}{others}: there are no rows")

    def _arrays(self, cells: "_Cells", whole: bool) -> dict[str, NDArray[Any]]:
        arrays = {}
        for array in self.inputs:
            columns = [cells.column(name, array.dtype) for name in array.columns]
            arrays[array.name] = columns[0] if array.flat else np.stack(columns, axis=1)
        if self.target is not None:
            arrays["y"] = cells.labels(self.target) if whole else cells.column(self.target)
        if self.weight is not None:
            arrays["sample_weight"] = cells.column(self.weight)
        return arrays


def column_names(files: Sequence[Path]) -> list[str]:
    """Of the first file.

    Raises:
        InputError: it cannot be read.
    """
    for _, chunk in file_chunks(files[:1], 1):
        return list(chunk.columns)
    return []  # a file without rows still gives a chunk


def check_columns(wanted: Sequence[str], present: Sequence[str], file: Path) -> None:
    """The file has these columns.

    Raises:
        InputError: it has not; the message names it.
    """
    try:
        check_names(wanted, present)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


class _NotWholeError(Exception):
    """A target of whole numbers goes on with others."""


@dataclass(frozen=True)
class _Cells:
    """Some rows of a file, read as numbers column by column."""

    file: Path
    table: pd.DataFrame
    first_row: int
    target: str | None

    def column(self, name: str, dtype: str = "float32") -> NDArray[Any]:
        """A column of this type, which holds all its values."""
        values = self._numbers(name)
        with np.errstate(over="ignore", invalid="ignore"):
            cast = values.astype(dtype)
        is_float = cast.dtype.kind == "f"  # which need not hold the last digit
        wrong = ~np.isfinite(cast) if is_float else cast != values
        if wrong.any():
            row = int(wrong.argmax())
            raise self._error(name, row, f"{values[row]!s}, which {dtype} cannot hold")
        return cast

    def labels(self, name: str) -> NDArray[np.int64]:
        """A column of whole numbers or booleans."""
        series = self.table[name]
        if is_csv(self.file):
            texts = [text.strip().casefold() for text in series if text is not None]
            whole = all(t.lstrip("+-").isdecimal() or t in _BOOLEANS for t in texts)
        else:
            whole = series.dtype.kind in "iub"
        if not whole:
            self._numbers(name)  # text is told as such
            raise _NotWholeError
        return self.column(name, "int64")

    def _numbers(self, name: str) -> NDArray[Any]:
        """All values of a column, of any type of numbers."""
        series = self.table[name]
        missing = series.isna().to_numpy()
        if missing.any():
            raise self._error(name, int(missing.argmax()), "missing")
        read = (_of_texts if is_csv(self.file) else _of_arrow)(series)
        if read is not None:
            return read
        row = int(np.argmin([_is_number(cell) for cell in series]))
        cell = series.iloc[row]
        raise self._error(name, row, repr(cell if isinstance(cell, str) else str(cell)))

    def _error(self, name: str, row: int, told: str) -> InputError:
        return InputError(
            f"{self.file}: column {name!r} must hold numbers; row"
            f" {self.first_row + row} is {told};"
            f" {_FOR_TARGET if name == self.target else _FOR_INPUT}"
        )


def _of_texts(series: pd.Series) -> NDArray[Any] | None:
    read = plain_numbers(series.tolist())
    if read is None:
        found = [_BOOLEANS.get(text.strip().casefold()) for text in series]
        read = None if None in found else np.array(found, dtype=bool)
    return read


def _of_arrow(series: pd.Series) -> NDArray[Any] | None:
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


def _fingerprint(file: Path) -> list[Any]:
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
            return [opened.tell(), f"sha256:{digest}"]
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
