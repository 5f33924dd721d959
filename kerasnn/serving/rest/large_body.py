"""Large JSON bodies: their lists of numbers become arrays, in steps.

The fast parser reads a body in one call, in which no other thread runs: half a second for
70 MB, and as long again to make arrays of its lists. Here lists of numbers are read in
pieces of 256 kB, a few milliseconds each, and never exist as a whole as Python objects.
Called in a thread, this lets the event loop run in between.

Other lists, of texts and objects, are read in pieces as well, into one list. What cannot be
read like this is left to `parser`; the answers and errors are the same.

An empty object takes 3 bytes of a body and 72 of memory. So objects, lists and names are
counted before any is made, and a body with more than an honest request needs is refused.
Numbers in irregular lists, which are never tensors, are counted too if they cannot be read
in steps.
"""

import re
import secrets
from collections.abc import Iterator
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from kerasnn.serving.errors import invalid
from kerasnn.serving.options import Limits
from kerasnn.serving.rest.number_list import NumberList
from kerasnn.serving.rest.parser import read_object
from kerasnn.serving.rest.request_inputs import INPUTS, INSTANCES

LARGE_BYTES = 2**18  # a body above this is read in a thread
_STEP = 2**18
_COUNTED = 2**18  # bytes that are counted at once
_MAX_LISTS = 1000
_FREED = 10_000  # items of a list that are freed at once
# Maximum of objects and lists in a body, without those of rectangular lists of numbers;
# if more rows are allowed, two for each.
MAX_CONTAINERS = 2_000_000
MAX_NAMES = 200_000  # of members, in what is read at once
MAX_NUMBERS = 2_000_000  # after a comma, in what is read at once
_HEAD = re.compile(
    rb'\s*\{\s*(?:"signature_name"\s*:\s*"[^"\\]*"\s*,\s*)?'
    rb'"(instances|inputs|examples)"\s*:\s*\['
)
_END = re.compile(rb'["{}]')  # what no list of numbers holds
_TO_ZERO = bytes(48 if chr(c) in "0123456789.+-eE" else c for c in range(256))
_NO_BRACKETS = bytes(32 if chr(c) in "[]" else c for c in range(256))
_WHITESPACE = b" \t\r\n"
_EXACT = 2**53  # up to here every integer is a float64
_LIMITS = Limits()
_MARK = secrets.token_hex(16)  # marks the places of lists; no client can guess it


class LargeDocument(dict[str, Any]):
    """The JSON object of a large body, with `NumberList`s for its long lists."""


class _Bounds(NamedTuple):
    """The limits for reading a body.

    Attributes:
        containers: maximum of objects and lists.
        end: the deadline, on the clock `monotonic`.
    """

    containers: int
    end: float

    def check_time(self) -> None:
        """Raise TimeoutError after the end."""
        if monotonic() > self.end:
            raise TimeoutError


def read_large_object(body: bytes, limits: Limits = _LIMITS) -> LargeDocument:
    """Return the JSON object in a large body.

    Raises:
        ServingError: INVALID_ARGUMENT, it is no JSON object, or has too many objects,
            lists or names.
        TimeoutError: reading takes longer than a request may.
    """
    bounds = _Bounds(
        max(MAX_CONTAINERS, 2 * limits.rows), monotonic() + limits.timeout_seconds
    )
    lists: list[NumberList] = []
    rest: list[bytes] = []
    at = 0
    for start, end in _spans(body):
        bounds.check_time()
        numbers = _numbers(body, start, end, bounds)
        if numbers is not None:
            rest += [body[at:start], b'"%s%d"' % (_MARK.encode(), len(lists))]
            lists.append(numbers)
            at = end
    if lists:
        text = b"".join([*rest, body[at:]])
        _check_counts(text, bounds)
        _check_read_at_once(text, bounds)
        document = _filled(text, lists)
    else:
        _check_counts(body, bounds)
        document = _joined(body, bounds)
    if document is None:
        if lists:
            _check_counts(body, bounds)
        _check_read_at_once(body, bounds)
        document = read_object(body)
    return LargeDocument(document)


def release(document: LargeDocument) -> None:
    """Free the lists of a document in steps: all at once would block other threads."""
    for value in document.values():
        while type(value) is list and value:
            del value[-_FREED:]


def _check_counts(body: bytes, bounds: _Bounds) -> None:
    """Raise INVALID_ARGUMENT if a body has too many objects and lists."""
    found = 0
    for at in range(0, len(body), _COUNTED):
        piece = body[at : at + _COUNTED]
        found += piece.count(b"{") + piece.count(b"[")
        if found > bounds.containers:
            raise invalid(
                f"a body may have at most {bounds.containers} objects and lists; got more."
                " Send several requests"
            )
        bounds.check_time()


def _check_read_at_once(body: bytes, bounds: _Bounds) -> None:
    """Raise INVALID_ARGUMENT if what is read in one call takes the parser too long."""
    names = numbers = 0
    before = b""
    for at in range(0, len(body), _COUNTED):
        piece = before + body[at : at + _COUNTED].translate(_TO_ZERO, _WHITESPACE)
        names += piece.count(b'":')
        numbers += piece.count(b",0")
        for count, maximum, what in (
            (names, MAX_NAMES, "names of members"),
            (numbers, MAX_NUMBERS, "numbers outside of rectangular lists without NaN"),
        ):
            if count > maximum:
                raise invalid(
                    f"a body may have at most {maximum} {what}, other than those of the"
                    " rows of a list that is its first member; got more. Send several"
                    " requests"
                )
        before = piece[-1:]
        bounds.check_time()


