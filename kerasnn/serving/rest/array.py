"""Arrays from JSON values, or the error in the value.

Nothing is converted silently: true is no number, 1.0 no integer, 1 no text. Valid values
are converted by list operations at once. If that fails, the values are checked in blocks
and then one by one, to name the first wrong one as TensorFlow Serving does, in short time.
"""

import base64
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.serving.errors import Code, ServingError, invalid
from kerasnn.serving.options import Limits
from kerasnn.serving.rest.excerpt import excerpt, type_name
from kerasnn.serving.rest.number_list import NumberList
from kerasnn.serving.saved_model.signatures import MAX_DIMENSIONS, TensorInfo
from kerasnn.serving.saved_model.tensors import dtype_name

B64 = "b64"
_STEP = 100_000  # values of a long list that are converted at once
BLOCK = 1000  # values of a list that are checked together in the search for an error
_INT32 = (-(2**31), 2**31 - 1)
_RANGES = {
    tf.int8: _INT32,  # as in a TensorProto: too large numbers wrap around
    tf.int16: _INT32,
    tf.int32: _INT32,
    tf.uint8: _INT32,
    tf.int64: (-(2**63), 2**63 - 1),
    tf.uint32: (0, 2**32 - 1),
    tf.uint64: (0, 2**64 - 1),
}
_NUMBERS = {int, float}
_WRITTEN = re.compile(r"\s*-?[^\w\s]?\s*-?[0-9][0-9.,'\s]*[^\w\s]?\s*")

_Array = NDArray[Any]
_Leaves = Sequence[Any]


def to_array(value: Any, info: TensorInfo, limits: Limits) -> _Array | None:
    """Return a value or nested lists as an array; None if something is wrong.

    Raises:
        ServingError: INVALID_ARGUMENT, lists are nested too deep.
    """
    if type(value) is list and len(value) > _STEP:
        return _in_steps(value, info, limits)
    if type(value) is list and value and type(value[0]) is not list:
        return _flat(value, info.dtype)  # most often: a column
    if type(value) is NumberList:
        return value.as_type(info.dtype, _RANGES)
    shape = list_shape(value, limits)
    leaves: _Leaves = [value]
    for size in shape:
        if set(map(type, leaves)) != {list} or set(map(len, leaves)) != {size}:
            return None
        leaves = leaves[0] if len(leaves) == 1 else list(chain.from_iterable(leaves))
    flat = _flat(leaves, info.dtype)
    return None if flat is None else flat.reshape(shape)


def _in_steps(value: list[Any], info: TensorInfo, limits: Limits) -> _Array | None:
    """Convert a long list in parts, between which other threads run."""
    parts: list[_Array] = []
    for start in range(0, len(value), _STEP):
        part = to_array(value[start : start + _STEP], info, limits)
        if part is None or (parts and part.shape[1:] != parts[0].shape[1:]):
            return None
        parts.append(part)
    return np.concatenate(parts)


def list_shape(value: Any, limits: Limits) -> tuple[int, ...]:
    """Return the sizes of nested lists, by the first element of each.

    Raises:
        ServingError: INVALID_ARGUMENT, they are nested too deep.
    """
    sizes: list[int] = []
    while type(value) is list:
        sizes.append(len(value))
        if len(sizes) > limits.nesting:
            raise invalid(
                f"lists may be nested at most {limits.nesting} deep (--max-nesting)"
            )
        if len(sizes) > MAX_DIMENSIONS:
            raise invalid(f"a tensor may have at most {MAX_DIMENSIONS} dimensions")
        if not value:
            break
        value = value[0]
    return tuple(sizes)


def check_value(
    value: Any,
    info: TensorInfo,
    limits: Limits,
    shape: tuple[int, ...],
    level: int = 0,
) -> None:
    """Raise an error if something is wrong with a value.

    Args:
        value: any JSON value.
        info: the input that it is for.
        limits: on nesting.
        shape: of the whole value, of which this is a part.
        level: number of lists around it.

    Raises:
        ServingError: INVALID_ARGUMENT, with the first error; UNIMPLEMENTED for a type
            without a form in JSON.
    """
    if type(value) is not list:
        if level != len(shape):
            raise invalid(
                f"JSON Value: {excerpt(value)} found at incorrect level: {level + 1} in the"
                f" JSON DOM. Expected at level: {len(shape)}"
            )
        _check_leaf(value, info)
        return
    if level >= len(shape):
        raise invalid(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level}"
            f" expected size: {shape[level]}"
        )
    for _, block in blocks(value):
        if not _is_well_formed(block, info, limits, shape[level + 1 :]):
            for item in block:
                check_value(item, info, limits, shape, level + 1)


