"""JSON text of requests, read as TensorFlow Serving reads it.

A fast library reads what the standard allows. What it refuses is read again by Python's
own parser, for what TensorFlow Serving takes beyond it: NaN, Infinity and -Infinity as
numbers, and anything after the end of the document.
"""

import json
from typing import Any, NoReturn

import orjson

from kerasnn.serving.statuses import ServingError, invalid

MOST_SHOWN = 256  # characters of a value in a message
_WHITESPACE = " \t\n\r"


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a request's body holds.

    Of a key that comes twice the last value counts.

    Raises:
        ServingError: INVALID_ARGUMENT, it holds none.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _read_leniently(body)
    if type(document) is not dict:
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_name(document: dict[str, Any]) -> str:
    """The signature that a request names; "" if it names none.

    Raises:
        ServingError: INVALID_ARGUMENT, it is no text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key"
            " must be a string value."
        )
    return name


def shown(value: Any) -> str:
    """A value as it stands in a message, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "[" * MOST_SHOWN
    return text[:MOST_SHOWN]


def type_name(value: Any) -> str:
    """The type of a JSON value, in TensorFlow Serving's words."""
    if isinstance(value, bool):
        return str(value)
    names: dict[type, str] = {
        type(None): "Null",
        dict: "Object",
        list: "Array",
        str: "String",
    }
    return names.get(type(value), "Number")


def _read_leniently(body: bytes) -> Any:
    try:
        text = body.decode("utf-8").lstrip(_WHITESPACE)
        return _DECODER.raw_decode(text)[0]
    except UnicodeDecodeError as error:
        raise _unreadable("Invalid encoding in string.", error.start) from None
    except json.JSONDecodeError as error:
        raise _unreadable(f"{error.msg}.", error.pos) from None
    except RecursionError:
        raise invalid("JSON Parse error: Lists or objects are nested too deep.") from None
    except ValueError as error:  # a number with thousands of digits
        raise invalid(f"JSON Parse error: {error}") from None


def _unreadable(why: str, at: int) -> ServingError:
    return invalid(f"JSON Parse error: {why} at offset: {at}")


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        _too_big()
    return number


def _too_big() -> NoReturn:
    raise ValueError("Number too big to be stored in double.")


_DECODER = json.JSONDecoder(parse_float=_number)
