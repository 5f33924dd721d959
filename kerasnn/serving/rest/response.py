"""The JSON of responses.

A fast library writes numbers; a float is the shortest text that reads back as the same
float. NaN and the infinities are bare words, as in TensorFlow Serving. Bytes that are not
UTF-8 are replaced; TensorFlow Serving would write unreadable JSON. Outputs whose names end
in `_bytes` are base64.
"""

import base64
import json
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np
import orjson
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.serving.errors import invalid
from kerasnn.serving.rest.array import B64
from kerasnn.serving.saved_model.examples import Classes
from kerasnn.serving.saved_model.signatures import NamedArrays
from kerasnn.serving.saved_model.tensors import dtype_name

BYTES_SUFFIX = "_bytes"
_WRITTEN = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u4", "u8", "b1"}  # as in dtype.str
_HALVES = (np.float16, tf.bfloat16.as_numpy_dtype)
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
LARGE_SIZE = 100_000  # numbers of an answer above this are written in a thread
_NULL = b"null"  # what the library writes for NaN and the infinities


def predictions_json(outputs: NamedArrays) -> bytes:
    """Return the response in row form: an item for each row.

    Raises:
        ServingError: INVALID_ARGUMENT, an output has no rows, or JSON lacks its type.
    """
    _check_batch(outputs)
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return _text({"predictions": _writable(name, array)})
    # Rows of NumPy's arrays are arrays and numbers that know their precision.
    columns = [list(_writable(name, array)) for name, array in outputs.items()]
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]
    return _text({"predictions": rows})


def columns_json(outputs: NamedArrays) -> bytes:
    """Return the response in column form: each output as it is.

    Raises:
        ServingError: INVALID_ARGUMENT, JSON lacks the type of an output.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    values = {name: _writable(name, array) for name, array in outputs.items()}
    return _text({"outputs": next(iter(values.values())) if len(values) == 1 else values})


def classifications_json(classes: Classes) -> bytes:
    """Return the response to Classify: pairs of label and score for each example."""
    labels, scores = classes.labels, classes.scores
    if labels is None:
        labels = np.full(scores.shape, b"", object)  # type: ignore[union-attr]
    if scores is None:
        scores = np.zeros(labels.shape, np.float32)
    texts = {label: _utf8(label) for label in set(labels.reshape(-1).tolist())}
    results = [
        list(zip(map(texts.__getitem__, row), row_scores, strict=True))
        for row, row_scores in zip(labels.tolist(), scores, strict=True)
    ]
    return _text({"results": results})


def regressions_json(values: NDArray[np.float32]) -> bytes:
    """Return the response to Regress: a value for each example."""
    return _text({"results": np.ascontiguousarray(values)})


def error_json(message: str) -> bytes:
    """Return the body of an error response."""
    try:
        return orjson.dumps({"error": message})
    except TypeError:  # half a surrogate pair
        return json.dumps({"error": message}).encode()


def _check_batch(outputs: NamedArrays) -> None:
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
    """Return values that the library can write: an array of numbers, or lists of text.

    Raises:
        ServingError: INVALID_ARGUMENT, the type has no form in JSON.
    """
    if array.dtype == object:
        write = _base64 if name.endswith(BYTES_SUFFIX) else _utf8
        texts = np.empty(array.shape, object)
        texts.reshape(-1)[:] = [write(value) for value in array.reshape(-1).tolist()]
        return texts.tolist()
    if array.dtype.type in _HALVES:
        array = array.astype(np.float32)  # each of them is a float32
    if array.dtype.str[1:] not in _WRITTEN:
        kind = dtype_name(tf.as_dtype(array.dtype).as_datatype_enum)
        raise invalid(f"Failed to write JSON value for tensor type: {kind}")
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _base64(value: bytes) -> dict[str, str]:
    return {B64: base64.b64encode(value).decode()}


def _utf8(value: bytes) -> str:
    return value.decode("utf-8", "replace")


# ---------------------------------------------------------------------- numbers


def _text(content: dict[str, Any]) -> bytes:
    ((key, value),) = content.items()
    if isinstance(value, list | np.ndarray) and _size(value) > LARGE_SIZE:
        return b'{"%s":%s}' % (key.encode(), _in_steps(value))
    return _at_once(content)


def _size(value: Any) -> int:
    return int(value.size) if isinstance(value, np.ndarray) else len(value)


def _in_steps(value: Any) -> bytes:
    """Write a long list in parts, between which other threads run."""
    size = max(1, LARGE_SIZE * len(value) // _size(value))
    parts = [_at_once(value[i : i + size])[1:-1] for i in range(0, len(value), size)]
    return b"[%s]" % b",".join(parts)


def _at_once(content: Any) -> bytes:
    text = orjson.dumps(content, option=_OPTIONS)
    if _NULL not in text:  # far faster than checking all numbers
        return text
    return orjson.dumps(_with_words(content), option=_OPTIONS)


def _with_words(value: Any) -> Any:
    """Replace floats that standard JSON does not allow by their bare words."""
    if isinstance(value, dict):
        return {key: _with_words(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_words(item) for item in value]
    if isinstance(value, np.floating):
        return value if isfinite(value) else orjson.Fragment(_word(value))
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return orjson.Fragment(_list_text(value))
    return value


def _list_text(array: NDArray[Any]) -> bytes:
    pieces = orjson.dumps(array, option=_OPTIONS).split(_NULL)
    flat = array.reshape(-1)
    words = map(_word, flat[~np.isfinite(flat)].tolist())
    return b"".join(chain.from_iterable(zip(pieces, [*words, b""], strict=True)))


def _word(value: Any) -> bytes:
    if value != value:
        return b"NaN"
    return b"Infinity" if value > 0 else b"-Infinity"
