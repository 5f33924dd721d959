"""The parts of uvicorn that we use beyond its documentation are what we take them for."""

import asyncio
import signal
import socket

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kerasnn.serving.http.uvicorn_names import UvicornConnection, UvicornServer

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\n"


def test_uvicorn_calls_the_methods_that_are_overridden():
    assert callable(uvicorn.Server.startup)
    assert callable(uvicorn.Server.capture_signals)
    assert callable(HttpToolsProtocol.connection_made)
    assert callable(HttpToolsProtocol.data_received)


def state(connection):
    return {
        "exchange": connection.exchange is not None,
        "body": connection.awaits_body,
        "between": connection.between_answers,
        "can_answer": connection.can_answer,
        "reader": connection.awaits_reader,
        "timed": connection.is_timed,
    }


BEFORE = {"exchange": False, "body": False, "between": True}
BEFORE |= {"can_answer": True, "reader": False, "timed": False}
IN_BODY = BEFORE | {"exchange": True, "body": True, "between": False}
ANSWERING = IN_BODY | {"body": False, "can_answer": False}
BETWEEN = BEFORE | {"exchange": True, "timed": True}


async def states(bound):
    """The states of a connection before, during and after one request."""
    seen = []

    async def app(scope, receive, send):
        seen.append(state(*server.connections))
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        seen.append(state(*server.connections))
        await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(
        app, http=UvicornConnection, ws="none", lifespan="off", log_config=None
    )
    server = UvicornServer(config)
    serving = asyncio.create_task(server.serve([bound]))
    await asyncio.wait_for(server.listening.wait(), 10)
    reader, writer = await asyncio.open_connection(*bound.getsockname())
    while not server.connections:
        await asyncio.sleep(0.01)
    (connection,) = server.connections
    seen.append((connection.n_connections, state(connection)))
    writer.write(HEAD + b"abc")
    await asyncio.sleep(0.2)
    writer.write(b"def")
    await reader.readuntil(b"ok")
    await asyncio.sleep(0.05)
    seen.append(state(connection))
    writer.close()
    server.should_exit = True
    await asyncio.wait_for(serving, 10)
    return seen


def test_the_state_of_a_connection_follows_its_request():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        handler = signal.getsignal(signal.SIGTERM)
        seen = asyncio.run(states(bound))
        assert signal.getsignal(signal.SIGTERM) is handler
    assert seen == [(1, BEFORE), IN_BODY, ANSWERING, BETWEEN]
