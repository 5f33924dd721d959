"""tf.Examples from the JSON of a Classify or Regress request."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.example import example_pb2

from kerasnn.serving.errors import invalid
from kerasnn.serving.options import Limits
from kerasnn.serving.rest.array import decoded, is_b64
from kerasnn.serving.rest.excerpt import excerpt, type_name
from kerasnn.serving.rest.request_inputs import check_rows
from kerasnn.serving.saved_model.examples import FeatureNames

EXAMPLES, CONTEXT = "examples", "context"
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

Feature = Any


def read_examples(
    document: Mapping[str, Any], limits: Limits, names: FeatureNames | None = None
) -> NDArray[Any]:
    """Return the serialized examples of a request, [n] object of bytes.

    The context goes before each example: if both have a feature, the example's counts.

    Args:
        document: the request.
        limits: on rows.
        names: for a table's network, returns the input of each feature; see
            `TableInputs.feature_names`.

    Raises:
        ServingError: INVALID_ARGUMENT, a value has no form in a tf.Example; as `names`.
    """
    context = _object(document.get(CONTEXT, {}))
    if EXAMPLES not in document:
        raise invalid(
            f"JSON Value: {excerpt(document)} When method is classify, key '{EXAMPLES}' is"
            " expected and was not found"
        )
    items = document[EXAMPLES]
    if type(items) is not list:
        raise invalid(
            f"JSON Value: {excerpt(document)} Expecting '{EXAMPLES}' value to be an"
            " list/array"
        )
    if not items:
        raise invalid(
            f"JSON Value: {excerpt(document)} '{EXAMPLES}' value is an empty array"
        )
    check_rows(len(items), limits)
    array = np.empty(len(items), object)
    if names is None:
        start = _example(context)
        array[:] = [start + _example(_object(item)) for item in items]
        return array
    for row, item in enumerate(items):
        features = {**context, **_object(item)}
        inputs = names(features, row)
        array[row] = _example({inputs[n]: v for n, v in features.items() if n in inputs})
    return array


def _object(item: Any) -> dict[str, Any]:
    if type(item) is not dict:
        raise invalid(f"Example must be JSON object but got JSON {type_name(item)}")
    return item


def _example(item: Mapping[str, Any]) -> bytes:
    example = example_pb2.Example()
    features = example.features.feature
    for name, content in item.items():
        values = content if type(content) is list else [content]
        if not _fill_at_once(features[name], values):
            _fill_one_by_one(features[name], name, values)
    return example.SerializeToString()


def _fill_at_once(feature: Feature, values: list[Any]) -> bool:
    """Put values of one simple type into a feature; return False for other values."""
    kinds = set(map(type, values))
    if kinds == {float}:
        feature.float_list.value.extend(values)
    elif kinds == {str}:
        feature.bytes_list.value.extend(map(str.encode, values))
    elif kinds == {int} and min(values) >= _INT64_MIN and max(values) <= _INT64_MAX:
        feature.int64_list.value.extend(values)
    else:
        return False
    return True


def _fill_one_by_one(feature: Feature, name: str, values: list[Any]) -> None:
    for value in values:
        kind, filled = _kind(name, value), feature.WhichOneof("kind")
        if filled not in (None, kind):
            raise invalid(
                f"Unexpected element type in feature: {name} expecting type:"
                f" {filled.removesuffix('_list')}"
            )
        getattr(feature, kind).value.append(_value(name, value))


def _kind(name: str, value: Any) -> str:
    """Return the list of a feature for a value.

    Raises:
        ServingError: INVALID_ARGUMENT, there is none.
    """
    if isinstance(value, int):  # true and false as well
        return "int64_list"
    if isinstance(value, float):
        return "float_list"
    if isinstance(value, str) or is_b64(value):
        return "bytes_list"
    raise invalid(
        f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
    )


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    if type(value) is dict:
        return decoded(value)
    if isinstance(value, int) and value > _INT64_MAX:
        raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    return int(value) if type(value) is bool else value  # a bool is no protobuf int
