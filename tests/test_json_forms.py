"""JSON that may lie: what is read, and how an error names file and field."""

import math

import pytest

from kerasnn.errors import InputError, printable
from kerasnn.json_forms import (
    MAX_NESTING,
    any_number,
    anything,
    check_form,
    either,
    list_of,
    mapping_of,
    nullable,
    number,
    one_of,
    parse_json,
    record,
    sequence,
    text,
    truth,
    whole,
)

POINT = record({"x": number}, {"name": text(3)}, others=False)


def error_of(form, value):
    with pytest.raises(InputError) as caught:
        check_form(value, form, source="file")
    return str(caught.value)


@pytest.mark.parametrize(
    ("form", "good", "bad", "message"),
    [
        (text(3), "abc", "abcd", "it must be text of at most 3 characters; got 'abcd'"),
        (whole(1, 3), 3, 4, "it must be a whole number from 1 to 3; got 4"),
        (whole(0, 3), 0, True, "it must be a whole number from 0 to 3; got True"),
        (number, 1, math.inf, "it must be a finite number; got inf"),
        (number, 0.5, 10**400, f"it must be a finite number; got 1{'0' * 59}..."),
        (any_number, math.nan, "1", "it must be a number; got '1'"),
        (truth, False, 0, "it must be true or false; got 0"),
        (one_of(1, "a"), 1, True, "it must be 1 or 'a'; got True"),
        (nullable(truth), None, 1, "it must be true or false; got 1"),
        (list_of(number, 2), [], [1, 2, 3], "it must be a list of 0 to 2 members"),
        (list_of(number), [1], [1, "a"], "[1] must be a finite number; got 'a'"),
        (sequence(number, truth), [1, True], [1], "it must be a list of 2 members"),
        (
            mapping_of(truth),
            {"a b": True},
            {"a b": 1},
            "'a b' must be true or false; got 1",
        ),
        (either(number, truth), True, "", "it must be true or false; got ''"),
        (list_of(POINT), [{"x": 1}], [{"name": "a"}], "[0] has no x"),
        (mapping_of(POINT), {"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, "a.y is not known"),
        (
            POINT,
            {"x": 1, "name": "abc"},
            {"x": None},
            "x must be a finite number; got None",
        ),
        (POINT, {"x": 1}, 3, "it must be an object; got 3"),
        (record({}, {}, others=True), {"y": [1]}, [], "it must be an object; got []"),
        (list_of(anything), [None, {"a": 1}], {}, "it must be a list of 0 to 1,000,000"),
    ],
)
def test_a_form_takes_what_has_it_and_names_what_does_not(form, good, bad, message):
    check_form(good, form, source="file")
    assert error_of(form, bad).startswith(f"file: {message}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b'"\\ud800"',
        b"[" * 100_000,
        b"[" * (MAX_NESTING + 2) + b"]" * (MAX_NESTING + 2),
        b"1" * 5000,
    ],
    ids=lambda content: content[:8].decode("latin-1"),
)
def test_what_is_no_json_within_the_bounds_is_one_error(content):
    with pytest.raises(InputError, match=r"^file: cannot be read: [^\n]*$"):
        parse_json(content, source="file")


def test_json_within_the_bounds_is_read():
    nested = "[" * MAX_NESTING + "]" * MAX_NESTING
    assert parse_json(b'{"a": [1, null, "\xc3\xa9"]}', source="") == {"a": [1, None, "é"]}
    assert parse_json(nested, source="")


def test_what_changes_a_terminal_is_escaped():
    assert printable("a\x1b[31m\nb\u202ec\x9b\ud800") == r"a\x1b[31m\nb\u202ec\x9b\ud800"
    assert printable("Größe 木 «x» 😀") == "Größe 木 «x» 😀"
