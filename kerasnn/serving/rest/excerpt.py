"""Excerpts of JSON values for messages, as TensorFlow Serving prints them."""

import json
from collections.abc import Iterator
from typing import Any

MAX_EXCERPT_CHARACTERS = 256  # nothing beyond them is read
_INDENT = "    "
_TYPE_NAMES: dict[type, str] = {
    type(None): "Null",
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
}


def excerpt(value: Any) -> str:
    """Return the beginning of a value: objects with a member a line, lists on one line."""
    pieces: list[str] = []
    room = MAX_EXCERPT_CHARACTERS
    for piece in _pieces(value, ""):
        pieces.append(piece[:room])
        room -= len(pieces[-1])
        if not room:
            break
    return "".join(pieces)


def type_name(value: Any) -> str:
    """Return the type of a value in TensorFlow Serving's words."""
    return str(value) if type(value) is bool else _TYPE_NAMES[type(value)]


def _pieces(value: Any, indent: str) -> Iterator[str]:
    inner = indent + _INDENT
    if type(value) is dict:
        yield "{"
        for i, (key, item) in enumerate(value.items()):
            yield f"{',' if i else ''}\n{inner}{_scalar(key)}: "
            yield from _pieces(item, inner)
        yield f"\n{indent}}}" if value else "}"
    elif type(value) is list:
        yield "["
        for i, item in enumerate(value):
            if i:
                yield ", "
            yield from _pieces(item, inner)
        yield "]"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    part = value[:MAX_EXCERPT_CHARACTERS] if type(value) is str else value
    return json.dumps(part, ensure_ascii=False)
