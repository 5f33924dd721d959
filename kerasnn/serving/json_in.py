"""Arrays out of the JSON of a Predict request, row by row or column by column.

Nothing is converted silently: true is no number, 1.0 no integer, 1 no text. What is well
formed is taken apart by list operations and one array each; where something is not, the
values are gone through one by one, to name the one that is wrong as TensorFlow Serving
does.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.serving.json_text import shown, type_name
from kerasnn.serving.service import Limits
from kerasnn.serving.signatures import MOST_DIMENSIONS, Signature, TensorInfo
from kerasnn.serving.statuses import Code, ServingError, invalid
from kerasnn.serving.tensors import dtype_name

INSTANCES, INPUTS, B64 = "instances", "inputs", "b64"
_FLOATS = (tf.float32, tf.float64)
_INT32 = (-(2**31), 2**31 - 1)
_RANGES = {
    tf.int8: _INT32,  # as in a TensorProto: what is too large for 8 bits wraps around
    tf.int16: _INT32,
    tf.int32: _INT32,
    tf.uint8: _INT32,
    tf.int64: (-(2**63), 2**63 - 1),
    tf.uint32: (0, 2**32 - 1),
    tf.uint64: (0, 2**64 - 1),
}


def is_row_form(document: Mapping[str, Any]) -> bool:
    """Whether a request has "instances", and not "inputs".

    Raises:
        ServingError: INVALID_ARGUMENT, it has both or none.
    """
    if INSTANCES in document and INPUTS in document:
        raise invalid(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of"
            f" '{INPUTS}' or '{INSTANCES}' keys to exist "
        )
    if INSTANCES not in document and INPUTS not in document:
        raise invalid(f"Missing '{INPUTS}' or '{INSTANCES}' key")
    return INSTANCES in document


def read_inputs(
    document: Mapping[str, Any], signature: Signature, limits: Limits
) -> dict[str, NDArray[Any]]:
    """An array for each input of the signature.

    Args:
        document: the request.
        signature: whose inputs they are.
        limits: on rows and nesting.

    Raises:
        ServingError: INVALID_ARGUMENT, with the value that is wrong; UNIMPLEMENTED for a
            type that has no form in JSON.
    """
    row_form = is_row_form(document)
    if not signature.inputs:
        raise invalid(f"Failed to get input map for signature: {signature.key}")
    read = _of_rows if row_form else _of_columns
    inputs = read(document, signature, limits)
    for array in inputs.values():
        check_rows(len(array) if array.ndim else 1, limits)
    return inputs


def check_rows(rows: int, limits: Limits) -> None:
    """A request has no more rows than are allowed.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if rows > limits.rows:
        raise invalid(
            f"a request may have at most {limits.rows} rows (--max-rows); got {rows}"
        )


def is_b64(value: Any) -> bool:
    """Whether a value is bytes: {"b64": "..."}."""
    return type(value) is dict and len(value) == 1 and type(value.get(B64)) is str


def decoded(value: Mapping[str, str]) -> bytes:
    """The bytes of {"b64": "..."}.

    Raises:
        ServingError: INVALID_ARGUMENT, it is not base64.
    """
    text = value[B64].rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


# ---------------------------------------------------------------------- rows


def _of_rows(
    document: Mapping[str, Any], signature: Signature, limits: Limits
) -> dict[str, NDArray[Any]]:
    items = document[INSTANCES]
    if type(items) is not list:
        raise invalid(
            f"JSON Value: {shown(document)} Expecting '{INSTANCES}' to be an list/array"
        )
    if not items:
        raise invalid(f"JSON Value: {shown(document)} No values in '{INSTANCES}' array")
    check_rows(len(items), limits)
    if _is_named(items[0]):
        return _of_named_rows(items, signature, limits)
    if len(signature.inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input"
            " tensors required as per tensorinfo_map"
        )
    (info,) = signature.inputs.values()
    array = _array(items, info, limits)
    if array is None:
        raise _wrong_rows(items, info, limits)
    return {info.alias: array}


