"""Parts of uvicorn that its documentation does not promise, each with its reason.

uvicorn bounds the time between two requests, but not the time that a client takes to send
a request or to read an answer. It also takes over the process's signals. Both can only be
changed in its own classes. tests/test_serving_uvicorn_names.py holds what each part does.
"""

import asyncio
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_KEEP_ALIVE = (b"connection", b"keep-alive")


class UvicornConnection(HttpToolsProtocol):
    """A client's connection, with the state that uvicorn keeps of it."""

    def on_headers_complete(self) -> None:
        """Begin an exchange; keep the connection of an HTTP/1.0 client that asks for it.

        uvicorn closes it, although `ab` and old proxies wait for the word "keep-alive".
        """
        before = self.cycle
        super().on_headers_complete()
        begun = self.cycle is not before
        if (
            begun
            and self.scope["http_version"] == "1.0"
            and self.parser.should_keep_alive()
        ):
            self.cycle.keep_alive = True
            self.cycle.default_headers = [*self.cycle.default_headers, _KEEP_ALIVE]

    @property
    def n_connections(self) -> int:
        """Open connections of the server; this one is among them once it is made."""
        return len(self.connections)

    @property
    def exchange(self) -> object:
        """An object for each request; None before the first."""
        return self.cycle

    @property
    def awaits_body(self) -> bool:
        """True if a part of the current request's body is missing."""
        return self.cycle is not None and bool(self.cycle.more_body)

    @property
    def between_answers(self) -> bool:
        """True if no request is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    @property
    def can_answer(self) -> bool:
        """True if an error response would not be written inside another response."""
        return self.between_answers or not self.cycle.response_started

    def close_after_answer(self) -> None:
        """Close the connection once the current request is answered."""
        self.cycle.keep_alive = False

    @property
    def awaits_reader(self) -> bool:
        """True if more is written than the client reads."""
        return bool(self.flow.write_paused)

    @property
    def is_timed(self) -> bool:
        """True if uvicorn's own timer runs, as it does between two requests."""
        return self.timeout_keep_alive_task is not None


class UvicornServer(uvicorn.Server):
    """uvicorn's server without its signal handlers.

    Attributes:
        listening: is set when the server listens.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @property
    def connections(self) -> Collection[Any]:
        """The open connections; the collection changes."""
        return self.server_state.connections

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serving.server`, which stops gRPC as well."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and set `listening`."""
        await super().startup(sockets)
        self.listening.set()
