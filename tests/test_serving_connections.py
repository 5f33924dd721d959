"""Clients that are slow, or send too much, of a listener in this process."""

import asyncio
import resource
import socket
import threading
from contextlib import contextmanager

import pytest
import uvloop

from kerasnn.serving.http.connections import MAX_HEAD_BYTES, Connection, max_connections
from kerasnn.serving.http.server import RestServer

HEAD = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
SECONDS = 0.3
LATE = b'{"error": "The request did not arrive within 0.3 seconds"}'
LARGE = 50_000_000


async def echo(scope, receive, send):
    """Answers with the length of the body, or at /large with a large body."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = bytes(LARGE) if scope["path"] == "/large" else b"%d bytes" % size
    await send({"type": "http.response.body", "body": body})


@contextmanager
def listening(timeout_seconds=SECONDS):
    """A function that connects to a listener."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    where = bound.getsockname()
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    async def make():
        server = RestServer(echo, bound, tls=None, timeout_seconds=timeout_seconds)
        await server.start()
        return server

    server = do(make())
    clients = []

    def connect():
        client = socket.create_connection(where, timeout=60)
        clients.append(client)
        return client

    try:
        yield connect
    finally:
        for client in clients:
            client.close()
        do(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def connect():
    with listening() as connect:
        yield connect


@pytest.fixture(scope="module")
def connect_at_leisure():
    """To a listener that waits for as long as a slow machine may take."""
    with listening(timeout_seconds=60) as connect:
        yield connect


def answer_of(client):
    """One answer, in chunks, of a connection that stays open."""
    answer = b""
    while not answer.endswith(b"\r\n0\r\n\r\n"):
        part = client.recv(2**20)
        assert part, answer
        answer += part
    return answer


@pytest.mark.parametrize("word", [b"Keep-Alive", b"keep-alive"])
def test_an_older_client_that_asks_for_it_keeps_its_connection(connect_at_leisure, word):
    """HTTP/1.0, as ab and old proxies speak it."""
    client = connect_at_leisure()
    head = b"POST /a HTTP/1.0\r\nconnection: %s\r\ncontent-length: 3\r\n\r\n" % word
    for _ in range(2):
        client.sendall(head + b"abc")
        assert b"connection: keep-alive\r\n" in answer_of(client)
    client.sendall(b"POST /a HTTP/1.0\r\ncontent-length: 3\r\n\r\nabc")
    last = received(client)
    assert b"keep-alive" not in last
    assert b"connection: close" in last


def received(client):
    """All until the server closes; an abort is the end too."""
    parts = []
    try:
        while part := client.recv(2**20):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_client_that_has_asked_and_sends_no_more_is_answered(connect_at_leisure):
    client = connect_at_leisure()
    client.sendall(HEAD % 3 + b"abc")
    client.shutdown(socket.SHUT_WR)
    answer = b""
    while part := client.recv(2**20):
        answer += part
    assert b"3 bytes" in answer
    half = connect_at_leisure()
    half.sendall(HEAD % 3 + b"a")
    half.shutdown(socket.SHUT_WR)
    assert half.recv(2**20) == b""


def test_a_request_in_time_is_answered(connect_at_leisure):
    client = connect_at_leisure()
    client.sendall(HEAD % 3 + b"abc")
    assert answer_of(client).endswith(b"7\r\n3 bytes\r\n0\r\n\r\n")


def test_a_body_that_does_not_come_ends_in_408(connect):
    client = connect()
    client.sendall(HEAD % 10 + b"abc")
    answer = received(client)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b"\r\n\r\n" + LATE)


def test_a_body_that_drips_ends_in_408(connect):
    client = connect()
    client.sendall(HEAD % 1_000_000)
    client.settimeout(0.05)
    answer = b""
    for _ in range(200):
        try:
            client.sendall(b"x")
            answer += client.recv(1000)
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            break
        if answer.endswith(LATE):
            break
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize("sent", [b"POST /a HT", b"POST /a HTTP/1.1\r\nhost: x\r\na:"])
def test_a_head_that_does_not_come_ends_in_408(connect, sent):
    client = connect()
    client.sendall(sent)
    assert received(client).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_the_head_of_a_second_request_is_waited_for_as_long(connect):
    client = connect()
    client.sendall(HEAD % 0)
    answer_of(client)
    client.sendall(b"POST /a HT")
    assert received(client).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_whoever_never_asks_is_closed_without_a_word(connect):
    assert received(connect()) == b""


def test_an_answer_that_nobody_reads_is_given_up(connect):
    client = connect()
    client.sendall(b"POST /large HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
    client.recv(1)
    threading.Event().wait(6 * SECONDS)  # reads nothing for that long
    assert len(received(client)) < LARGE


def test_between_two_requests_a_client_may_take_its_time(connect):
    client = connect()
    for _ in range(2):
        client.sendall(HEAD % 3 + b"abc")
        assert b"3 bytes" in answer_of(client)
        threading.Event().wait(3 * SECONDS)


def test_a_head_without_an_end_is_refused():
    with listening(timeout_seconds=60) as connect:
        client = connect()
        client.sendall(b"POST /a HTTP/1.1\r\nhost: x\r\n")
        line = b"a: " + b"b" * 60_000 + b"\r\n"
        try:
            for _ in range(2 * MAX_HEAD_BYTES // len(line)):
                client.sendall(line)
        except (ConnectionResetError, BrokenPipeError):
            pass
        answer = received(client)
    # Closing before the whole head was read may take the answer away from the client.
    assert not answer or answer.startswith(b"HTTP/1.1 431 Request Header Fields Too L")


def test_a_body_may_be_longer_than_a_head(connect_at_leisure):
    client = connect_at_leisure()
    client.sendall(HEAD % (4 * MAX_HEAD_BYTES) + bytes(4 * MAX_HEAD_BYTES))
    assert b"%d bytes" % (4 * MAX_HEAD_BYTES) in answer_of(client)


def test_more_connections_than_allowed_are_closed(monkeypatch):
    monkeypatch.setattr("kerasnn.serving.http.server.max_connections", lambda: 2)
    with listening(timeout_seconds=60) as connect:
        kept = [connect(), connect()]
        for client in kept:
            client.sendall(HEAD % 3 + b"abc")
            assert b"3 bytes" in answer_of(client)
        assert received(connect()) == b""
        kept[0].sendall(HEAD % 3 + b"abc")
        assert b"3 bytes" in answer_of(kept[0])


def test_as_many_connections_as_the_system_gives_files_for(monkeypatch):
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1000))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: asked.append(limits))
    assert max_connections() == 800
    assert asked == [(1000, 1000)]


def test_there_are_never_more_connections_than_ten_thousand(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    assert max_connections() == Connection.maximum == 10_000
