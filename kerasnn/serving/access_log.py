"""The access log: a line of JSON for each request.

The event loop never waits for the disk: lines go through a bounded queue to a thread.
If the disk is too slow, lines are dropped; a later line gives their number.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from io import RawIOBase
from pathlib import Path
from queue import Full, Queue
from time import perf_counter
from typing import Any

from kerasnn.errors import InputError
from kerasnn.serving.options import STANDARD_ERROR

MAX_WAITING_LINES = 10_000
# Key in an ASGI scope of a dict that the REST side fills: model, version, code and rows.
FACTS = "kerasnn.request"
CLIENT_IS_GONE = 499

App = Callable[[Any, Any, Any], Awaitable[None]]
_log = logging.getLogger("kerasnn.serving")


class AccessLog:
    """A writer of lines to a file or to standard error.

    Args:
        target: a path to append to, or `STANDARD_ERROR`.
        max_waiting: lines that are not written yet; more are dropped.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, target: str, *, max_waiting: int = MAX_WAITING_LINES) -> None:
        self._file = _opened(target)
        self._lines: Queue[Mapping[str, Any] | None] = Queue(max_waiting)
        self._dropped = 0
        self._failing = False
        self._thread = threading.Thread(
            target=self._write_all, name="kerasnn-access-log", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Write the waiting lines, for at most this time, and end the thread."""
        try:
            self._lines.put(None, timeout=seconds)
        except Full:
            return
        self._thread.join(seconds)

    def write(self, line: Mapping[str, Any]) -> None:
        """Queue a line with the current time; never waits."""
        try:
            self._lines.put_nowait({"time": time.time(), **line})
        except Full:
            self._dropped += 1

    def _write_all(self) -> None:
        with self._file:
            while (line := self._lines.get()) is not None:
                dropped, self._dropped = self._dropped, 0
                if dropped:
                    self._write_one({"time": time.time(), "dropped": dropped})
                self._write_one(line)

    def _write_one(self, line: Mapping[str, Any]) -> None:
        try:
            self._file.write(_bytes(line))  # in one call, and not kept if it fails
            self._failing = False
        except OSError as error:
            self._dropped += 1
            if not self._failing:
                self._failing = True
                _log.warning("the access log cannot be written: %s", error)


def logged_app(app: App, log: AccessLog) -> App:
    """Return an ASGI application that logs the requests of another."""

    async def logged(scope: Any, receive: Any, send: Any) -> None:
        start = perf_counter()
        facts: dict[str, Any] = {}
        scope[FACTS] = facts
        bytes_in = bytes_out = 0
        status = CLIENT_IS_GONE

        async def counted_receive() -> Any:
            nonlocal bytes_in
            message = await receive()
            bytes_in += len(message.get("body", b""))
            return message

        async def counted_send(message: Any) -> None:
            nonlocal bytes_out, status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, counted_receive, counted_send)
        finally:
            log.write(
                {
                    "protocol": "REST",
                    "client": _client(scope),
                    "method": scope["method"],
                    "path": _path(scope),
                    **facts,
                    "status": status,
                    "bytes_in": bytes_in,
                    "bytes_out": bytes_out,
                    "milliseconds": milliseconds_since(start),
                }
            )

    return logged


def milliseconds_since(start: float) -> float:
    """Return the milliseconds since a value of `perf_counter`, to a microsecond."""
    return round((perf_counter() - start) * 1e3, 3)


def _opened(target: str) -> RawIOBase:
    try:
        if target == STANDARD_ERROR:
            return open(sys.stderr.fileno(), "ab", buffering=0, closefd=False)
        return Path(target).open("ab", buffering=0)
    except OSError as error:
        raise InputError(f"--access-log {target}: {error.strerror}") from None


def _bytes(line: Mapping[str, Any]) -> bytes:
    moment = datetime.fromtimestamp(line["time"], UTC)
    readable = {**line, "time": moment.isoformat(timespec="milliseconds")}
    # In ASCII: nothing that a client sends can end the line or move a terminal's cursor.
    return f"{json.dumps(readable)}\n".encode()


def _client(scope: Any) -> str:
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else ""


def _path(scope: Any) -> str:
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