def blocks(items: list[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Yield a list in parts, each with the index of its first item."""
    for start in range(0, len(items), BLOCK):
        yield start, items[start : start + BLOCK]


def is_b64(value: Any) -> bool:
    """Return whether a value is bytes: {"b64": "..."}."""
    return type(value) is dict and len(value) == 1 and type(value.get(B64)) is str


def decoded(value: Mapping[str, str]) -> bytes:
    """Return the bytes of {"b64": "..."}, with or without padding and line breaks.

    Raises:
        ServingError: INVALID_ARGUMENT, it is not base64.
    """
    data = _bytes_of(value)
    if data is None:
        raise invalid("Unable to base64 decode")
    return data


def _bytes_of(value: Mapping[str, str]) -> bytes | None:
    text = "".join(value[B64].split())
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    if text not in (bare, padded):
        return None
    try:
        return base64.b64decode(padded, validate=True)
    except ValueError:  # other characters, or a length that cannot be
        return None


def _is_well_formed(
    block: list[Any], info: TensorInfo, limits: Limits, shape: tuple[int, ...]
) -> bool:
    whole = to_array(block, info, limits)
    return whole is not None and whole.shape[1:] == shape


def _check_leaf(value: Any, info: TensorInfo) -> None:
    dtype, name = info.dtype, dtype_name(info.dtype.as_datatype_enum)
    if dtype is tf.string and type(value) is dict:
        if not is_b64(value):
            raise invalid(
                f"JSON Value: {excerpt(value)} not formatted correctly for base64 data"
            )
        decoded(value)
    if dtype not in _READERS and type(value) is not dict:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {excerpt(value)} to type: {name}",
        )
    if _flat([value], dtype) is None:
        raise invalid(
            f"JSON Value: {excerpt(value)} Type: {type_name(value)} is not of expected"
            f" type: {name}{_number_hint(value, dtype)}"
        )


def _number_hint(value: Any, dtype: tf.DType) -> str:
    """Return how to send a number that is written for people: "44,2", "$1,234"."""
    if dtype == tf.string or type(value) is not str or not _WRITTEN.fullmatch(value):
        return ""
    return "; send a number without quotes, with a decimal point: 44.2"


# ---------------------------------------------------------------------- by type


def _flat(leaves: _Leaves, dtype: tf.DType) -> _Array | None:
    """Return values as a one-dimensional array; None if one is of another type."""
    if not leaves:
        return np.zeros(0, dtype.as_numpy_dtype)
    reader = _READERS.get(dtype)
    return None if reader is None else reader(leaves, set(map(type, leaves)))


def _float32s(leaves: _Leaves, kinds: set[type]) -> _Array | None:
    if not kinds <= _NUMBERS:
        return None
    # Too large numbers become infinite. NumPy would warn, and the context that silences
    # NumPy costs more than all the rest.
    return np.frombuffer(array("f", leaves), np.float32)


def _halves(dtype: tf.DType, leaves: _Leaves, kinds: set[type]) -> _Array | None:
    if not kinds <= _NUMBERS:
        return None
    with np.errstate(over="ignore"):  # too large numbers become infinite
        return np.array(leaves, np.float64).astype(dtype.as_numpy_dtype)


def _float64s(leaves: _Leaves, kinds: set[type]) -> _Array | None:
    return np.array(leaves, np.float64) if kinds <= _NUMBERS else None


def _bools(leaves: _Leaves, kinds: set[type]) -> _Array | None:
    return np.array(leaves, np.bool_) if kinds == {bool} else None


def _integers(dtype: tf.DType, leaves: _Leaves, kinds: set[type]) -> _Array | None:
    low, high = _RANGES[dtype]
    if kinds != {int} or min(leaves) < low or max(leaves) > high:
        return None
    wide = np.array(leaves, np.int64 if low else np.uint64)
    return wide.astype(dtype.as_numpy_dtype)


def _strings(leaves: _Leaves, kinds: set[type]) -> _Array | None:
    strings = np.empty(len(leaves), object)
    if kinds == {str}:
        strings[:] = list(map(str.encode, leaves))
        return strings
    if not kinds <= {str, dict} or not all(is_b64(v) for v in leaves if type(v) is dict):
        return None
    values = [_bytes_of(v) if type(v) is dict else v.encode() for v in leaves]
    strings[:] = values
    return None if None in values else strings


_READERS: dict[tf.DType, Callable[[_Leaves, set[type]], _Array | None]] = {
    tf.float32: _float32s,
    tf.float64: _float64s,
    tf.float16: partial(_halves, tf.float16),
    tf.bfloat16: partial(_halves, tf.bfloat16),
    tf.bool: _bools,
    tf.string: _strings,
    **{dtype: partial(_integers, dtype) for dtype in _RANGES},
}
