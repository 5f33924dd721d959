"""Parser of the JSON of requests, as lenient as TensorFlow Serving's.

A fast library parses standard JSON. If it fails, Python's parser tries again, for what
TensorFlow Serving also accepts: NaN and the infinities (in tables with missing values), a
byte order mark, and anything after the end of the document.
"""

import json
import re
from typing import Any

import orjson

from kerasnn.serving.errors import ServingError, invalid
from kerasnn.serving.rest.excerpt import excerpt

# Python's parser takes ten times as long, and blocks all other requests.
MAX_LENIENT_BYTES = 4 * 2**20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITESPACE = re.compile(r"[ \t\n\r]*")
# The fast library parses numbers here too, so that both parsers agree: integers beyond
# 64 bits become floats, and numbers too large for a double are errors.
_DECODER = json.JSONDecoder(parse_float=orjson.loads, parse_int=orjson.loads)
# Strings are matched to be skipped; without backtracking, since they may be long.
_SHORT_WORD = re.compile(r'"(?:[^"\\]|\\.)*+"?|-?Inf(?!inity)|-NaN', re.DOTALL)
_SHORT_WORDS = {"Inf": "Infinity", "-Inf": "-Infinity", "-NaN": "NaN"}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

# Messages of Python's parser, in TensorFlow Serving's words.
_REASONS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": (
        "Missing a name for object member."
    ),
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid \\escape": "Invalid escape character in string.",
}
_COMMA = "Expecting ',' delimiter"


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a request's body.

    If a key occurs twice, the last value counts.

    Raises:
        ServingError: INVALID_ARGUMENT, it is no JSON object.
    """
    if not body:
        raise _unreadable("The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if len(body) > MAX_LENIENT_BYTES:
            raise _unreadable(
                f"{error}. Beyond {MAX_LENIENT_BYTES} bytes only standard JSON is read,"
                " without NaN"
            ) from None
        document = _read_leniently(body)
    if type(document) is not dict:
        raise invalid(f"JSON Value: {excerpt(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """Return the name of a request's signature; "" if there is none.

    Raises:
        ServingError: INVALID_ARGUMENT, it is no string.
    """
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise invalid(
            f"JSON Value: {excerpt(document)} not formatted correctly. 'signature_name' key"
            " must be a string value."
        )
    return name


def _read_leniently(body: bytes) -> Any:
    # Invalid UTF-8 becomes lone surrogates: after the document it is legal.
    text = body.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    try:
        return _document(text)
    except orjson.JSONDecodeError:  # before the next, of which it is a kind
        raise _unreadable("Number too big to be stored in double.") from None
    except json.JSONDecodeError as error:
        raise _explained(error) from None
    except RecursionError:
        raise _unreadable("Lists or objects are nested too deep.") from None


def _document(text: str) -> Any:
    try:
        document, end = _decoded(text)
    except json.JSONDecodeError as error:
        if not text.startswith(tuple(_SHORT_WORDS), error.pos):
            raise
        text = _SHORT_WORD.sub(lambda m: _SHORT_WORDS.get(m[0], m[0]), text)
        document, end = _decoded(text)
    _check_encoding(text, end, document)
    return document


def _decoded(text: str) -> tuple[Any, int]:
    start = _WHITESPACE.match(text).end()  # type: ignore[union-attr]
    return _DECODER.raw_decode(text, start)


def _check_encoding(text: str, end: int, document: Any) -> None:
    """Raise if a document has lone surrogates, as bytes or escaped."""
    try:
        text[:end].encode()
    except UnicodeEncodeError as error:
        raise _unreadable("Invalid encoding in string.", text[: error.start]) from None
    if _SURROGATE.search(text, 0, end) is None:
        return
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _unreadable("The surrogate pair in string is invalid.") from None


def _explained(error: json.JSONDecodeError) -> ServingError:
    text, at = error.doc, error.pos
    if not text[at:] and not text.strip():
        why = "The document is empty."
    elif error.msg == _COMMA:
        closing, inside = ("]", "an array element")
        if not _is_in_list(text, at):
            closing, inside = ("}", "an object member")
        why = f"Missing a comma or {closing} after {inside}."
    else:
        why = _REASONS.get(error.msg, f"{error.msg}.")
    return _unreadable(why, text[:at])


def _is_in_list(text: str, at: int) -> bool:
    """Return whether the comma is missing in a list, which could end there."""
    try:
        _decoded(text[:at] + "]")
    except json.JSONDecodeError as error:
        return error.pos > at
    return True


def _unreadable(why: str, before: str | None = None) -> ServingError:
    if before is None:
        return invalid(f"JSON Parse error: {why}")
    offset = len(before.encode("utf-8", "surrogateescape"))
    return invalid(f"JSON Parse error: {why} at offset: {offset}")
