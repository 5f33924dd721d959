"""Conversion of JSON responses to arrays of the model's types."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.errors import ServerError
from kerasnn.serving.client.signature import RemoteTensor

_DTYPES: dict[str, Any] = {
    "DT_FLOAT": np.float32,
    "DT_DOUBLE": np.float64,
    "DT_INT8": np.int8,
    "DT_INT16": np.int16,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_UINT16": np.uint16,
    "DT_UINT32": np.uint32,
    "DT_UINT64": np.uint64,
    "DT_BOOL": np.bool_,
    "DT_STRING": object,
}


def read_outputs(
    answer: Any, outputs: Mapping[str, RemoteTensor], rows: int
) -> dict[str, NDArray[Any]]:
    """Return the named outputs for the rows of a request.

    Args:
        answer: the server's response in column form.
        outputs: of the signature.
        rows: number of rows of the request.

    Returns:
        [rows, ...] for each output; a float32 as the model computed it.

    Raises:
        ServerError: the answer does not have a value, or list of values, for each row.
    """
    try:
        given = answer["outputs"]
        if len(outputs) == 1:  # its name is left out
            given = {next(iter(outputs)): given}
        arrays = {name: _array(given[name], tensor) for name, tensor in outputs.items()}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ServerError(
            f"the server's answer is not of the model's form: {type(error).__name__}:"
            f" {error}"
        ) from None
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != rows:
            raise ServerError(
                f"the model does not answer row by row: {name!r} is {list(array.shape)} for"
                f" {rows} rows"
            )
    return arrays


def _array(values: Any, tensor: RemoteTensor) -> NDArray[Any]:
    if tensor.dtype == "DT_STRING":
        return np.array(_texts(values), dtype=object)
    return np.array(values, dtype=_DTYPES.get(tensor.dtype))


def _texts(values: Any) -> Any:
    if isinstance(values, list):
        return [_texts(value) for value in values]
    if isinstance(values, Mapping):
        return base64.b64decode(values["b64"]).decode(errors="backslashreplace")
    return values
