"""The JSON of answers.

Finite numbers are written by a fast library, a float by the shortest text that reads back
as the same float; NaN and the infinities stand bare, as TensorFlow Serving writes them.
Text that is not UTF-8 has its bad bytes replaced: TensorFlow Serving would write JSON that
nobody can read. Outputs whose names end in `_bytes` are base64.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.serving.examples import Classes
from kerasnn.serving.json_in import B64
from kerasnn.serving.statuses import invalid
from kerasnn.serving.tensors import dtype_name

BYTES_SUFFIX = "_bytes"
_WRITTEN = {np.dtype(name) for name in ("f4", "f8", "i1", "i2", "i4", "i8")} | {
    np.dtype(name) for name in ("u1", "u4", "u8", "?")
}
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY

Arrays = Mapping[str, NDArray[Any]]


def predictions(outputs: Arrays) -> bytes:
    """The answer to a request in row form: an item for each row.

    Raises:
        ServingError: INVALID_ARGUMENT, an output has no rows, or a type without a form.
    """
    _check_batch(outputs)
    if len(outputs) == 1:
        (name, array), *_ = outputs.items()
        return _text({"predictions": _writable(name, array)}, outputs)
    columns = [_rows_of(_writable(name, array)) for name, array in outputs.items()]
    names = list(outputs)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return _text({"predictions": rows}, outputs)


def columns(outputs: Arrays) -> bytes:
    """The answer to a request in column form: each output as it is.

    Raises:
        ServingError: INVALID_ARGUMENT, an output has a type without a form.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    values = {name: _writable(name, array) for name, array in outputs.items()}
    content = next(iter(values.values())) if len(values) == 1 else values
    return _text({"outputs": content}, outputs)


def classifications(classes: Classes) -> bytes:
    """The answer to Classify: for each example its labels with their scores."""
    labels, scores = classes.labels, classes.scores
    shape = (labels if labels is not None else scores).shape  # type: ignore[union-attr]
    if labels is None:
        labels = np.full(shape, b"", object)
    if scores is None:
        scores = np.zeros(shape, np.float32)
    results = [
        [[_utf8(label), score] for label, score in zip(*row, strict=True)]
        for row in zip(labels, scores, strict=True)
    ]
    return _text({"results": results}, {"scores": scores})


def regressions(values: NDArray[np.float32]) -> bytes:
    """The answer to Regress: a value for each example."""
    return _text({"results": np.ascontiguousarray(values)}, {"values": values})


def error(message: str) -> bytes:
    """The body of an answer that is an error."""
    try:
        return orjson.dumps({"error": message})
    except TypeError:  # half a surrogate pair
        return json.dumps({"error": message}).encode()


def _check_batch(outputs: Arrays) -> None:
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    size = -1
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if size >= 0 and len(array) != size:
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)}"
                f" expecting: {size}"
            )
        size = len(array)


def _writable(name: str, array: NDArray[Any]) -> Any:
    """What the library can write: an array of numbers, or lists of text.

    Raises:
        ServingError: INVALID_ARGUMENT, the type has no form in JSON.
    """
    if array.dtype == object:
        write = _base64 if name.endswith(BYTES_SUFFIX) else _utf8
        texts = np.empty(array.shape, object)
        texts.reshape(-1)[:] = [write(value) for value in array.reshape(-1)]
        return texts.tolist()
    if array.dtype not in _WRITTEN:
        kind = dtype_name(tf.as_dtype(array.dtype).as_datatype_enum)
        raise invalid(f"Failed to write JSON value for tensor type: {kind}")
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _rows_of(value: Any) -> Sequence[Any]:
    """The rows of an array or list; numbers as NumPy's own, which know their precision."""
    return list(value)


def _base64(value: bytes) -> dict[str, str]:
    return {B64: base64.b64encode(value).decode()}


def _utf8(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _text(content: Any, arrays: Arrays) -> bytes:
    if all(_is_finite(array) for array in arrays.values()):
        return orjson.dumps(content, option=_OPTIONS)
    return json.dumps(content, default=_plain, ensure_ascii=False).encode()


def _is_finite(array: NDArray[Any]) -> bool:
    # The sum is finite only if all are, and is had in one pass without a second array.
    if array.dtype.kind != "f":
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def _plain(value: Any) -> Any:
    """Arrays and numbers of NumPy as Python's, floats as short as they can be."""
    if isinstance(value, np.ndarray):
        if value.dtype == np.float32:
            texts = value.astype(str).reshape(-1)
            floats = np.array([float(text) for text in texts], object)
            return floats.reshape(value.shape).tolist()
        return value.tolist()
    return float(str(value)) if isinstance(value, np.floating) else value.item()
