"""Limits that uvicorn does not have: slow clients, endless heads, too many connections.

uvicorn closes a connection that is idle between two requests. It never closes one whose
request does not end or whose answer is not read. Here the connections are checked once a
second, which costs a request nothing.
"""

import asyncio
import json
from collections.abc import Collection
from typing import Any

from kerasnn.serving.http.uvicorn_names import UvicornConnection

MAX_CONNECTIONS = 10_000
OPEN_FILES = 65_536  # requested from the system
OTHER_FILES = 200  # not connections: loading models, gRPC, the log
MAX_HEAD_BYTES = 2**19  # uvloop reads 256 KB at once, and a short body may be among them
_LOOK_SECONDS = 1.0
_REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}


class Connection(UvicornConnection):
    """A REST client's connection, with a limit on the head of a request.

    Attributes:
        maximum: of open connections; more are closed at once.
        head_bytes: received of a request whose body has not begun.
    """

    maximum = MAX_CONNECTIONS
    head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or close it if there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if self.n_connections > self.maximum:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse the bytes; refuse a request whose head is too long."""
        exchange = self.exchange
        super().data_received(data)
        if self.exchange is not exchange or self.awaits_body:
            self.head_bytes = 0
            return
        self.head_bytes += len(data)
        if self.head_bytes > MAX_HEAD_BYTES:
            self.refuse(431, f"The head of a request may have {MAX_HEAD_BYTES} bytes")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return whether to stay open: a client that has asked may still read the answer.

        asyncio's TLS connections close both ways at once.
        """
        is_asked = not self.awaits_body and not self.between_answers
        if not is_asked or self.transport.get_extra_info("sslcontext") is not None:
            return False
        self.close_after_answer()
        return True

    def refuse(self, status: int, message: str) -> None:
        """Send an error unless an answer has begun, and close."""
        if self.transport.is_closing():
            return
        if self.can_answer:
            self.transport.write(_response(status, message))
        self.transport.close()

    @property
    def waits_for(self) -> object:
        """The step that the client has to take next; None if it has none.

        An equal value later means no progress.
        """
        if self.transport.is_closing() or self.awaits_reader:
            return "reading", self.transport.get_write_buffer_size()
        if self.between_answers:
            return None if self.is_timed else ("head", self.exchange)
        return ("body", self.exchange) if self.awaits_body else None


class SlowClients:
    """A watch over connections, which closes those of slow clients.

    Args:
        seconds: for a request to arrive, and for any progress in reading its answer.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[Connection, tuple[object, float]] = {}

    async def watch(self, connections: Collection[Any]) -> None:
        """Check the connections until the task is cancelled.

        Args:
            connections: uvicorn's own set, which changes.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(_LOOK_SECONDS, self._seconds / 2))
            self.look(list(connections), loop.time())

    def look(self, connections: Collection[Connection], now: float) -> None:
        """Close the connections that made no progress for too long."""
        seen = {}
        for connection in connections:
            what = connection.waits_for
            if what is None:
                continue
            known, since = self._seen.get(connection, (None, now))
            seen[connection] = (what, since if known == what else now)
            if known == what and now - since >= self._seconds:
                self._close(connection, what)
        self._seen = seen

    def _close(self, connection: Connection, what: object) -> None:
        never_asked = connection.exchange is None and not connection.head_bytes
        if never_asked or (isinstance(what, tuple) and what[0] == "reading"):
            connection.transport.abort()
        else:
            connection.refuse(
                408, f"The request did not arrive within {self._seconds:g} seconds"
            )


def max_connections() -> int:
    """Raise the limit of open files, and return how many connections it allows."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    maximum = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < maximum:
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, hard))
    return min(MAX_CONNECTIONS, max(maximum - OTHER_FILES, 1))


def _response(status: int, message: str) -> bytes:
    body = json.dumps({"error": message}).encode()
    return (
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"connection: close\r\n\r\n%s" % (status, _REASONS[status], len(body), body)
    )
