"""TensorProtos become the arrays that TensorFlow reads out of them, or a clean error."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, types_pb2

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.saved_model.tensors import (
    MAX_FILLED_BYTES,
    MAX_FILLED_ELEMENTS,
    array_from_proto,
    dtype_name,
    write_proto,
)

NUMBERS = [
    *(tf.float32, tf.float64, tf.half, tf.bfloat16, tf.complex64, tf.complex128),
    *(tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64),
    tf.bool,
]
QUANTIZED = [tf.qint8, tf.quint8, tf.qint16, tf.quint16, tf.qint32]
ROWS = 1000


def proto(dtype, shape=(), **values):
    tensor = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, **values)
    for size in shape:
        tensor.tensor_shape.dim.add().size = size
    return tensor


def read(tensor):
    return array_from_proto("x", tensor, max_rows=ROWS)


def written(array):
    tensor = tensor_pb2.TensorProto()
    write_proto(tensor, array)
    return tensor


def error_of(tensor):
    with pytest.raises(ServingError) as caught:
        read(tensor)
    assert caught.value.code == Code.INVALID_ARGUMENT
    return caught.value.message


def array(dtype, shape):
    """Values that every type can hold, no two neighbours alike."""
    values = np.arange(np.prod(shape, dtype=int)) % 2 if dtype.is_bool else None
    values = np.arange(np.prod(shape, dtype=int)) if values is None else values
    return values.reshape(shape).astype(dtype.as_numpy_dtype)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("dtype", NUMBERS, ids=lambda dtype: dtype.name)
class TestNumbers:
    def test_typed_values_come_back_equal(self, dtype, shape):
        sent = array(dtype, shape)
        tensor = written(sent)
        assert tensor.tensor_content == b""
        got = read(tensor)
        assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
        np.testing.assert_array_equal(got, sent)

    def test_tensorflow_reads_what_is_written(self, dtype, shape):
        sent = array(dtype, shape)
        got = tf.make_ndarray(written(sent))
        assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
        np.testing.assert_array_equal(got, sent)

    def test_what_tensorflow_writes_is_read(self, dtype, shape):
        sent = array(dtype, shape)
        got = read(tf.make_tensor_proto(sent))
        assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
        np.testing.assert_array_equal(got, sent)


@pytest.mark.parametrize("dtype", QUANTIZED, ids=lambda dtype: dtype.name)
def test_quantized_numbers_come_back_equal(dtype):
    base = np.dtype(dtype.as_numpy_dtype)[0]
    sent = np.arange(6, dtype=base).reshape(2, 3).view(dtype.as_numpy_dtype)
    got = read(written(sent.reshape(2, 3)))
    assert (got.dtype, got.shape) == (sent.dtype, (2, 3))
    np.testing.assert_array_equal(got, sent)


def test_answers_use_the_field_that_clients_read():
    assert list(written(np.float32([[1.5, 2.5]])).float_val) == [1.5, 2.5]
    assert list(written(np.int32([1, 2])).int_val) == [1, 2]
    assert list(written(np.uint8([1, 2])).int_val) == [1, 2]
    assert list(written(np.array([True, False])).bool_val) == [True, False]
    assert list(written(np.float16([1.0])).half_val) == [0x3C00]
    assert list(written(np.complex64([1 + 2j])).scomplex_val) == [1.0, 2.0]
    assert list(written(np.array([b"a", b"\xff"], object)).string_val) == [b"a", b"\xff"]


def test_a_scalar_says_that_it_has_a_shape():
    assert written(np.array(2.0)).HasField("tensor_shape")
    assert written(np.array(b"a", object)).HasField("tensor_shape")


def test_a_tensor_without_a_shape_is_a_scalar():
    assert read(proto(tf.float32, float_val=[2.0])).shape == ()


def test_an_array_that_is_not_in_order_is_written_in_order():
    square = np.arange(4, dtype=np.float32).reshape(2, 2)
    assert list(written(square.T).float_val) == [0, 2, 1, 3]
    assert list(written(square.astype(np.int64)[:, ::-1]).int64_val) == [1, 0, 3, 2]


def test_an_array_that_a_message_cannot_hold_is_refused():
    with pytest.raises(ServingError) as caught:
        written(np.array(["2024-01-01"], "datetime64[D]"))
    assert caught.value.message == (
        "an output of type datetime64[D] cannot be sent in a TensorProto"
    )


@pytest.mark.parametrize(
    ("dtype", "sent", "want"),
    [
        (tf.float32, {"float_val": [1, 2]}, [1, 2, 2, 2]),
        (tf.float32, {"float_val": [3]}, [3, 3, 3, 3]),
        (tf.float32, {}, [0, 0, 0, 0]),
        (tf.float32, {"float_val": [1, 2, 3, 4, 5]}, [1, 2, 3, 4]),
        (tf.float32, {"double_val": [1, 2, 3, 4]}, [0, 0, 0, 0]),  # of another type
        (tf.uint8, {"int_val": [300, -1]}, [44, 255, 255, 255]),
        (tf.half, {"half_val": [0x3C00]}, [1, 1, 1, 1]),
        (tf.complex64, {"scomplex_val": [1, 2, 3]}, [1 + 2j] * 4),
        (tf.string, {"string_val": [b"a", b"b"]}, [b"a", b"b", b"b", b"b"]),
        (tf.string, {}, [b""] * 4),
        (tf.bool, {"bool_val": [True]}, [True] * 4),
    ],
)
def test_values_are_repeated_and_cut_as_tensorflow_does(dtype, sent, want):
    got = read(proto(dtype, (2, 2), **sent))
    np.testing.assert_array_equal(got, np.array(want, got.dtype).reshape(2, 2))


def test_strings_can_be_in_tensor_content():
    content = b"\x01\x00\x83\x02" + b"a" + b"x" * 259
    got = read(proto(tf.string, (3,), tensor_content=content))
    assert got.tolist() == [b"a", b"", b"x" * 259]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x01", "tensor_content has not 2 lengths"),
        (b"\xff\xff\xff\xff\xff\xff", "tensor_content has not 2 lengths"),
        (b"\x01\x01a", "tensor_content must have 4 bytes for its 2 strings; got 3"),
        (b"\x01\x01abc", "tensor_content must have 4 bytes for its 2 strings; got 5"),
        (
            b"\xff\xff\xff\xff\x7f\x00",
            "tensor_content must have 34359738373 bytes for its 2 strings; got 6",
        ),
    ],
)
def test_strings_whose_lengths_are_wrong_are_refused(content, message):
    tensor = proto(tf.string, (2,), tensor_content=content)
    assert error_of(tensor) == f"tensor parsing error: x: {message}"


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (
            proto(tf.float32, (2, 2), tensor_content=b"abc"),
            "tensor_content must have 16 bytes for shape [2,2] of float; got 3",
        ),
        (proto(tf.float32, (-1, 2)), "shape [-1,2] has a negative size"),
        (proto(tf.float32, [1] * 25), "at most 24 dimensions are possible; got 25"),
        (
            proto(tf.float32, (2, 2**40), float_val=[1.0]),
            "its shape must have at most 4194304 elements more than it has values;"
            " got 2199023255552 elements and 1 values",
        ),
        (
            proto(tf.string, (1, 2**62, 2**62)),
            "its shape must have at most 4194304 elements more than it has values;"
            f" got {2**124} elements and 0 values",
        ),
        (
            proto(tf.float32, (1, 2**62, 2**62), tensor_content=b"abcd"),
            f"tensor_content must have {2**126} bytes for shape"
            " [1,4611686018427387904,4611686018427387904] of float; got 4",
        ),
        (
            proto(tf.float32, (0, 2**62, 2**62)),
            "shape [0,4611686018427387904,4611686018427387904] is too large",
        ),
        (proto(tf.variant, (1,)), "variant is not supported"),
        (proto(tf.resource), "resource is not supported"),
        (tensor_pb2.TensorProto(), "invalid is not supported"),
        (tensor_pb2.TensorProto(dtype=101), "float_ref is not supported"),
        (tensor_pb2.TensorProto(dtype=999), "unknown dtype 999 is not supported"),
        (
            tensor_pb2.TensorProto(dtype=1, tensor_shape={"unknown_rank": True}),
            "its rank is unknown",
        ),
    ],
)
def test_what_is_no_tensor_is_refused(tensor, message):
    assert error_of(tensor) == f"tensor parsing error: x: {message}"


def test_a_tensor_of_too_many_rows_is_refused():
    assert error_of(proto(tf.float32, (1001, 2), float_val=[1.0])) == (
        "input x must have at most 1000 rows (--max-rows); got 1001; send several requests"
    )


def test_one_repeated_value_takes_no_memory():
    tracemalloc.start()
    try:
        filled = read(proto(tf.float32, (4, 2**20), float_val=[1.0]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert filled.size == MAX_FILLED_ELEMENTS
    assert peak < 10_000


@pytest.mark.parametrize(("rows", "length"), [(1_000_000, 50_000), (100_000, 1000)])
def test_a_text_is_not_repeated_to_gigabytes(rows, length):
    tensor = proto(tf.string, (rows,), string_val=[b"", b"a" * length])
    with pytest.raises(ServingError, match=f"repeated to more than {MAX_FILLED_BYTES} b"):
        array_from_proto("x", tensor, max_rows=rows)


def test_the_bytes_of_repeats_are_counted_before_they_are_made():
    counted = []
    tensor = proto(tf.string, (1000,), string_val=[b"abc"])
    array = array_from_proto("x", tensor, max_rows=1000, count=counted.append)
    assert counted == [999 * (3 + 64)]
    assert array[0] is array[999]

    def refuse(size):
        raise ServingError(Code.UNAVAILABLE, f"{size}")

    tensor = proto(tf.float64, (1000,), double_val=[1.0, 2.0])
    with pytest.raises(ServingError, match=f"^{998 * 8}$"):
        array_from_proto("x", tensor, max_rows=1000, count=refuse)


def test_a_repeated_value_can_be_fed_to_a_graph():
    filled = read(proto(tf.float32, (2, 3), float_val=[2.0]))
    assert tf.reduce_sum(tf.constant(filled)).numpy() == 12.0


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "float"), (9, "int64"), (19, "half"), (14, "bfloat16"), (7, "string")],
)
def test_types_have_the_names_of_tensorflows_messages(number, name):
    assert dtype_name(number) == name


SIZES = st.one_of(
    st.integers(-3, 20), st.sampled_from([2**20, 2**31, 2**40, 2**62, 2**63 - 1])
)
BYTES = st.binary(max_size=200)
INT32 = st.integers(-(2**31), 2**31 - 1)
TENSORS = st.builds(
    tensor_pb2.TensorProto,
    dtype=st.sampled_from(types_pb2.DataType.values()),
    tensor_shape=st.builds(
        dict,
        dim=st.lists(st.builds(dict, size=SIZES), max_size=5),
        unknown_rank=st.integers(0, 9).map(lambda n: n == 0),
    ),
    tensor_content=st.one_of(st.just(b""), BYTES),
    float_val=st.lists(st.floats(width=32), max_size=20),
    double_val=st.lists(st.floats(), max_size=20),
    int_val=st.lists(INT32, max_size=20),
    half_val=st.lists(INT32, max_size=20),
    string_val=st.lists(BYTES, max_size=5),
    scomplex_val=st.lists(st.floats(width=32), max_size=5),
    dcomplex_val=st.lists(st.floats(), max_size=5),
    bool_val=st.lists(st.booleans(), max_size=5),
)


def outcome(tensor):
    """An array, or the code of the error; the most bytes that were taken on the way."""
    tracemalloc.start()
    try:
        return read(tensor), tracemalloc.get_traced_memory()[1]
    except ServingError as error:
        return error.code, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def check_outcome(tensor):
    got, peak = outcome(tensor)
    assert peak < 100_000 + 40 * tensor.ByteSize() + 2 * 16 * MAX_FILLED_ELEMENTS
    if isinstance(got, np.ndarray):
        assert got.shape == tuple(dim.size for dim in tensor.tensor_shape.dim)
        assert tf.as_dtype(got.dtype).as_datatype_enum == tensor.dtype
        assert got.size <= MAX_FILLED_ELEMENTS + tensor.ByteSize()
    else:
        assert got == Code.INVALID_ARGUMENT


@settings(derandomize=True, max_examples=300, deadline=None, database=None)
@given(TENSORS)
def test_any_tensor_is_an_array_of_its_shape_or_a_clean_error(tensor):
    check_outcome(tensor)


@pytest.mark.slow
@settings(derandomize=True, max_examples=300, deadline=None, database=None)
@given(TENSORS, st.integers(0, 10**6), BYTES)
def test_a_broken_message_is_an_array_or_a_clean_error(tensor, at, noise):
    message = tensor.SerializeToString()
    at %= len(message) + 1
    broken = tensor_pb2.TensorProto()
    try:
        broken.ParseFromString(message[:at] + noise + message[at + len(noise) :])
    except DecodeError:
        return  # grpc answers it
    check_outcome(broken)