def _of_named_rows(
    items: list[Any], signature: Signature, limits: Limits
) -> dict[str, NDArray[Any]]:
    infos = signature.inputs
    if set(map(type, items)) == {dict} and set(map(len, items)) == {len(infos)}:
        try:
            columns = {alias: [item[alias] for item in items] for alias in infos}
        except KeyError:
            columns = {}
        arrays = {alias: _array(columns[alias], infos[alias], limits) for alias in columns}
        if arrays and all(array is not None for array in arrays.values()):
            return arrays  # type: ignore[return-value]
    raise _wrong_named_rows(items, signature, limits)


def _is_named(item: Any) -> bool:
    return type(item) is dict and not is_b64(item)


def _wrong_rows(items: list[Any], info: TensorInfo, limits: Limits) -> ServingError:
    """What is wrong with rows that are values."""
    first: tuple[int, ...] | None = None
    for i, item in enumerate(items):
        if _is_named(item):
            return invalid(f"Expecting value/list but got object at item {i} of input list")
        try:
            first = _check_like(item, info, limits, first)
        except ServingError as error:
            return _in_element(f"{i}", error)
    return invalid(f"'{INSTANCES}' cannot be read as rows of {info.alias}")


def _wrong_named_rows(
    items: list[Any], signature: Signature, limits: Limits
) -> ServingError:
    """What is wrong with rows that are objects."""
    firsts: dict[str, tuple[int, ...] | None] = dict.fromkeys(signature.inputs)
    for i, item in enumerate(items):
        if not _is_named(item):
            return invalid(f"Expecting object but got list at item {i} of input list")
        for name, value in item.items():
            try:
                if name not in firsts:
                    raise invalid(f"JSON object: does not have named input: {name}")
                info = signature.inputs[name]
                firsts[name] = _check_like(value, info, limits, firsts[name])
            except ServingError as error:
                return _in_element(f"{i} key: {name}", error)
        if item.keys() != firsts.keys():
            return invalid(
                f"Failed to process element: {i} of '{INSTANCES}' list. JSON object:"
                f" {shown(item)} keys must be equal to: {','.join(sorted(firsts))}"
            )
    return invalid(f"'{INSTANCES}' cannot be read as rows")


def _in_element(which: str, error: ServingError) -> ServingError:
    return ServingError(
        Code.INVALID_ARGUMENT,
        f"Failed to process element: {which} of '{INSTANCES}' list. Error:"
        f" {error.code.name}: {error.message}",
    )


