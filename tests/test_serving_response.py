"""The JSON of answers: TensorFlow Serving's own cases (its json_tensor_test), and more."""

import json

import ml_dtypes
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.rest import response
from kerasnn.serving.saved_model.examples import Classes


def texts(*values):
    return np.array([*values, None], object)[:-1]


def refusal(write, outputs):
    with pytest.raises(ServingError) as caught:
        write(outputs)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


INT = np.array([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]], np.int32)
BYTES = texts(b"hello", b"world", b"tf", b"serving").reshape(2, 2)
B64 = [
    [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
    [{"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
]


def test_one_output_stands_bare():
    assert response.predictions_json({"y": INT}) == (
        b'{"predictions":[[[1,2],[3,4],[5,6]],[[7,8],[9,0],[1,2]]]}'
    )
    assert response.columns_json({"y": INT}) == (
        b'{"outputs":[[[1,2],[3,4],[5,6]],[[7,8],[9,0],[1,2]]]}'
    )
    assert response.columns_json({"y": np.array(2.5, np.float32)}) == b'{"outputs":2.5}'
    assert response.columns_json({"y": np.array(b"a", object)}) == b'{"outputs":"a"}'


def test_bytes_are_base64_by_the_name_of_their_output():
    assert json.loads(response.predictions_json({"y_bytes": BYTES})) == {"predictions": B64}
    assert (
        response.predictions_json({"bytes": BYTES[0]})
        == b'{"predictions":["hello","world"]}'
    )


def test_several_outputs_have_their_names():
    outputs = {
        "int": INT,
        "str": texts(b"foo", b"bar", b"baz", b"bat").reshape(2, 2),
        "float": np.array([[1.0], [2.0]], np.float32),
        "scalar": np.array([8.0, 9.0]),
        "flag": np.array([True, False]),
        "str_bytes": BYTES,
    }
    lists = [
        INT.tolist(),
        [["foo", "bar"], ["baz", "bat"]],
        [[1.0], [2.0]],
        [8.0, 9.0],
        [True, False],
        B64,
    ]
    assert json.loads(response.columns_json(outputs)) == {
        "outputs": dict(zip(outputs, lists, strict=True))
    }
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*lists, strict=True)]
    assert json.loads(response.predictions_json(outputs)) == {"predictions": rows}


def test_floats_are_short_and_whole_ones_have_a_point():
    values = np.array([999999, 0.5, 0.0003, 555557.5, 0.2, 2, 0.110755622], np.float32)
    assert response.predictions_json({"y": values}) == (
        b'{"predictions":[999999.0,0.5,0.0003,555557.5,0.2,2.0,0.11075562]}'
    )
    assert response.columns_json({"y": np.array([0.1, 1 / 3])}) == (
        b'{"outputs":[0.1,0.3333333333333333]}'
    )


def test_nan_and_the_infinities_stand_bare():
    values = np.array([[np.nan, np.inf], [3, -np.inf]], np.float32)
    bare = b"[[NaN,Infinity],[3.0,-Infinity]]"
    assert response.predictions_json({"y": values}) == b'{"predictions":' + bare + b"}"
    assert response.columns_json({"y": values}) == b'{"outputs":' + bare + b"}"
    assert response.columns_json({"y": np.array(np.nan)}) == b'{"outputs":NaN}'
    outputs = {"a": values, "null": texts(b"null", b""), "c": np.array([0.1, np.inf])}
    assert response.predictions_json(outputs) == (
        b'{"predictions":[{"a":[NaN,Infinity],"null":"null","c":0.1},'
        b'{"a":[3.0,-Infinity],"null":"","c":Infinity}]}'
    )
    assert response.regressions_json(values[0]) == b'{"results":[NaN,Infinity]}'


def test_64_bit_integers_are_whole():
    assert response.columns_json({"y": np.array([2**64 - 1], np.uint64)}) == (
        b'{"outputs":[18446744073709551615]}'
    )
    assert response.columns_json({"y": np.array([-(2**63)])}) == (
        b'{"outputs":[-9223372036854775808]}'
    )


def test_no_rows_are_an_empty_list():
    assert (
        response.predictions_json({"y": np.zeros((0, 2), np.int32)})
        == b'{"predictions":[]}'
    )
    outputs = {"s": np.empty((0, 1, 2), object), "f": np.zeros((0, 3, 4), np.float32)}
    assert response.predictions_json(outputs) == b'{"predictions":[]}'
    assert response.columns_json({"y": np.zeros((2, 0))}) == b'{"outputs":[[],[]]}'


def test_columns_may_differ_in_length():
    outputs = {"a": np.array([1, 2]), "b": np.array(3)}
    assert response.columns_json(outputs) == b'{"outputs":{"a":[1,2],"b":3}}'


def test_rows_that_are_none_are_refused():
    for write in (response.predictions_json, response.columns_json):
        assert refusal(write, {}) == "Cannot convert empty tensor map to JSON"
    assert refusal(response.predictions_json, {"y": np.array(1)}) == (
        "Tensor name: y has no shape information "
    )
    for size in (0, 1):
        outputs = {"a": np.zeros((size, 2)), "b": np.zeros((2, 3))}
        assert refusal(response.predictions_json, outputs) == (
            f"Tensor name: b has inconsistent batch size: 2 expecting: {size}"
        )


@pytest.mark.parametrize(
    ("dtype", "tenth"),
    [(np.float16, b"0.099975586"), (ml_dtypes.bfloat16, b"0.100097656")],
)
def test_half_floats_are_written_as_numbers(dtype, tenth):
    values = np.array([0.1, 2, np.inf, np.nan], dtype)
    assert float(np.float32(float(tenth))) == float(values[0])
    assert response.predictions_json({"y": values}) == (
        b'{"predictions":[' + tenth + b",2.0,Infinity,NaN]}"
    )
    assert response.columns_json({"y": values[1]}) == b'{"outputs":2.0}'


@pytest.mark.parametrize(
    ("dtype", "name"), [(np.complex64, "complex64"), (np.uint16, "uint16")]
)
def test_types_without_a_form_in_json_are_refused(dtype, name):
    for write in (response.predictions_json, response.columns_json):
        assert refusal(write, {"y": np.zeros(2, dtype)}) == (
            f"Failed to write JSON value for tensor type: {name}"
        )


def test_arrays_that_are_no_block_of_memory_are_written():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert (
        response.columns_json({"y": values.T})
        == b'{"outputs":[[0.0,3.0],[1.0,4.0],[2.0,5.0]]}'
    )
    assert response.predictions_json({"y": values.T, "z": values[0]}).startswith(
        b'{"predictions":[{"y":[0.0,3.0],"z":0.0}'
    )
    assert response.regressions_json(values[:, 0]) == b'{"results":[0.0,3.0]}'


# ---------------------------------------------------------------------- classes, errors

SCORES = np.array([[0.2, 0.7], [0.7, np.inf]], np.float32)


def test_classes_are_pairs_of_a_label_and_its_score():
    labels = texts(b"car", b"b\xffke", b"car", b"bus").reshape(2, 2)
    assert response.classifications_json(Classes(labels, SCORES)).decode() == (
        '{"results":[[["car",0.2],["b\ufffdke",0.7]],[["car",0.7],["bus",Infinity]]]}'
    )
    assert response.classifications_json(Classes(labels[1:], None)) == (
        b'{"results":[[["car",0.0],["bus",0.0]]]}'
    )
    assert response.classifications_json(Classes(None, SCORES[:1])) == (
        b'{"results":[[["",0.2],["",0.7]]]}'
    )


def test_errors_are_an_object_whatever_their_text():
    for message in ('Bad key: "key"', "Bad key: 'key'", "\ud800", "\0\n", "ä"):
        assert json.loads(response.error_json(message)) == {"error": message}


# ---------------------------------------------------------------------- laws


@given(st.lists(st.floats(width=32), min_size=1, max_size=20), st.booleans())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_is_written_reads_back_as_the_same_floats(values, in_rows):
    array = np.array(values, np.float32)
    write = response.predictions_json if in_rows else response.columns_json
    (read,) = json.loads(write({"y": array})).values()
    np.testing.assert_array_equal(np.array(read, np.float32), array)


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_bytes_are_written_as_json(values):
    (read,) = orjson.loads(response.columns_json({"y": texts(*values)})).values()
    assert read == [value.decode("utf-8", "replace") for value in values]


@pytest.mark.parametrize("shape", [(7,), (7, 3), (1, 9), (4, 2, 3)])
def test_a_large_answer_is_written_as_a_small_one_is(monkeypatch, shape):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    array.flat[3] = np.nan
    array.flat[5] = np.inf
    several = {"a": array, "b": array}
    small = [
        response.predictions_json({"y": array}),
        response.columns_json({"y": array}),
        response.predictions_json(several),
    ]
    monkeypatch.setattr(response, "LARGE_SIZE", 2)
    assert small == [
        response.predictions_json({"y": array}),
        response.columns_json({"y": array}),
        response.predictions_json(several),
    ]
