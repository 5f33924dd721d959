"""The inputs of a Predict request in JSON, in row form or column form.

This module assigns values to inputs; `array` converts the values.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerasnn.serving.errors import Code, ServingError, invalid, shape_text
from kerasnn.serving.options import Limits
from kerasnn.serving.rest.array import (
    blocks,
    check_value,
    is_b64,
    list_shape,
    to_array,
)
from kerasnn.serving.rest.excerpt import excerpt
from kerasnn.serving.rest.number_list import NumberList
from kerasnn.serving.saved_model.signatures import Signature, TensorInfo

INSTANCES, INPUTS = "instances", "inputs"

_SHOWN_NUMBERS = 10_000  # of a long list, in which an error is looked for

Shape = tuple[int, ...]


def is_row_form(document: Mapping[str, Any]) -> bool:
    """Return whether a request has "instances" (row form), not "inputs".

    Raises:
        ServingError: INVALID_ARGUMENT, it has both or neither.
    """
    if INSTANCES in document and INPUTS in document:
        raise invalid(
            f"JSON Value: {excerpt(document)} Not formatted correctly expecting only one of"
            f" '{INPUTS}' or '{INSTANCES}' keys to exist "
        )
    if INSTANCES not in document and INPUTS not in document:
        raise invalid(f"Missing '{INPUTS}' or '{INSTANCES}' key")
    return INSTANCES in document


def read_inputs(
    document: Mapping[str, Any], signature: Signature, limits: Limits
) -> dict[str, NDArray[Any]]:
    """Return an array for each input of the signature.

    Args:
        document: the request.
        signature: of the model.
        limits: on rows and nesting.

    Raises:
        ServingError: INVALID_ARGUMENT, with the wrong value; UNIMPLEMENTED for a type
            without a form in JSON.
    """
    if not signature.inputs:
        name = document.get("signature_name") or "DEFAULT"
        raise invalid(f"Failed to get input map for signature: {name}")
    try:
        return _checked_inputs(document, signature, limits)
    except _UnfitListError:
        # The first values show what is wrong, in the words for lists.
        _checked_inputs(as_lists(document, _SHOWN_NUMBERS), signature, limits)
    raise invalid(
        f"the numbers of '{INSTANCES if INSTANCES in document else INPUTS}' are not of the"
        f" types of the signature {signature.key}"
    )


class _UnfitListError(Exception):
    """A `NumberList` does not fit its input."""


def as_lists(document: Mapping[str, Any], maximum: int | None = None) -> Mapping[str, Any]:
    """Return a request with its `NumberList`s as lists, each cut to about a maximum."""

    def listed(value: Any) -> Any:
        return value.as_list(maximum) if type(value) is NumberList else value

    key = INSTANCES if INSTANCES in document else INPUTS
    value = document.get(key)
    if type(value) is dict:
        value = {name: listed(each) for name, each in value.items()}
    return {**document, key: listed(value)} if key in document else document


def _checked_inputs(
    document: Mapping[str, Any], signature: Signature, limits: Limits
) -> dict[str, NDArray[Any]]:
    if is_row_form(document):
        return _of_rows(document, signature, limits)
    inputs = _of_columns(document, signature, limits)
    for array in inputs.values():
        if signature.counts_rows(array.ndim):
            check_rows(len(array) if array.ndim else 1, limits)
    return inputs


def check_rows(rows: int, limits: Limits) -> None:
    """Raise INVALID_ARGUMENT if a request has too many rows."""
    if rows > limits.rows:
        raise invalid(
            f"a request may have at most {limits.rows} rows (--max-rows); got {rows}"
        )


def row_count(document: Mapping[str, Any]) -> int:
    """Return the number of rows of a request that may be a table; 0 for any other."""
    value = document.get(INSTANCES, document.get(INPUTS))
    columns = value.values() if type(value) is dict else [value]
    return max((len(c) for c in columns if type(c) in (list, NumberList)), default=0)


def _is_named(item: Any) -> bool:
    return type(item) is dict and not is_b64(item)


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
    array = to_array(value, info, limits)
    if array is None and type(value) is NumberList:
        raise _UnfitListError
    if array is None:
        check_value(value, info, limits, list_shape(value, limits))
        raise invalid(f"JSON Value: {excerpt(value)} cannot be read as {info.alias}")
    return array


# ---------------------------------------------------------------------- rows


def _of_rows(
    document: Mapping[str, Any], signature: Signature, limits: Limits
) -> dict[str, NDArray[Any]]:
    items = document[INSTANCES]
    if type(items) is NumberList:
        check_rows(len(items), limits)
        if len(signature.inputs) > 1:
            raise _UnfitListError
        (info,) = signature.inputs.values()
        return {info.alias: _whole(items, info, limits)}
    if type(items) is not list:
        raise invalid(
            f"JSON Value: {excerpt(document)} Expecting '{INSTANCES}' to be an list/array"
        )
    if not items:
        raise invalid(f"JSON Value: {excerpt(document)} No values in '{INSTANCES}' array")
    check_rows(len(items), limits)
    infos = signature.inputs
    if _is_named(items[0]):
        arrays = _named_arrays(items, infos, limits)
        if arrays is None:
            raise _wrong_named_rows(items, infos, limits)
        return arrays
    if len(infos) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input"
            " tensors required as per tensorinfo_map"
        )
    (info,) = infos.values()
    array = to_array(items, info, limits)
    if array is None:
        raise _wrong_rows(items, info, limits)
    return {info.alias: array}


def _named_arrays(
    items: list[Any], infos: Mapping[str, TensorInfo], limits: Limits
) -> dict[str, NDArray[Any]] | None:
    """Return the columns of rows that are objects; None if something is wrong."""
    if set(map(type, items)) != {dict} or set(map(len, items)) != {len(infos)}:
        return None
    arrays: dict[str, NDArray[Any]] = {}
    for alias, info in infos.items():
        try:
            column = [item[alias] for item in items]
        except KeyError:
            return None
        array = to_array(column, info, limits)
        if array is None:
            return None
        arrays[alias] = array
    return arrays


def _wrong_rows(items: list[Any], info: TensorInfo, limits: Limits) -> ServingError:
    """Find the error in rows that are values."""
    first: Shape | None = None
    for start, block in blocks(items):
        whole = to_array(block, info, limits)
        if whole is not None and first in (None, whole.shape[1:]):
            first = whole.shape[1:]
            continue
        for i, item in enumerate(block, start):
            if _is_named(item):
                return invalid(
                    f"Expecting value/list but got object at item {i} of input list"
                )
            try:
                first = _check_like(item, info, limits, first)
            except ServingError as error:
                return _in_element(f"{i}", error)
    return invalid(f"'{INSTANCES}' cannot be read as rows of {info.alias}")


def _wrong_named_rows(
    items: list[Any], infos: Mapping[str, TensorInfo], limits: Limits
) -> ServingError:
    """Find the error in rows that are objects."""
    firsts: dict[str, Shape | None] = dict.fromkeys(infos)
    for start, block in blocks(items):
        arrays = _named_arrays(block, infos, limits)
        if arrays is not None and all(
            firsts[alias] in (None, array.shape[1:]) for alias, array in arrays.items()
        ):
            firsts.update({alias: array.shape[1:] for alias, array in arrays.items()})
            continue
        for i, item in enumerate(block, start):
            error = _wrong_named_row(i, item, infos, limits, firsts)
            if error is not None:
                return error
    return invalid(f"'{INSTANCES}' cannot be read as rows")


def _wrong_named_row(
    i: int,
    item: Any,
    infos: Mapping[str, TensorInfo],
    limits: Limits,
    firsts: dict[str, Shape | None],
) -> ServingError | None:
    if not _is_named(item):
        return invalid(f"Expecting object but got list at item {i} of input list")
    for name, value in item.items():
        try:
            if name not in infos:
                raise invalid(f"JSON object: does not have named input: {name}")
            firsts[name] = _check_like(value, infos[name], limits, firsts[name])
        except ServingError as error:
            return _in_element(f"{i} key: {name}", error)
    if item.keys() != infos.keys():
        return invalid(
            f"Failed to process element: {i} of '{INSTANCES}' list. JSON object:"
            f" {excerpt(item)} keys must be equal to: {','.join(sorted(infos))}"
        )
    return None


def _in_element(which: str, error: ServingError) -> ServingError:
    return ServingError(
        Code.INVALID_ARGUMENT,
        f"Failed to process element: {which} of '{INSTANCES}' list. Error:"
        f" {error.code.name}: {error.message}",
    )


def _check_like(item: Any, info: TensorInfo, limits: Limits, first: Shape | None) -> Shape:
    """Return the shape of a row; raise if it differs from the first row's."""
    shape = list_shape(item, limits)
    check_value(item, info, limits, shape)
    if first is None or shape == first:
        return shape
    sizes = [int(np.prod(s, dtype=np.int64)) for s in (first, shape)]
    if sizes[0] != sizes[1]:
        raise invalid(f"Expecting tensor size: {sizes[0]} but got: {sizes[1]}")
    raise invalid(f"Expecting shape {shape_text(first)} but got: {shape_text(shape)}")