def _check_like(
    item: Any, info: TensorInfo, limits: Limits, first: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The shape of a row, which must be that of the first one."""
    shape = _shape(item, limits)
    _explain(item, info, shape, 0)
    if first is None or shape == first:
        return shape
    sizes = [int(np.prod(s, dtype=np.int64)) for s in (first, shape)]
    if sizes[0] != sizes[1]:
        raise invalid(f"Expecting tensor size: {sizes[0]} but got: {sizes[1]}")
    raise invalid(f"Expecting shape {_listed(first)} but got: {_listed(shape)}")


# ---------------------------------------------------------------------- columns


def _of_columns(
    document: Mapping[str, Any], signature: Signature, limits: Limits
) -> dict[str, NDArray[Any]]:
    value = document[INPUTS]
    if not _is_named(value):
        if len(signature.inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input"
                " tensors required as per tensorinfo_map"
            )
        (info,) = signature.inputs.values()
        return {info.alias: _whole(value, info, limits)}
    arrays = {}
    for alias, info in signature.inputs.items():
        if alias not in value:
            raise invalid(f"Missing named input: {alias} in '{INPUTS}' object.")
        arrays[alias] = _whole(value[alias], info, limits)
    return arrays


def _whole(value: Any, info: TensorInfo, limits: Limits) -> NDArray[Any]:
    array = _array(value, info, limits)
    if array is None:
        _explain(value, info, _shape(value, limits), 0)
        raise invalid(f"JSON Value: {shown(value)} cannot be read as {info.alias}")
    return array


# ---------------------------------------------------------------------- one array


def _array(value: Any, info: TensorInfo, limits: Limits) -> NDArray[Any] | None:
    """A value, or lists of them, as an array; None if something about it is wrong."""
    shape = _shape(value, limits)
    leaves: Sequence[Any] = [value]
    for size in shape:
        if set(map(type, leaves)) != {list} or set(map(len, leaves)) != {size}:
            return None
        leaves = leaves[0] if len(leaves) == 1 else list(chain.from_iterable(leaves))
    flat = _flat(leaves, info.dtype)
    return None if flat is None else flat.reshape(shape)


def _shape(value: Any, limits: Limits) -> tuple[int, ...]:
    """The sizes of nested lists, by the first element of each."""
    sizes: list[int] = []
    while type(value) is list:
        sizes.append(len(value))
        if len(sizes) > limits.nesting:
            raise invalid(
                f"lists may be nested at most {limits.nesting} deep (--max-nesting)"
            )
        if len(sizes) > MOST_DIMENSIONS:
            raise invalid(f"a tensor may have at most {MOST_DIMENSIONS} dimensions")
        if not value:
            break
        value = value[0]
    return tuple(sizes)


def _flat(leaves: Sequence[Any], dtype: tf.DType) -> NDArray[Any] | None:
    """Values as an array of one dimension; None if one of them is not of the type."""
    kinds = set(map(type, leaves))
    if dtype in _FLOATS:
        if not kinds <= {int, float}:
            return None
        numbers = np.array(leaves, np.float64)
        if dtype is tf.float64:
            return numbers
        with np.errstate(over="ignore", under="ignore"):  # to infinity, and to zero
            return numbers.astype(np.float32)
    if dtype in _RANGES:
        return _integers(leaves, kinds, dtype)
    if dtype is tf.bool:
        return np.array(leaves, np.bool_) if kinds <= {bool} else None
    if dtype is tf.string:
        return _strings(leaves, kinds)
    return None if leaves else np.zeros(0, dtype.as_numpy_dtype)


def _integers(
    leaves: Sequence[int], kinds: set[type], dtype: tf.DType
) -> NDArray[Any] | None:
    low, high = _RANGES[dtype]
    if not kinds <= {int}:
        return None
    if leaves and (min(leaves) < low or max(leaves) > high):
        return None
    wide = np.array(leaves, np.uint64 if low == 0 else np.int64)
    return wide.astype(dtype.as_numpy_dtype)


def _strings(leaves: Sequence[Any], kinds: set[type]) -> NDArray[Any] | None:
    array = np.empty(len(leaves), object)
    if kinds <= {str}:
        array[:] = [leaf.encode("utf-8", "surrogatepass") for leaf in leaves]
        return array
    if not kinds <= {str, dict} or not all(is_b64(v) for v in leaves if type(v) is dict):
        return None
    array[:] = [
        decoded(leaf) if type(leaf) is dict else leaf.encode("utf-8", "surrogatepass")
        for leaf in leaves
    ]
    return array


def _explain(value: Any, info: TensorInfo, shape: tuple[int, ...], level: int) -> None:
    """Say what is wrong with a value; nothing, if nothing is.

    Raises:
        ServingError: with the first thing that is wrong.
    """
    if type(value) is not list:
        if level != len(shape):
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the"
                f" JSON DOM. Expected at level: {len(shape)}"
            )
        _explain_leaf(value, info)
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
    for item in value:
        _explain(item, info, shape, level + 1)


def _explain_leaf(value: Any, info: TensorInfo) -> None:
    dtype, name = info.dtype, dtype_name(info.dtype.as_datatype_enum)
    if dtype is tf.string and type(value) is dict and not is_b64(value):
        raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    known = dtype in _FLOATS or dtype in _RANGES or dtype in (tf.bool, tf.string)
    if not known and type(value) is not dict:
        raise ServingError(
            Code.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: {name}"
        )
    if _flat([value], dtype) is None:
        raise invalid(
            f"JSON Value: {shown(value)} Type: {type_name(value)} is not of expected type:"
            f" {name}"
        )


def _listed(shape: Iterable[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