def _joined(body: bytes, bounds: _Bounds) -> dict[str, Any] | None:
    """Return the document of a body that begins with a long list; None if it does not."""
    head = _HEAD.match(body)
    if head is None:
        return None
    items: list[Any] = []
    start = head.end()
    while len(body) - start > 2 * _STEP:
        bounds.check_time()
        for cut in _cuts(body, start):
            piece = _loads(b"[%s]" % body[start:cut])
            if piece is not None:
                items += piece
                start = cut + 1
                break
        else:
            return None
    rest = body[start:]
    # Of a repeated key only the last value counts.
    document = None if b'"%s"' % head[1] in rest else _loads(head[0] + rest)
    if type(document) is not dict or type(document.get(head[1].decode())) is not list:
        return None
    document[head[1].decode()] = items + document[head[1].decode()]
    return document


def _cuts(body: bytes, start: int) -> Iterator[int]:
    """Yield the commas at which an item of a list may end, in a piece of a body."""
    for end in (b"},", b"],", b'",', b","):
        cut = body.rfind(end, start, start + _STEP)
        if cut > 0:
            yield cut + len(end) - 1


def _loads(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _spans(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield what may be long lists of numbers: from a bracket to its last one."""
    start = body.find(b"[")
    for _ in range(_MAX_LISTS):
        if start < 0:
            return
        end = _end(body, start)
        last = body.rfind(b"]", max(start, end - _STEP), end) + 1
        if last - start > _STEP // 4:
            yield start, last
        start = body.find(b"[", end)


def _end(body: bytes, start: int) -> int:
    for at in range(start, len(body), _STEP):
        found = _END.search(body, at, at + _STEP)
        if found is not None:
            return found.start()
    return len(body)


def _filled(text: bytes, lists: list[NumberList]) -> dict[str, Any] | None:
    """Return the document with its lists; None if one of them is not an input."""
    document = _loads(text)
    marks = {f"{_MARK}{i}": numbers for i, numbers in enumerate(lists)}
    if type(document) is not dict:
        return None
    for key in (INSTANCES, INPUTS):
        place, keys = document, [key]
        if type(document.get(key)) is dict:
            place, keys = document[key], list(document[key])
        for name in keys:
            value = place.get(name)
            if type(value) is str and value in marks:
                place[name] = marks.pop(value)
    return None if marks else document


def _numbers(body: bytes, start: int, end: int, bounds: _Bounds) -> NumberList | None:
    """Return a rectangular list of numbers in a body; None if it is anything else."""
    arrays: list[NDArray[Any]] = []
    skeleton: list[bytes] = []
    for piece in _pieces(body, start, end):
        bounds.check_time()
        # Each character of a number becomes 0: only the structure is left.
        marked = piece.translate(_TO_ZERO, _WHITESPACE)
        array = _flat(piece)
        if array is None or b"0[" in marked or b"]0" in marked:
            return None
        arrays.append(array)
        skeleton.append(marked.translate(None, b"0"))
    shape = _shape(b",".join(skeleton))
    if shape is None or sum(map(len, arrays)) != np.prod(shape, dtype=np.int64):
        return None
    numbers = np.concatenate(arrays)
    if numbers.dtype != np.int64 and not all(map(_are_floats, arrays)):
        return None
    return NumberList(numbers.reshape(shape))


def _are_floats(numbers: NDArray[Any]) -> bool:
    """Return whether float64 represents all numbers exactly."""
    if numbers.dtype != np.int64:
        return True
    return bool(numbers.min() >= -_EXACT and numbers.max() <= _EXACT)


def _pieces(body: bytes, start: int, end: int) -> Iterator[bytes]:
    """Yield a part of a body in pieces, cut at commas, which are left out."""
    while end - start > _STEP:
        cut = body.rfind(b",", start, start + _STEP)
        if cut < 0:
            break
        yield body[start:cut]
        start = cut + 1
    yield body[start:end]


def _flat(piece: bytes) -> NDArray[Any] | None:
    """Return the numbers of a piece: int64 if all are integers, else float64."""
    values = _loads(b"[%s]" % piece.translate(_NO_BRACKETS))
    if values is None:
        return None
    kinds = set(map(type, values))
    try:
        if kinds == {int}:
            return np.array(values, np.int64)
    except OverflowError:
        return None
    if not kinds or not kinds <= {int, float}:
        return None
    numbers = np.array(values, np.float64)
    large = int in kinds and np.abs(numbers).max() >= _EXACT
    if large and any(type(v) is int and abs(v) > _EXACT for v in values):
        return None
    return numbers


def _shape(skeleton: bytes) -> tuple[int, ...] | None:
    """Return the sizes of nested lists from their brackets and commas.

    None if the lists of a level differ in size.
    """
    sizes: list[int] = []
    unit = b""  # a list of the level below
    for level in range(len(skeleton) - len(skeleton.lstrip(b"[")), 0, -1):
        size = _size(skeleton, level, len(unit))
        if size is None:
            return None
        sizes.append(size)
        unit = b"[" + (unit + b",") * (size - 1) + unit + b"]"
    return tuple(reversed(sizes)) if unit == skeleton else None


def _size(skeleton: bytes, start: int, unit: int) -> int | None:
    """Return the number of equally long items of a list, by the commas after each."""
    if not unit:
        return skeleton.find(b"]", start) - start + 1 or None
    size = 1
    at = start + unit
    while skeleton[at : at + 1] == b",":
        at += unit + 1
        size += 1
    return size if skeleton[at : at + 1] == b"]" else None
