"""The body of a REST request: received, decompressed, and limited in size."""

import asyncio
import re
import zlib
from io import BytesIO
from typing import Any

from kerasnn.serving.errors import invalid
from kerasnn.serving.in_flight import Held

_LENGTH, _ENCODING = b"content-length", b"content-encoding"
_GZIP = (b"gzip", b"x-gzip")
_PLAIN = (b"", b"identity")
_JSON = re.compile(rb"\s*\{")  # the body begins like JSON, whatever encoding a proxy names
_MAX_SHOWN = 40  # bytes of an encoding's name
_MAX_DIGITS = 18  # of a plausible length


class BodyTooLargeError(Exception):
    """A body that exceeds the limit."""


class ClientDisconnectedError(Exception):
    """The client has disconnected."""


async def read_body(scope: Any, receive: Any, max_bytes: int, held: Held) -> bytes:
    """Return the body of a request, decompressed if it is gzip.

    Args:
        scope: of the ASGI request.
        receive: of the ASGI request.
        max_bytes: maximum, as received and unpacked.
        held: counts the bytes as they arrive.

    Raises:
        BodyTooLargeError: it has more bytes, packed or unpacked.
        ClientDisconnectedError: the client left meanwhile.
        ServingError: INVALID_ARGUMENT, it is packed and damaged, or not with gzip;
            UNAVAILABLE, all requests together have too many bytes.
    """
    encoding = b""
    for name, value in scope["headers"]:
        if name == _LENGTH and value.isdigit():
            if len(value) > _MAX_DIGITS or int(value) > max_bytes:
                raise BodyTooLargeError
        elif name == _ENCODING:
            encoding = value.strip().lower()
    body = await _received(receive, max_bytes, held)
    is_packed = encoding in _GZIP
    if encoding in _PLAIN or not body or (not is_packed and _JSON.match(body)):
        return body
    if not is_packed:
        raise invalid(
            "a body may be packed with gzip, or not at all; got the content-encoding"
            f" {encoding[:_MAX_SHOWN].decode('latin-1')!r}"
        )
    # In a thread: a few kB may unpack to the largest body, which takes a while.
    content = await asyncio.get_running_loop().run_in_executor(
        None, _unpacked, body, max_bytes
    )
    held.grow(len(content))
    return content


async def _received(receive: Any, max_bytes: int, held: Held) -> bytes:
    first = b""
    body: BytesIO | None = None  # joining 100 MB of chunks would take long
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        chunk = message.get("body", b"")
        held.grow(len(chunk))
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLargeError
        more = message.get("more_body", False)
        if size == len(chunk):
            first = chunk
        elif body is None:
            body = BytesIO()
            body.write(first)
        if body is not None:
            body.write(chunk)
    return first if body is None else body.getvalue()


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    """Decompress one gzip file; many empty ones in a row would take unbounded time."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise invalid(f"the body is not gzip, as its encoding says: {error}") from None
    if len(content) > max_bytes:
        raise BodyTooLargeError
    if not unpacker.eof or unpacker.unused_data:
        raise invalid("the body is not one whole gzip file, as its encoding says")
    return content
