"""The inputs of a Keras model for a table: all columns as a matrix, or columns by name."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from kerasnn.errors import InputError

RESERVED = ("y", "sample_weight")  # the names of targets and weights in rows on disk


class ModelInput(NamedTuple):
    """An input of a model.

    Attributes:
        name: its name in the rows; that of the column if the input is one column.
        dtype: NumPy's name.
        flat: whether its shape is [rows], not [rows, columns].
    """

    name: str
    dtype: str
    flat: bool


def matrix_input(model: keras.Model, columns: Sequence[str], file: str) -> ModelInput:
    """Return the one input of a model that takes all columns.

    Args:
        model: has one input, or does not know its inputs yet.
        columns: for the input.
        file: holds the columns.

    Raises:
        InputError: the model takes another number of columns.
    """
    tensors = _inputs(model)
    shape = list(tensors[0].shape[1:]) if tensors else [None]
    flat = not shape
    if shape not in ([None], [len(columns)]) and not (flat and len(columns) == 1):
        names = columns if len(columns) < 9 else [*columns[:3], "...", columns[-1]]
        raise InputError(
            f"{file}: has {len(columns)} columns for the model, {', '.join(names)}; it"
            f" takes {_formatted_shape(shape)}. y= and sample_weight= name the columns that"
            " are not inputs; a model with several inputs takes columns by name"
        )
    return ModelInput("x", _dtype(tensors[0]) if tensors else "float32", flat)


def named_inputs(model: keras.Model) -> list[ModelInput]:
    """Return the inputs of a model that has several, else [].

    Raises:
        InputError: an input is not one column, or has the name of a target or weight.
    """
    tensors = _inputs(model)
    if len(tensors) == 1 and isinstance(getattr(model, "input", None), dict):
        raise InputError(
            f"the model takes a dict of one input, {tensors[0].name!r}; for a table make"
            " it with the input itself: keras.Model(input, output)"
        )
    if len(tensors) < 2:
        return []
    for tensor in tensors:
        if tensor.name in RESERVED:
            raise InputError(
                f"the model has an input {tensor.name!r}, which is the name of the target"
                " or weight in rows on disk; it needs another name"
            )
        shape = list(tensor.shape[1:])
        if shape not in ([], [1], [None]):
            raise InputError(
                f"the model's input {tensor.name!r} is {_formatted_shape(shape)}; a column"
                " of a table is [rows, 1] or [rows]"
            )
    return [ModelInput(t.name, _dtype(t), len(t.shape) == 1) for t in tensors]


def _inputs(model: keras.Model) -> list[Any]:
    """Return the inputs of a functional or sequential model; others do not know them."""
    return getattr(model, "inputs", None) or []


def _dtype(tensor: Any) -> str:
    """Return NumPy's type for an input; Keras casts floats.

    Raises:
        InputError: the input takes text.
    """
    if tensor.dtype == "string":
        raise InputError(
            f"the model's input {tensor.name!r} takes text; rows of a path are numbers."
            " `kerasnn train` prepares any table"
        )
    return "float32" if "float" in tensor.dtype else str(tensor.dtype)


def _formatted_shape(shape: Sequence[int | None]) -> str:
    return f"[{', '.join(map(str, ['rows', *shape]))}]"
