"""Large JSON bodies are read as small ones are, in steps."""

import json

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.serving.errors import ServingError
from kerasnn.serving.options import Limits
from kerasnn.serving.rest import large_body
from kerasnn.serving.rest.large_body import read_large_object
from kerasnn.serving.rest.number_list import NumberList
from kerasnn.serving.rest.parser import read_object
from kerasnn.serving.rest.request_inputs import as_lists


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
    """Steps so short that the lists of tests are large."""
    monkeypatch.setattr(large_body, "_STEP", 12)


def values(document):
    value = document.get("instances", document.get("inputs"))
    return value.values if isinstance(value, NumberList) else None


@pytest.mark.parametrize("separator", [",", ", ", " ,\n  "])
@pytest.mark.parametrize("shape", [(7,), (1, 9), (3, 4), (2, 1, 5), (2, 3, 2, 2)])
@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_a_rectangular_list_of_numbers_is_an_array(shape, separator, dtype):
    array = (np.arange(np.prod(shape)) - 5).reshape(shape).astype(dtype)
    text = json.dumps({"a": 1, "inputs": array.tolist()}, separators=(separator, ":"))
    read = values(read_large_object(text.encode()))
    np.testing.assert_array_equal(read, array, strict=True)


def test_named_lists_are_arrays_and_the_rest_stays():
    sent = {
        "signature_name": "[1]",
        "inputs": {"x": [[1.5, 2.5], [3.5, 4.5]], "words": ["a [1]", "b"], "n": 3},
    }
    read = read_large_object(json.dumps(sent).encode())
    assert isinstance(read["inputs"]["x"], NumberList)
    assert as_lists(read) == sent


def outcome(read, body):
    try:
        return as_lists(read(body))
    except ServingError as error:
        return error.code, error.message


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs":[1[,2],[3,4],[5,6]]}',
        '{"inputs":[[1,2]3,[4,5],[6,7]]}',
        '{"inputs":[[1,2],[3,4],[5]]}',
        '{"inputs":[[1,2],[3,4],5,6,7]}',
        '{"inputs":[[1,2],[3,4],[5,[6]]]}',
        '{"inputs":[[1,2,3,4,5,6],[]]}',
        '{"inputs":[1,2,3,4,5,6,7,]}',
        '{"inputs":[,1,2,3,4,5,6,7]}',
        '{"inputs":[1,2,,3,4,5,6,7]}',
        '{"inputs":[1 2,3,4,5,6,7,8]}',
        '{"inputs":[1,2,3,4,5,6,7,8}',
        '{"inputs":[1,2,3,4,5,6,7,8]',
        '{"inputs":[1,2,3,4,5,6,7,8]]}',
        '{"inputs":[1,2,3,4,5,6,7,01]}',
        '{"inputs":[1,2,3,4,5,6,7,1e400]}',
        '{"inputs":[1,2,3,4,5,6,7,18446744073709551615]}',
        '{"inputs":[1,2,3,4,5,6,7,NaN]}',
        '{"inputs":[[0,0],[0,9007199254740993],[0,0.0]]}',
        '{"inputs":[0.5,9007199254740993,3,4,5,6]}',
        '{"inputs":[0.5,-9007199254740993,9007199254740992]}',
        '{"inputs":[1,2,3,4,5,6,7,null,true]}',
        '{"inputs":"[1,2,3,4,5,6,7,8,9,10]"}',
        '{"inputs":"a\\"[1,2,3,4,5,6,7,8,9,10]\\"b"}',
        '{"instances":[{"x":[1,2,3,4,5,6,7,8]},{"x":[1,2,3,4,5,6,7,8]}]}',
        '{"a":{"b":{"c":[1,2,3,4,5,6,7,8,9]}},"inputs":1}',
        "[1,2,3,4,5,6,7,8,9]",
        '{"inputs":["a","b","c","d","e","f","g","h","i"],"inputs":["j","k"]}',
        "[[[[[[[[[[[[[[[[[[[[",
        "]]]]]]]]]]]]]]]]]]]]",
        '{"inputs":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}',
    ],
)
def test_all_else_is_read_as_in_small_bodies(text):
    body = text.encode()
    assert outcome(read_large_object, body) == outcome(read_object, body)


