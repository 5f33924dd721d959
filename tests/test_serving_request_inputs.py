"""Arrays out of JSON: TensorFlow Serving's own cases (its json_tensor_test), and more."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.options import Limits
from kerasnn.serving.rest.array import BLOCK
from kerasnn.serving.rest.parser import read_object
from kerasnn.serving.rest.request_inputs import read_inputs
from kerasnn.serving.saved_model.signatures import PREDICT, Signature, TensorInfo

LIMITS = Limits(rows=5000, nesting=10)


def signature(**dtypes):
    infos = {
        name: TensorInfo(name, f"{name}:0", dtype, None) for name, dtype in dtypes.items()
    }
    return Signature("serving_default", PREDICT, infos, {})


def read(document, **dtypes):
    if isinstance(document, str):
        document = read_object(document.encode())
    return read_inputs(document, signature(**dtypes), LIMITS)


def refusal(document, code=Code.INVALID_ARGUMENT, **dtypes):
    with pytest.raises(ServingError) as caught:
        read(document, **dtypes)
    assert caught.value.code is code
    return caught.value.message


def same(array, values, dtype):
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, np.array(values, dtype))


# ---------------------------------------------------------------------- what is read


def test_rows_get_a_dimension_before_their_own():
    same(
        read({"instances": [[1, 2], [3, 4], [5, 6]]}, x=tf.int32)["x"],
        [[1, 2], [3, 4], [5, 6]],
        np.int32,
    )
    same(read({"instances": [{"x": [[1], [2]]}]}, x=tf.int32)["x"], [[[1], [2]]], np.int32)


def test_columns_keep_their_shape():
    for inputs in ([[[1, 2], [3, 4]]], {"x": [[[1, 2], [3, 4]]]}):
        same(read({"inputs": inputs}, x=tf.int32)["x"], [[[1, 2], [3, 4]]], np.int32)
    same(read({"inputs": 2}, x=tf.int32)["x"], 2, np.int32)
    assert read({"inputs": []}, x=tf.string)["x"].shape == (0,)
    assert read({"inputs": [[], []]}, x=tf.float32)["x"].shape == (2, 0)
    assert read({"inputs": []}, x=tf.half)["x"].dtype == np.float16


def test_several_inputs_in_rows():
    rows = """{"instances": [
        {"i": [[1, 2], [3, 4]], "s": ["foo", "bar"], "f": [1.0, NaN], "d": [NaN]},
        {"d": [2.0], "i": [[7, 8], [9, 0]], "s": ["baz", {"b64": "aGVsbG8="}],
         "f": [2, Infinity]}]}"""
    arrays = read(rows, i=tf.int32, s=tf.string, f=tf.float32, d=tf.float64)
    same(arrays["i"], [[[1, 2], [3, 4]], [[7, 8], [9, 0]]], np.int32)
    same(arrays["s"], [[b"foo", b"bar"], [b"baz", b"hello"]], object)
    same(arrays["f"], [[1.0, np.nan], [2.0, np.inf]], np.float32)
    same(arrays["d"], [[np.nan], [2.0]], np.float64)


def test_several_inputs_in_columns():
    columns = {
        "i": [[[1, 2], [3, 4], [5, 6]]],
        "s": ["foo", "bar"],
        "b": {"b64": "aGVsbG8="},
        "more": None,
    }
    arrays = read({"inputs": columns}, i=tf.int32, s=tf.string, b=tf.string)
    assert list(arrays) == ["i", "s", "b"]
    same(arrays["i"], [[[1, 2], [3, 4], [5, 6]]], np.int32)
    same(arrays["s"], [b"foo", b"bar"], object)
    same(arrays["b"], b"hello", object)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1435774380", 1435774380.0),
        ("1435774380.0", 1435774380.0),
        ("16777217", 16777216.0),
        ("1.7976931348623157e308", np.inf),
        ("-1.7976931348623157e308", -np.inf),
        ("18446744073709551615", 2.0**64),
        ("2.2250738585072014e-308", 0.0),
        ("-2.2250738585072014e-308", -0.0),
        ("0.1", 0.1),
    ],
)
def test_any_number_is_a_float(text, value):
    array = read(f'{{"instances": [{text}]}}', x=tf.float32)["x"]
    same(array, [value], np.float32)
    assert np.signbit(array[0]) == np.signbit(value)
    same(read(f'{{"inputs": {text}}}', x=tf.float64)["x"], float(text), np.float64)


def test_bytes_are_base64_padded_or_not_and_may_be_in_lines():
    values = ["YQ==", "YQ", "YWI=", "YWI", "YWJj", "", "Y\nWI\r\n=", "+/+/"]
    rows = [{"b64": value} for value in values]
    expected = [b"a", b"a", b"ab", b"ab", b"abc", b"", b"ab", b"\xfb\xff\xbf"]
    same(read({"instances": rows}, x=tf.string)["x"], expected, object)
    same(read({"inputs": rows[0]}, x=tf.string)["x"], b"a", object)


@pytest.mark.parametrize("text", ["*", "Y", "YQ=", "YQ===", "=", "-_-_", "ä", "YQ==YQ=="])
def test_what_is_no_base64_is_refused(text):
    message = "Unable to base64 decode"
    assert refusal({"inputs": {"b64": text}}, x=tf.string) == message
    rows = {"instances": ["a", {"b64": text}]}
    assert refusal(rows, x=tf.string) == IN_ROW.format(1) + message


def test_arrays_can_be_written_to():
    for dtype in (tf.float32, tf.float64, tf.int64, tf.bool):
        value = True if dtype is tf.bool else 1
        assert read({"inputs": [value]}, x=dtype)["x"].flags.writeable


# ---------------------------------------------------------------------- what is refused

IN_ROW = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [[1, 2], [3, 4], [5, 6, 7]],
            IN_ROW.format(2) + "Expecting tensor size: 2 but got: 3",
        ),
        (
            [[1, 2], [3, 4], [[5, 6]]],
            IN_ROW.format(2) + "Expecting shape [2] but got: [1,2]",
        ),
        ([1, [1]], IN_ROW.format(1) + "Expecting shape [] but got: [1]"),
        (
            [[1, 2], ["a", "b"]],
            IN_ROW.format(1)
            + 'JSON Value: "a" Type: String is not of expected type: int32',
        ),
    ],
)
def test_rows_that_differ_are_refused(items, message):
    assert refusal({"instances": items}, x=tf.int32) == message


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [{"i": [[1, 2]], "s": "foo"}, {"i": [[[7, 8]]], "s": "baz"}],
            IN_ROW.format("1 key: i") + "Expecting shape [1,2] but got: [1,1,2]",
        ),
        (
            [{"i": [1, 2, 3], "s": "foo"}, {"i": [7, 8], "s": "baz"}],
            IN_ROW.format("1 key: i") + "Expecting tensor size: 3 but got: 2",
        ),
        (
            [{"i": 1, "s": "foo"}, [1, 20, 30], {"i": 2, "s": "bar"}],
            "Expecting object but got list at item 1 of input list",
        ),
        (
            [{"i": 1, "s": "foo"}, {"i": 1}],
            "Failed to process element: 1 of 'instances' list. JSON object:"
            ' {\n    "i": 1\n} keys must be equal to: i,s',
        ),
        (
            [{"i": 1, "s": "foo"}, {"i": 1, "s": "foo", "z": 1}],
            IN_ROW.format("1 key: z") + "JSON object: does not have named input: z",
        ),
    ],
)
def test_rows_of_several_inputs_that_differ_are_refused(items, message):
    assert refusal({"instances": items}, i=tf.int32, s=tf.string) == message


@pytest.mark.parametrize("value", [True, None, "1", [], {"b64": "YQ=="}], ids=repr)
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.int32, tf.int64, tf.uint64])
def test_only_numbers_are_numbers(dtype, value):
    assert "is not of expected type" in refusal({"inputs": [1, value]}, x=dtype) or (
        value == [] and "unexpected level" in refusal({"inputs": [1, value]}, x=dtype)
    )


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (tf.int8, -(2**31), 2**31 - 1),
        (tf.int16, -(2**31), 2**31 - 1),
        (tf.uint8, -(2**31), 2**31 - 1),
        (tf.int32, -(2**31), 2**31 - 1),
        (tf.uint32, 0, 2**32 - 1),
        (tf.int64, -(2**63), 2**63 - 1),
        (tf.uint64, 0, 2**64 - 1),
    ],
)
def test_integers_have_the_range_of_the_protocols_field(dtype, low, high):
    array = read({"inputs": [low, high]}, x=dtype)["x"]
    kind = np.dtype(dtype.as_numpy_dtype)
    bits = 8 * kind.itemsize
    for value, wrapped in zip((low, high), array.tolist(), strict=True):
        assert (value - wrapped) % 2**bits == 0
    for text in (str(low - 1), str(high + 1), "1.0", "1e3", "NaN"):
        message = refusal(f'{{"inputs": [{text}]}}', x=dtype)
        assert message.startswith("JSON Value: ")
        assert message.endswith(f" Type: Number is not of expected type: {dtype.name}")


@pytest.mark.parametrize("dtype", [tf.half, tf.bfloat16])
def test_half_floats_are_rounded_and_too_large_ones_are_infinite(dtype):
    given = read('{"inputs": [0.1, 2, -1e300, NaN]}', x=dtype)["x"]
    exact = tf.cast(tf.constant([0.1, 2, -np.inf, np.nan], tf.float64), dtype).numpy()
    assert given.dtype == exact.dtype
    np.testing.assert_array_equal(given.astype(float), exact.astype(float))
    for value in ('"1"', "true", "null"):
        assert "is not of expected type" in refusal(f'{{"inputs": [{value}]}}', x=dtype)


@pytest.mark.parametrize("dtype", [tf.complex64, tf.uint16])
def test_types_without_a_form_in_json_are_unimplemented(dtype):
    told = "Conversion of JSON Value: 1 to type: "
    message = refusal({"inputs": [1]}, Code.UNIMPLEMENTED, x=dtype)
    assert message == told + dtype.name
    message = refusal({"instances": [1]}, x=dtype)
    assert message.startswith(IN_ROW.format(0).replace("INVALID_ARGUMENT", "UNIMPLEMENTED"))


def test_lists_have_a_bound_in_depth():
    deep: object = 1
    for _ in range(10):
        deep = [deep]
    assert read({"inputs": deep}, x=tf.int32)["x"].shape == (1,) * 10
    told = "lists may be nested at most 10 deep (--max-nesting)"
    assert refusal({"inputs": [deep]}, x=tf.int32) == told
    assert refusal({"instances": [deep]}, x=tf.int32) == told
    assert refusal({"inputs": [1, deep]}, x=tf.int32) == (
        "Encountered list at unexpected level: 1 expected < 1"
    )


def test_rows_have_a_bound_in_number():
    told = "a request may have at most 5000 rows (--max-rows); got 5001"
    assert len(read({"instances": [1] * 5000}, x=tf.int32)["x"]) == 5000
    assert refusal({"instances": [1] * 5001}, x=tf.int32) == told
    assert refusal({"inputs": [[1]] * 5001}, x=tf.int32) == told
    assert refusal({"inputs": ["a"] * 5001}, x=tf.string) == told
    columns = {"x": [1] * 5001, "y": [1] * 5001}
    assert refusal({"inputs": columns}, x=tf.int32, y=tf.int32) == told
    assert refusal({"instances": [{"x": 1}] * 5001}, x=tf.int32) == told


def test_the_numbers_of_a_signal_are_no_rows():
    assert len(read({"inputs": [1] * 5001}, x=tf.int32)["x"]) == 5001


def test_a_signature_without_inputs_is_not_for_rest():
    told = "Failed to get input map for signature: "
    assert refusal({}) == f"{told}DEFAULT"
    assert refusal({"signature_name": ""}) == f"{told}DEFAULT"
    assert refusal({"signature_name": "count", "inputs": {}}) == f"{told}count"


@pytest.mark.parametrize("at", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1])
def test_the_wrong_one_of_many_is_named(at):
    def with_wrong(good, wrong):
        return [wrong if i == at else good for i in range(3 * BLOCK)]

    told = 'JSON Value: "x" Type: String is not of expected type: float'
    assert refusal({"inputs": with_wrong(1, "x")}, x=tf.float32) == told
    nested = with_wrong([[1, 2]], [[1, "x"]])
    assert refusal({"inputs": nested}, x=tf.float32) == told
    assert refusal({"instances": with_wrong(1, "x")}, x=tf.float32) == (
        IN_ROW.format(at) + told
    )
    rows = with_wrong({"x": 1, "y": [1]}, {"x": 1, "y": ["x"]})
    assert refusal({"instances": rows}, x=tf.float32, y=tf.float32) == (
        IN_ROW.format(f"{at} key: y") + told
    )
    if at:
        rows = with_wrong({"x": [1]}, {"x": [1, 2]})
        assert refusal({"instances": rows}, x=tf.float32) == (
            IN_ROW.format(f"{at} key: x") + "Expecting tensor size: 1 but got: 2"
        )


def test_where_half_of_many_has_another_shape_the_first_of_them_is_named():
    half = [1] * BLOCK
    lists, pairs = [[1]] * BLOCK, [[1, 2]] * BLOCK
    assert refusal({"inputs": lists + pairs}, x=tf.float32) == (
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1"
    )
    assert refusal({"inputs": half + lists}, x=tf.float32) == (
        "Encountered list at unexpected level: 1 expected < 1"
    )
    told = "Expecting tensor size: 1 but got: 2"
    assert refusal({"instances": lists + pairs}, x=tf.float32) == (
        IN_ROW.format(BLOCK) + told
    )
    rows = [{"x": x} for x in lists + pairs]
    assert refusal({"instances": rows}, x=tf.float32) == (
        IN_ROW.format(f"{BLOCK} key: x") + told
    )


# ---------------------------------------------------------------------- laws

LEAF = st.none() | st.booleans() | st.integers(-300, 2**64) | st.floats() | st.text("a=")
VALUE = st.recursive(
    LEAF | st.builds(lambda text: {"b64": text}, st.text("aQ=", max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("x"), inner),
    max_leaves=10,
)
READABLE = [tf.float32, tf.float64, tf.int8, tf.int32, tf.uint64, tf.bool, tf.string]


@given(VALUE, st.sampled_from(READABLE), st.sampled_from(["inputs", "instances"]))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_value_becomes_an_array_of_its_type_or_is_refused(value, dtype, form):
    try:
        arrays = read({form: value}, x=dtype)
    except ServingError as error:
        refused = error
    else:
        kind = object if dtype is tf.string else dtype.as_numpy_dtype
        assert arrays["x"].dtype == kind
        return
    assert refused.code is Code.INVALID_ARGUMENT
    assert "cannot be read" not in refused.message  # the reason is always found


@given(st.lists(st.floats(width=32), max_size=20))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_floats_are_numpys_whatever_their_number(values):
    array = read({"inputs": values}, x=tf.float32)["x"]
    np.testing.assert_array_equal(array, np.array(values, np.float32))


@pytest.mark.parametrize("text", ["44,2", "$1,234.50", "12%", "44.2"])
def test_a_number_written_for_people_gets_a_hint(text):
    hint = "send a number without quotes, with a decimal point: 44.2"
    assert refusal({"instances": [text]}, x=tf.float64).endswith(hint)
    assert not refusal({"instances": ["abc"]}, x=tf.float64).endswith(hint)
