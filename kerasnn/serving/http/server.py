"""The REST listener: uvicorn with stricter limits, started and stopped by the server."""

import asyncio
import socket
import ssl

import uvicorn

from kerasnn.serving.access_log import App
from kerasnn.serving.http.connections import Connection, SlowClients, max_connections
from kerasnn.serving.http.uvicorn_names import UvicornServer

KEEP_ALIVE_SECONDS = 75  # more than the 60 s of the usual load balancers


class RestServer:
    """An ASGI application on a bound socket.

    Args:
        app: answers.
        bound: the socket.
        tls: None: plain HTTP.
        timeout_seconds: for a request to arrive.
    """

    def __init__(
        self,
        app: App,
        bound: socket.socket,
        *,
        tls: ssl.SSLContext | None,
        timeout_seconds: float,
    ) -> None:
        class Bounded(Connection):
            maximum = max_connections()

        config = uvicorn.Config(
            app,
            http=Bounded,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",  # else a line for each client that does not speak HTTP
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            ssl_context_factory=None if tls is None else lambda *_: tls,
        )
        self._uvicorn = UvicornServer(config)
        self._bound = bound
        self._slow_clients = SlowClients(timeout_seconds)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: another program has taken the port meanwhile.
        """
        self._serving = asyncio.create_task(self._uvicorn.serve([self._bound]))
        listening = asyncio.create_task(self._uvicorn.listening.wait())
        await asyncio.wait({self._serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._serving.done():
            self._serving.result()
        self._watching = asyncio.create_task(
            self._slow_clients.watch(self._uvicorn.connections)
        )

    async def stop(self) -> None:
        """Take no more requests, and wait until the running ones are answered."""
        self._uvicorn.should_exit = True
        await self._serving
        self._watching.cancel()
