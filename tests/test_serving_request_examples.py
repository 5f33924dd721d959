"""tf.Examples out of JSON: TensorFlow Serving's own cases, and more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import input_pb2

from kerasnn.serving.errors import Code, ServingError, invalid
from kerasnn.serving.options import Limits
from kerasnn.serving.rest.parser import read_object
from kerasnn.serving.rest.request_examples import read_examples
from kerasnn.serving.saved_model.examples import serialized_examples

LIMITS = Limits(rows=10)


def read(document):
    """The features of each example: the kind of list and its values by name."""
    if isinstance(document, str):
        document = read_object(document.encode())
    return [
        {name: content(feature) for name, feature in parsed(serialized).items()}
        for serialized in read_examples(document, LIMITS)
    ]


def parsed(serialized):
    return example_pb2.Example.FromString(serialized).features.feature


def content(feature):
    kind = feature.WhichOneof("kind")
    return kind and (kind.removesuffix("_list"), list(getattr(feature, kind).value))


def refusal(document):
    with pytest.raises(ServingError) as caught:
        read(document)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def test_each_kind_of_value_has_its_list():
    examples = [
        {"names": ["foo", "bar"], "ratings": [8.0, 9.0], "age": 20},
        {"names": ["baz", {"b64": "aGVsbG8="}], "ratings": 6.0, "mix": [1, True, False]},
        {"names": "ä", "flag": True, "none": [], "raw": {"b64": "/w"}},
        {},
    ]
    assert read({"examples": examples}) == [
        {
            "names": ("bytes", [b"foo", b"bar"]),
            "ratings": ("float", [8.0, 9.0]),
            "age": ("int64", [20]),
        },
        {
            "names": ("bytes", [b"baz", b"hello"]),
            "ratings": ("float", [6.0]),
            "mix": ("int64", [1, 1, 0]),
        },
        {
            "names": ("bytes", ["ä".encode()]),
            "flag": ("int64", [1]),
            "none": None,
            "raw": ("bytes", [b"\xff"]),
        },
        {},
    ]


def test_floats_may_be_infinite_and_none_at_all():
    (example,) = read('{"examples": [{"x": [NaN, Infinity, -Infinity, 1e39, 1e-60]}]}')
    kind, values = example["x"]
    assert kind == "float"
    np.testing.assert_array_equal(values, [np.nan, np.inf, -np.inf, np.inf, 0.0])


def test_integers_have_64_bits_and_wider_ones_are_decimal():
    (example,) = read({"examples": [{"x": [-(2**63), 2**63 - 1]}]})
    assert example == {"x": ("int64", [-(2**63), 2**63 - 1])}
    (example,) = read('{"examples": [{"x": [18446744073709551616]}]}')
    assert example == {"x": ("float", [2.0**64])}


def test_a_context_goes_before_each_example_whose_own_features_count():
    document = {
        "context": {"query": "pizza", "location": ["sfo"]},
        "examples": [{"x": 1.0}, {"location": ["zrh", "gva"]}],
    }
    assert read(document) == [
        {
            "query": ("bytes", [b"pizza"]),
            "location": ("bytes", [b"sfo"]),
            "x": ("float", [1.0]),
        },
        {"query": ("bytes", [b"pizza"]), "location": ("bytes", [b"zrh", b"gva"])},
    ]


NULL = "Feature: names has element with unexpected JSON type: Null"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"context": [{"names": ["foo", "bar"]}]},
            "Example must be JSON object but got JSON Array",
        ),
        (
            {},
            "JSON Value: {} When method is classify, key 'examples' is expected and was not"
            " found",
        ),
        (
            {"examples": {"names": ["foo"]}},
            'JSON Value: {\n    "examples": {\n        "names": ["foo"]\n    }\n}'
            " Expecting 'examples' value to be an list/array",
        ),
        (
            {"examples": []},
            "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array",
        ),
        ({"examples": [[{}]]}, "Example must be JSON object but got JSON Array"),
        ({"examples": [{}, None]}, "Example must be JSON object but got JSON Null"),
        ({"examples": [{"names": [10, None]}]}, NULL),
        ({"examples": [{"names": None}]}, NULL),
        (
            {"examples": [{"names": [10, 10.0]}]},
            "Unexpected element type in feature: names expecting type: int64",
        ),
        (
            {"examples": [{"names": [10.0, "a"]}]},
            "Unexpected element type in feature: names expecting type: float",
        ),
        (
            {"examples": [{"names": ["a", {"b64": "YQ"}, True, None]}]},
            "Unexpected element type in feature: names expecting type: bytes",
        ),
        (
            {"examples": [{"names": [10, {"test": 10}]}]},
            "Feature: names has element with unexpected JSON type: Object",
        ),
        (
            {"examples": [{"names": [[10], 20]}]},
            "Feature: names has element with unexpected JSON type: Array",
        ),
        (
            {"examples": [{"names": [20, 18446744073709551603]}]},
            "Feature: names has uint64_t element. Only int64_t is supported.",
        ),
        (
            {"examples": [{"names": [1.0, 18446744073709551603]}]},
            "Unexpected element type in feature: names expecting type: float",
        ),
        ({"examples": [{"names": {"b64": "*"}}]}, "Unable to base64 decode"),
        (
            {"examples": [{}] * 11},
            "a request may have at most 10 rows (--max-rows); got 11",
        ),
    ],
)
def test_what_has_no_form_in_an_example_is_refused(document, message):
    assert refusal(document) == message


VALUE = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=3)
    | st.just({"b64": "YQ=="})
    | st.just([])
    | st.just({})
)


@given(
    st.dictionaries(st.text(max_size=3), VALUE | st.lists(VALUE, max_size=4), max_size=3)
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_object_is_an_example_or_is_refused(item):
    try:
        (example,) = read_examples({"examples": [item]}, LIMITS)
    except ServingError as error:
        refused = error
    else:
        assert parsed(example).keys() == item.keys()
        return
    assert refused.code is Code.INVALID_ARGUMENT


def test_features_of_a_table_are_named_as_its_inputs():
    def names(given, row):
        assert set(given) == {"class", "price (EUR)", "id"}
        return {"class": "class_", "price (EUR)": "price__EUR_"}

    document = {
        "context": {"class": "old", "id": 7},
        "examples": [{"class": "First", "price (EUR)": 2.5}] * 2,
    }
    for data in read_examples(document, Limits(), names):
        feature = example_pb2.Example.FromString(data).features.feature
        assert sorted(feature) == ["class_", "price__EUR_"]
        assert feature["class_"].bytes_list.value == [b"First"]

    given = input_pb2.Input()
    given.example_list_with_context.context.features.feature[
        "class"
    ].bytes_list.value.append(b"old")
    example = given.example_list_with_context.examples.add()
    example.features.feature["class"].bytes_list.value.append(b"First")
    example.features.feature["price (EUR)"].float_list.value.append(2.5)
    example.features.feature["id"].int64_list.value.append(7)
    (renamed,) = serialized_examples(given, names)
    assert example_pb2.Example.FromString(renamed) == example_pb2.Example.FromString(data)


def test_a_feature_that_a_table_does_not_have_is_refused():
    def names(given, row):
        raise invalid(f"no column {given} in row {row}")

    with pytest.raises(ServingError, match=r"no column .*x.* in row 0"):
        read_examples({"examples": [{"x": 1}]}, Limits(), names)
