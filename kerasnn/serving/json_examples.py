"""tf.Examples out of the JSON of a Classify or Regress request."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.example import example_pb2

from kerasnn.serving.json_in import check_rows, decoded, is_b64
from kerasnn.serving.json_text import shown, type_name
from kerasnn.serving.service import Limits
from kerasnn.serving.statuses import invalid

EXAMPLES, CONTEXT = "examples", "context"
_INT64 = range(-(2**63), 2**63)
_LISTS = {"int64": "int64_list", "float": "float_list", "bytes": "bytes_list"}


def read_examples(document: Mapping[str, Any], limits: Limits) -> NDArray[Any]:
    """The serialized examples of a request, [n] object of bytes.

    A context goes before each of them: of a feature in both, the example's counts.

    Raises:
        ServingError: INVALID_ARGUMENT, something in them has no form in a tf.Example.
    """
    context = b""
    if CONTEXT in document:
        context = _example(document[CONTEXT])
    if EXAMPLES not in document:
        raise invalid(
            f"JSON Value: {shown(document)} When method is classify, key '{EXAMPLES}' is"
            " expected and was not found"
        )
    items = document[EXAMPLES]
    if type(items) is not list:
        raise invalid(
            f"JSON Value: {shown(document)} Expecting '{EXAMPLES}' value to be an"
            " list/array"
        )
    if not items:
        raise invalid(f"JSON Value: {shown(document)} '{EXAMPLES}' value is an empty array")
    check_rows(len(items), limits)
    array = np.empty(len(items), object)
    array[:] = [context + _example(item) for item in items]
    return array


def _example(item: Any) -> bytes:
    if type(item) is not dict:
        raise invalid(f"Example must be JSON object but got JSON {type_name(item)}")
    example = example_pb2.Example()
    for name, content in item.items():
        # Half a surrogate pair has no form in a protobuf.
        key = name.encode("utf-8", "replace").decode()
        feature = example.features.feature[key]
        values = content if type(content) is list else [content]
        kinds = {_kind(key, value) for value in values}
        if len(kinds) > 1:
            raise invalid(
                f"Unexpected element type in feature: {key} expecting type:"
                f" {_kind(key, values[0])}"
            )
        if kinds:
            field = getattr(feature, _LISTS[kinds.pop()])
            field.value.extend([_value(value) for value in values])
    return example.SerializeToString()


def _kind(feature: str, value: Any) -> str:
    """What kind of list a value goes to.

    Raises:
        ServingError: INVALID_ARGUMENT, to none.
    """
    if isinstance(value, int):  # true and false as well
        if value not in _INT64:
            raise invalid(
                f"Feature: {feature} has uint64_t element. Only int64_t is supported."
            )
        return "int64"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str) or is_b64(value):
        return "bytes"
    raise invalid(
        f"Feature: {feature} has element with unexpected JSON type: {type_name(value)}"
    )


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if type(value) is dict:
        return decoded(value)
    return int(value) if type(value) is bool else value  # a bool is no protobuf int
