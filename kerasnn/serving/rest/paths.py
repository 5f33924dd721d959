"""Routes of TensorFlow Serving's REST interface."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from kerasnn.serving.models.sources import MAX_VERSION

_WHICH = r"(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?"
_CALL = re.compile(
    rf"/v1/models/([^/:]+){_WHICH}:(classify|regress|predict)", re.IGNORECASE | re.DOTALL
)
_READ = re.compile(
    rf"/v1/models(?:/([^/:]+))?{_WHICH}(?:/(metadata))?", re.IGNORECASE | re.DOTALL
)
STATUS, METADATA = "status", "metadata"
MAX_CACHED_PATH_BYTES = (
    256  # bytes of a path that is read once for many requests; longer ones fill memory
)


class Route(NamedTuple):
    """A parsed path.

    Attributes:
        what: "predict", "classify", "regress", "status" or "metadata".
        model: its name; "" if the path has none.
        version: its number; None if the path has none.
        label: of a version; None if the path has none.
        too_large: whether the version exceeds the largest possible number.
    """

    what: str
    model: str
    version: int | None = None
    label: str | None = None
    too_large: bool = False


def parse_route(method: str, target: bytes) -> Route | None:
    """Return the route of a request; None if the request is malformed.

    Args:
        method: "GET", "POST" or another one; "HEAD" counts as "GET".
        target: the path as it was sent, with "?" and the query if there is one.
    """
    read = (
        _parse_route if len(target) <= MAX_CACHED_PATH_BYTES else _parse_route.__wrapped__
    )
    return read(method, target)


@lru_cache(maxsize=1024)
def _parse_route(method: str, target: bytes) -> Route | None:
    pattern = {"POST": _CALL, "GET": _READ, "HEAD": _READ}.get(method)
    match = pattern and pattern.fullmatch(target.decode("latin-1"))
    if not match:
        return None
    name, version, label, last = match.groups()
    number = int(version) if version is not None and len(version) < 400 else None
    too_large = version is not None and (number is None or number > MAX_VERSION)
    return Route(
        what=(last or STATUS).lower(),
        model=_decoded(name or ""),
        version=None if too_large else number,
        label=None if label is None else _decoded(label),
        too_large=too_large,
    )


def _decoded(text: str) -> str:
    """Decode percent escapes; names are UTF-8."""
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "replace")
