"""Mapping of a table's columns to the inputs of a served model."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kerasnn.choices import ColumnKind
from kerasnn.datasets import Column, Schema, input_names, raw_columns
from kerasnn.datasets.names import check_names
from kerasnn.datasets.schema.checking import warned_table
from kerasnn.errors import InputError, list_names
from kerasnn.serving.client.signature import RemoteSignature, RemoteTensor

_FLOATS = {"DT_FLOAT": np.float32, "DT_DOUBLE": np.float64}
_WHOLE = re.compile(r"DT_U?INT(?:8|16|32|64)")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True)
class InputMapping:
    """The mapping of a table's columns to the inputs of a request.

    Attributes:
        schema: of the table's columns.
        inputs: of the model, by name.
        columns: of each input, by its name: one, or as many as its width.
        missing: whether numbers may be missing; they become NaN.
    """

    schema: Schema
    inputs: Mapping[str, RemoteTensor]
    columns: Mapping[str, tuple[str, ...]]
    missing: bool

    def values(self, table: pd.DataFrame) -> dict[str, Any]:
        """Return the rows as JSON values, a list for each input.

        Raises:
            InputError: a column is missing, or a cell does not fit the input.
        """
        raw = raw_columns(warned_table(table, self.schema))
        return {
            name: self._input(tensor, {c: raw[c] for c in self.columns[name]})
            for name, tensor in self.inputs.items()
        }

    def _input(
        self, tensor: RemoteTensor, columns: Mapping[str, NDArray[Any]]
    ) -> list[Any]:
        lists = [self._cells(tensor, name, column) for name, column in columns.items()]
        if tensor.shape is None or len(tensor.shape) == 1:
            return lists[0]
        return [list(row) for row in zip(*lists, strict=True)]

    def _cells(self, tensor: RemoteTensor, name: str, column: NDArray[Any]) -> list[Any]:
        if tensor.dtype in _FLOATS:
            return _floats(name, column, _FLOATS[tensor.dtype], missing=self.missing)
        texts = [text.decode() for text in column]
        if tensor.dtype == "DT_STRING":
            return texts
        if _WHOLE.fullmatch(tensor.dtype):
            return _each(name, texts, _whole, "a whole number")
        if tensor.dtype == "DT_BOOL":
            return _each(name, texts, _boolean, "true or false")
        raise InputError(
            f"the model's input {tensor} is of a type that JSON does not carry"
        )


def mapping_from_manifest(
    signature: RemoteSignature, manifest: Mapping[str, Any]
) -> InputMapping:
    """Return the mapping of a model with a manifest: columns by name, kinds by schema.

    Raises:
        InputError: the manifest's schema cannot be read.
        KeyError: the manifest is not that of the signature.
    """
    described = {name: manifest["inputs"][name] for name in signature.inputs}
    if "schema" in manifest:
        schema = Schema.from_dict(manifest["schema"])
        columns: dict[str, tuple[str, ...]] = {
            name: (one["column"],) for name, one in described.items()
        }
        return InputMapping(schema, signature.inputs, columns, missing=True)
    lists = {name: tuple(one["columns"]) for name, one in described.items()}
    every = tuple(Column(c, "numeric") for names in lists.values() for c in names)
    return InputMapping(Schema(every), signature.inputs, lists, missing=False)


def mapping_from_signature(
    signature: RemoteSignature, present: Sequence[str]
) -> InputMapping:
    """Return the mapping of a model without a manifest.

    An input of one value a row takes the column of its name, changed as `input_names` does.
    An input of n values takes the n columns of the table in their order.

    Args:
        signature: of the model.
        present: the names of the table's columns.

    Raises:
        InputError: a column is missing, or the inputs have another form.
    """
    inputs = signature.inputs
    widths = {name: _width(tensor) for name, tensor in inputs.items()}
    columns: dict[str, tuple[str, ...]]
    if all(width == 1 for width in widths.values()):
        columns = {n: (c,) for n, c in _by_name(list(inputs), present).items()}
    elif len(inputs) == 1:
        ((name, width),) = widths.items()
        _check_count(width, present)
        columns = {name: tuple(present)}
    else:
        raise InputError(
            "of several inputs each must take one value a row; the model's are"
            f" {', '.join(map(str, inputs.values()))}"
        )
    schema = Schema(
        tuple(Column(c, _kind(inputs[n])) for n, names in columns.items() for c in names)
    )
    one_each = all(len(names) == 1 for names in columns.values())
    return InputMapping(schema, inputs, columns, missing=one_each)


def _kind(tensor: RemoteTensor) -> ColumnKind:
    # Whole numbers are text, which loses no digit.
    return "numeric" if tensor.dtype in _FLOATS else "categorical"


def _width(tensor: RemoteTensor) -> int | None:
    """Return the number of values of a row; None for any number."""
    if tensor.shape is None or len(tensor.shape) == 1:
        return 1
    if len(tensor.shape) == 2:
        return None if tensor.shape[1] == -1 else tensor.shape[1]
    raise InputError(
        f"the model's input {tensor} does not take the columns of a table: those are one"
        " value a row, or a list of them"
    )


def _check_count(width: int | None, present: Sequence[str]) -> None:
    if width is not None and len(present) != width:
        raise InputError(
            f"the model takes {width} numbers a row, and its server does not tell their"
            f" names: the table must have these {width} columns alone, in the order of the"
            f" training; it has {len(present)}: {list_names(present)}"
        )


def _by_name(inputs: Sequence[str], present: Sequence[str]) -> dict[str, str]:
    """Return the column of each input: by the same name, or by its changed name."""
    found = {name: name for name in inputs if name in present}
    for name in inputs:
        if name not in found:
            free = [column for column in present if column not in found.values()]
            column = _meant(name, free)
            if column is not None:
                found[name] = column
    check_names([name for name in inputs if name not in found], present)
    return found


def _meant(name: str, columns: Sequence[str]) -> str | None:
    """Return the column whose name, changed as `input_names` does, is the input's."""
    numbered = re.fullmatch(r"(.+)_[0-9]+", name)
    possible = {name, numbered[1]} if numbered else {name}
    meant = [column for column in columns if _changed(column) in possible]
    if len(meant) > 1:
        raise InputError(
            f"the model's input {name!r} may take any of the columns"
            f" {', '.join(map(repr, meant))}: name the right one {name!r}"
        )
    return meant[0] if meant else None


