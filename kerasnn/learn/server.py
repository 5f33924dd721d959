"""The server of the page: listens until SIGINT or SIGTERM comes."""

import asyncio
import signal
import socket

from kerasnn.learn.app import make_learn_app
from kerasnn.serving.http.browsers import BrowserPolicy
from kerasnn.serving.http.server import RestServer

_TIMEOUT_SECONDS = 30.0


def run_learn_server(bound: socket.socket, browsers: BrowserPolicy) -> None:
    """Serve the page on a bound socket; runs in the main thread.

    Args:
        bound: the socket.
        browsers: which pages may send requests.
    """
    asyncio.run(_serve(bound, browsers))


async def _serve(bound: socket.socket, browsers: BrowserPolicy) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))
    app = make_learn_app(browsers=browsers, stopping=stopping.is_set)
    server = RestServer(app, bound, tls=None, timeout_seconds=_TIMEOUT_SECONDS)
    await server.start()
    await stopping.wait()
    await server.stop()
