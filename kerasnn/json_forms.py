"""JSON of untrusted files: read within bounds, and checked against a form.

A form is a function that checks a value and raises `FormError` with the place of what is
wrong; the functions here make forms of forms. `check_form` turns the error into an
InputError that names file and field.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from kerasnn.errors import InputError

MAX_BYTES = 256 * 2**20
MAX_NESTING = 100
MAX_TEXT = 100_000  # characters
MAX_NAME = 10_000
MAX_COUNT = 1_000_000  # members of a list or object
MAX_WHOLE = 2**63 - 1
_MAX_SHOWN = 60
_MAX_REASON = 200

Form = Callable[[Any, str], None]  # of a value at a place, such as "inputs.x.shape[0]"


class FormError(ValueError):
    """A value that does not have its form; the message names its place."""


def parse_json(content: bytes | str, *, source: object) -> Any:
    """Return the value of JSON text.

    Args:
        content: UTF-8.
        source: of the content, such as its path, for the message.

    Raises:
        InputError: it is too long, no JSON, too deeply nested, or holds text that is no
            Unicode.
    """
    if len(content) > MAX_BYTES:
        raise InputError(
            f"{source}: has {len(content):,} bytes; at most {MAX_BYTES:,} are allowed"
        )
    try:
        value = json.loads(content)
        _check_depth_and_texts(value)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: cannot be read: {str(error)[:_MAX_REASON]}") from None
    return value


def check_form(value: Any, form: Form, *, source: object) -> None:
    """Check a value against a form.

    Raises:
        InputError: the value does not have the form; the message names source and field.
    """
    try:
        form(value, "")
    except FormError as error:
        raise InputError(f"{source}: {error}") from None


def anything(value: Any, place: str) -> None:
    """Accept any JSON value; `parse_json` has bounded it."""


def text(maximum: int = MAX_TEXT) -> Form:
    """Return the form of a text of at most `maximum` characters."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, str) or len(value) > maximum:
            _fail(value, place, f"text of at most {maximum:,} characters")

    return check


def whole(minimum: int = 0, maximum: int = MAX_WHOLE) -> Form:
    """Return the form of a whole number between two bounds."""

    def check(value: Any, place: str) -> None:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not minimum <= value <= maximum:
            _fail(value, place, f"a whole number from {minimum} to {maximum}")

    return check


def number(value: Any, place: str) -> None:
    """Check a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _fits(value):
        _fail(value, place, "a finite number")


def any_number(value: Any, place: str) -> None:
    """Check a number that may be NaN or infinite, such as a score."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        _fail(value, place, "a number")


def truth(value: Any, place: str) -> None:
    """Check true or false."""
    if not isinstance(value, bool):
        _fail(value, place, "true or false")


def one_of(*choices: Any) -> Form:
    """Return the form of some values."""

    def check(value: Any, place: str) -> None:
        if not any(type(value) is type(c) and value == c for c in choices):
            _fail(value, place, " or ".join(map(repr, choices)))

    return check


def either(first: Form, second: Form) -> Form:
    """Return the form of what has one of two forms; the message is the second's."""

    def check(value: Any, place: str) -> None:
        try:
            first(value, place)
        except FormError:
            second(value, place)

    return check


def nullable(form: Form) -> Form:
    """Return a form that also takes null."""

    def check(value: Any, place: str) -> None:
        if value is not None:
            form(value, place)

    return check


def list_of(form: Form, maximum: int = MAX_COUNT, *, minimum: int = 0) -> Form:
    """Return the form of a list of a bounded length."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list) or not minimum <= len(value) <= maximum:
            count = f"{minimum:,} to {maximum:,}" if minimum < maximum else f"{maximum:,}"
            _fail(value, place, f"a list of {count} members")
        for i, member in enumerate(value):
            form(member, f"{place}[{i}]")

    return check


def sequence(*forms: Form) -> Form:
    """Return the form of a list with a member for each of some forms."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list) or len(value) != len(forms):
            _fail(value, place, f"a list of {len(forms)} members")
        for i, (form, member) in enumerate(zip(forms, value, strict=True)):
            form(member, f"{place}[{i}]")

    return check


def mapping_of(form: Form, maximum: int = MAX_COUNT) -> Form:
    """Return the form of an object with members of one form under any names."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict) or len(value) > maximum:
            _fail(value, place, f"an object of at most {maximum:,} members")
        for name, member in value.items():
            if len(name) > MAX_NAME:
                _fail(
                    name, place, f"an object with names of at most {MAX_NAME:,} characters"
                )
            form(member, _inside(place, name))

    return check


def record(
    required: Mapping[str, Form], optional: Mapping[str, Form], *, others: bool
) -> Form:
    """Return the form of an object with certain members.

    Args:
        required: forms of those that must be there.
        optional: forms of those that may be there.
        others: whether there may be others.
    """
    forms = {**required, **optional}

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            _fail(value, place, "an object")
        missing = [name for name in required if name not in value]
        if missing:
            raise FormError(f"{place or 'it'} has no {', '.join(missing)}")
        for name, member in value.items():
            if name in forms:
                forms[name](member, _inside(place, name))
            elif not others:
                raise FormError(f"{_inside(place, name)} is not known")

    return check


def _inside(place: str, name: str) -> str:
    shown = name if name.isidentifier() else _short(repr(name))
    return f"{place}.{shown}" if place else shown


def _fail(value: Any, place: str, what: str) -> NoReturn:
    raise FormError(f"{place or 'it'} must be {what}; got {_short(repr(value))}")


def _short(shown: str) -> str:
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."


def _fits(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _check_depth_and_texts(value: Any) -> None:
    """Raise ValueError for deep nesting, and for texts that cannot be written."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_NESTING:
            raise ValueError(f"it is nested more than {MAX_NESTING} deep")
        if isinstance(part, dict):
            waiting += [(each, depth + 1) for pair in part.items() for each in pair]
        elif isinstance(part, list):
            waiting += [(each, depth + 1) for each in part]
        elif isinstance(part, str):
            part.encode()  # a single surrogate is a ValueError