def _changed(column: str) -> str:
    """Return the input's name for a column, if it were the only one."""
    return input_names([column])[column]


def _floats(
    name: str, column: NDArray[np.float64], dtype: type, *, missing: bool
) -> list[float]:
    with np.errstate(over="ignore"):
        infinite = np.isinf(column.astype(dtype))
    if infinite.any():
        row = int(np.argmax(infinite))
        raise InputError(
            f"column {name!r}, row {row}: {column[row]} is not finite in"
            f" {np.dtype(dtype).name}"
        )
    if not missing and np.isnan(column).any():
        row = int(np.argmax(np.isnan(column)))
        raise InputError(
            f"column {name!r}, row {row}: the value is missing, and the model accepts no"
            " missing values"
        )
    return column.tolist()


def _each(
    name: str, texts: Sequence[str], read: Callable[[str], Any], what: str
) -> list[Any]:
    values = []
    for row, text in enumerate(texts):
        try:
            values.append(read(text))
        except (ValueError, KeyError):
            shown = repr(text) if text else "a missing value"
            raise InputError(
                f"column {name!r}, row {row}: {shown} is not {what}, which the model takes"
            ) from None
    return values


def _whole(text: str) -> int:
    if re.fullmatch(r"[+-]?[0-9]+", text) is None:
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    return _BOOLEANS[text.lower()]