@pytest.mark.parametrize(
    "items",
    [
        ["a", 'b","c', "],[", "},{", "\\", ","] * 5,
        [{"x": "},{", "y": [1, 2]}, {"x": "],", "y": []}] * 5,
        [[1, "a"], [None, True], []] * 5,
        [1, "a", 2.5, {"b64": "YQ=="}, [[]]] * 5,
        ["a text without an end, as it is longer than a piece, " * 5] * 3,
    ],
)
def test_lists_of_texts_and_objects_are_read_in_pieces(items):
    for key in ("instances", "inputs", "examples"):
        body = orjson.dumps({key: items, "signature_name": "s"})
        assert outcome(read_large_object, body) == outcome(read_object, body)


def test_texts_are_joined_from_pieces_and_freed(monkeypatch):
    monkeypatch.setattr(large_body, "read_object", None)
    body = orjson.dumps({"instances": ["ab", "c,d", "e"] * 9, "more": 1})
    document = read_large_object(body)
    assert document == {"instances": ["ab", "c,d", "e"] * 9, "more": 1}
    large_body.release(document)
    assert document["instances"] == []


numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, width=32)
nested = st.recursive(numbers, lambda inner: st.lists(inner, max_size=4), max_leaves=30)


@given(nested, st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_whatever_is_sent_the_outcome_is_that_of_small_bodies(value, data):
    text = orjson.dumps({"inputs": value}).decode()
    if data.draw(st.booleans()):  # with one character changed
        at = data.draw(st.integers(0, len(text) - 1))
        text = text[:at] + data.draw(st.sampled_from('[],0-.e "}')) + text[at + 1 :]
    body = text.encode()
    assert outcome(read_large_object, body) == outcome(read_object, body)


# ---------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"instances":[%s]}' % b",".join([b"{}"] * 99), "at most 50 objects and lists"),
        (b'{"instances":[%s]}' % b",".join([b"[]"] * 99), "at most 50 objects and lists"),
        (b'{"instances":[%s]}' % (b"[" * 60 + b"]" * 60), "at most 50 objects and lists"),
        (b'{"inputs":{"n":[1,2,3,4],"x":[%s]}}' % b",".join([b'["a"]'] * 60), "at most 50"),
        (b"{%s}" % b",".join(b'"%d" : 1' % i for i in range(99)), "at most 20 names of"),
        (b'{"x":[{%s}]}' % b",".join(b'"%d":1' % i for i in range(99)), "at most 20 names"),
        (b'{"inputs":{"x":[[1],[%s]]}}' % b" , ".join([b"-1"] * 99), "at most 30 numbers"),
        (b'{"instances":[[1],[%s]]}' % b",".join([b"2.5"] * 99), "at most 30 numbers"),
    ],
)
def test_more_objects_lists_or_names_than_are_needed_are_refused(body, told, monkeypatch):
    monkeypatch.setattr(large_body, "MAX_CONTAINERS", 50)
    monkeypatch.setattr(large_body, "MAX_NAMES", 20)
    monkeypatch.setattr(large_body, "MAX_NUMBERS", 30)
    for counted in (7, 2**18):
        monkeypatch.setattr(large_body, "_COUNTED", counted)
        with pytest.raises(ServingError, match=told):
            read_large_object(body, Limits(rows=20))


def test_numbers_and_rows_need_no_such_bounds(monkeypatch):
    monkeypatch.setattr(large_body, "MAX_CONTAINERS", 200)
    monkeypatch.setattr(large_body, "MAX_NAMES", 20)
    monkeypatch.setattr(large_body, "MAX_NUMBERS", 30)
    sent = {"inputs": [[float(i)] for i in range(500)]}
    assert as_lists(read_large_object(json.dumps(sent).encode(), Limits(rows=9))) == sent
    monkeypatch.setattr(large_body, "_STEP", 200)
    rows = [{"x": "a", "y": i} for i in range(190)]
    for sent in (
        {"instances": rows},
        {"signature_name": "interval", "instances": rows},
    ):
        assert read_large_object(json.dumps(sent).encode(), Limits(rows=9)) == sent


def test_more_rows_may_have_more_objects(monkeypatch):
    monkeypatch.setattr(large_body, "MAX_CONTAINERS", 50)
    body = b'{"instances":[%s]}' % b",".join([b"{}"] * 98)
    assert len(read_large_object(body, Limits(rows=50))["instances"]) == 98


def test_reading_ends_with_the_time_of_a_request():
    body = b'{"instances":[%s]}' % b",".join([b'{"x":1}'] * 99)
    with pytest.raises(TimeoutError):
        read_large_object(body, Limits(timeout_seconds=-1.0))
