"""JSON text is read as TensorFlow Serving reads it, and shown as it shows it."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasnn.serving.errors import Code, ServingError
from kerasnn.serving.rest.excerpt import MAX_EXCERPT_CHARACTERS, excerpt, type_name
from kerasnn.serving.rest.parser import read_object, signature_name


def refusal(body):
    with pytest.raises(ServingError) as caught:
        read_object(body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        (b"instances = [1, 2]", "Invalid value. at offset: 0"),
        (b'{"a": [1,]}', "Invalid value. at offset: 9"),
        (b'{"a": -}', "Invalid value. at offset: 6"),
        (b'{"a": [', "Invalid value. at offset: 7"),
        (b"{a: 1}", "Missing a name for object member. at offset: 1"),
        (b"{", "Missing a name for object member. at offset: 1"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a": 1 2}', "Missing a comma or } after an object member. at offset: 8"),
        (b'{"a": [[1], 2', "Missing a comma or ] after an array element. at offset: 13"),
        (
            b'{"a": [{"b": 1 2}',
            "Missing a comma or } after an object member. at offset: 15",
        ),
        (b'{"a": "b', "Missing a closing quotation mark in string. at offset: 6"),
        (b'{"a": "\n"}', "Invalid encoding in string. at offset: 7"),
        (b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
        (
            b'{"a": "\\u12g4"}',
            "Incorrect hex digit after \\u escape in string. at offset: 8",
        ),
        (b'{"\xc3\xa4": nul}', "Invalid value. at offset: 7"),
        (b'{"a": 1e400}', "Number too big to be stored in double."),
        (b'{"a": 1' + 400 * b"0" + b"}", "Number too big to be stored in double."),
        (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
        (b'{"a": "\\ud800"}', "The surrogate pair in string is invalid."),
        (b'{"\\udc00": 1}', "The surrogate pair in string is invalid."),
    ],
    ids=repr,
)
def test_what_is_no_json_is_told_in_servings_words(body, message):
    assert refusal(body) == f"JSON Parse error: {message}"


@pytest.mark.parametrize("opening", [b'{"a":', b"["], ids=repr)
def test_half_a_million_levels_are_a_clean_refusal(opening):
    body = b'{"instances": [1], "nested": ' + 500_000 * opening
    assert refusal(body) == "JSON Parse error: Lists or objects are nested too deep."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1, [2.5]]", "JSON Value: [1, [2.5]] Is not object"),
        (b'"x"', 'JSON Value: "x" Is not object'),
        (b"null", "JSON Value: null Is not object"),
        (b"NaN and more", "JSON Value: NaN Is not object"),
    ],
)
def test_a_request_is_an_object(body, message):
    assert refusal(body) == message


@pytest.mark.parametrize(
    "end", [b" and more", b"}", b"\xff\xfe", b'"\\ud800', b"\0", b"{"], ids=repr
)
def test_what_stands_after_the_document_is_not_read(end):
    assert read_object(b' {"a": "\xc3\xa4\\ud83d\\ude00"}' + end) == {"a": "ä😀"}


def test_a_byte_order_mark_is_passed_over():
    assert read_object(b"\xef\xbb\xbf {}") == {}


def test_nan_and_the_infinities_are_numbers_long_and_short():
    body = b'{"a": [NaN, -NaN, Infinity, -Infinity, Inf, -Inf], "b": "\\"Inf, -Inf"}'
    document = read_object(body)
    assert all(map(math.isnan, document["a"][:2]))
    assert document["a"][2:] == [math.inf, -math.inf, math.inf, -math.inf]
    assert document["b"] == '"Inf, -Inf'


@pytest.mark.parametrize("more", ["", ", NaN"], ids=["fast", "lenient"])
def test_numbers_are_the_same_either_way(more):
    text = "0, -0, 1, 1.0, 1e0, 18446744073709551615, -9223372036854775808"
    read = read_object(f'{{"a": [{text}{more}]}}'.encode())["a"][:7]
    expected = [0, 0, 1, 1.0, 1.0, 2**64 - 1, -(2**63)]
    assert (read, list(map(type, read))) == (expected, list(map(type, expected)))
    too_wide = "18446744073709551616, -9223372036854775809"
    read = read_object(f'{{"a": [{too_wide}{more}]}}'.encode())["a"][:2]
    assert (read, list(map(type, read))) == ([2.0**64, -(2.0**63)], [float, float])


def test_of_a_key_that_comes_twice_the_last_counts():
    assert read_object(b'{"a": 1, "a": 2}') == {"a": 2}
    assert read_object(b'{"a": 1, "a": NaN, "a": 2}') == {"a": 2}


@given(
    st.binary(max_size=40) | st.text('{}[]":,\\u0dDIinf N-1.e', max_size=30).map(str.encode)
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_bytes_are_an_object_or_a_refusal(body):
    try:
        document = read_object(body)
    except ServingError as error:
        refused = error
    else:
        assert type(document) is dict
        return
    assert refused.message.startswith("JSON ")


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=8,
        ),
        max_size=3,
    )
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_is_written_is_read(document):
    assert repr(read_object(json.dumps(document).encode())) == repr(document)


# ---------------------------------------------------------------------- signature, messages


def test_a_signature_has_a_name_of_text():
    assert signature_name({}) == ""
    assert signature_name({"signature_name": "classify"}) == "classify"
    for name in (5, None, ["a"], {}):
        with pytest.raises(ServingError, match="key must be a string value"):
            signature_name({"signature_name": name})


def test_a_value_is_shown_as_serving_prints_it():
    value = {"a": [1, "b", {"c": None, "d": []}], "e": {}, "f": 1.5}
    assert excerpt(value) == (
        '{\n    "a": [1, "b", {\n            "c": null,\n            "d": []\n        }],'
        '\n    "e": {},\n    "f": 1.5\n}'
    )
    assert excerpt("ä") == '"ä"'


def test_of_a_large_value_only_the_beginning_is_looked_at():
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    for value in ("x" * 10**6, [1] * 10**6, deep, {"x" * 10**6: 1}):
        assert len(excerpt(value)) == MAX_EXCERPT_CHARACTERS


def test_types_are_named_as_serving_names_them():
    values = (None, True, False, {}, [], "", 1, 1.5)
    assert [type_name(value) for value in values] == (
        ["Null", "True", "False", "Object", "Array", "String", "Number", "Number"]
    )
