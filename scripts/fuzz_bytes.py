"""Bytes that are hardly HTTP: broken heads, lengths that lie, bodies over the bound."""

import gzip
import random
from collections.abc import Callable
from typing import Any

from fuzz_json import join, write

Random = random.Random
BODY_LIMIT = 2**20  # of the fuzzed server
BOMB = gzip.compress(b"[" + b"0," * 50_000_000, compresslevel=1, mtime=0)  # 100 MB unpacked


def good(r: Random, bodies: Any) -> bytes:
    """A request that is answered."""
    model, verb, body = r.choice(bodies[:7])
    path = f"/v1/models/{model}:{verb}".encode()
    return join("POST", path, write(body).encode())


def noise(r: Random, bodies: Any) -> bytes:
    """Any bytes."""
    return r.randbytes(r.choice((1, 3, 10, 100, 1000, 70_000)))


def mutated(r: Random, bodies: Any) -> bytes:
    """Some bytes of a good request changed, put in or left out."""
    data = bytearray(good(r, bodies))
    for _ in range(r.randrange(1, 6)):
        place = r.randrange(len(data))
        change = r.randrange(3)
        if change == 0:
            data[place] = r.randrange(256)
        elif change == 1:
            data[place:place] = r.randbytes(r.randrange(1, 4))
        else:
            del data[place : place + r.randrange(1, 4)]
        data = data or bytearray(b"x")
    return bytes(data)


def begun(r: Random, bodies: Any) -> bytes:
    """Only the beginning of one; the client goes away."""
    data = good(r, bodies)
    return data[: r.randrange(1, len(data))]


def pipelined(r: Random, bodies: Any) -> bytes:
    """Several at once, each of which must be answered."""
    return b"".join(good(r, bodies) for _ in range(r.randrange(2, 12)))


LENGTHS = (
    b"-1 +5 0x10 1e3 5,5 99999999999999999999999 1048577 104857601 abc 5\x00 \xd9\xa1"
).split()


def lying(r: Random, bodies: Any) -> bytes:
    """Content-Length that is not the body's, said twice, or beside chunks."""
    head, _, body = good(r, bodies).partition(b"\r\n\r\n")
    true = b"Content-Length: %d" % len(body)
    change = r.randrange(5)
    if change == 0:
        head = head.replace(true, b"Content-Length: " + r.choice(LENGTHS))
    elif change == 1:
        head = head.replace(true, b"Content-Length: %d" % r.randrange(len(body)))
    elif change == 2:
        head += b"\r\nContent-Length: %d" % r.randrange(2 * len(body))
    elif change == 3:
        head += b"\r\nTransfer-Encoding: chunked"
    else:
        head = head.replace(true, b"X: y")
    return head + b"\r\n\r\n" + body


SIZES = b"-1 zz 0x5 ffffffffffffffffff 7fffffff 5;x=y 05 +5 00000000000000005".split()


def chunked(r: Random, bodies: Any) -> bytes:
    """In chunks, of which one may say a wrong size, or the last be missing."""
    head, _, body = good(r, bodies).partition(b"\r\n\r\n")
    head = head.replace(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked")
    data, place = bytearray(), 0
    while place < len(body):
        size = r.randrange(1, 40)
        told = r.choice(SIZES) if r.random() < 0.1 else b"%x" % len(body[place:][:size])
        data += told + b"\r\n" + body[place : place + size]
        data += b"" if r.random() < 0.03 else b"\r\n"
        place += size
    if r.random() < 0.9:
        data += b"0\r\n" + r.choice((b"", b"X: y\r\n", b"Content-Length: 5\r\n")) + b"\r\n"
    return head + b"\r\n\r\n" + bytes(data)


def too_large(r: Random, bodies: Any) -> bytes:
    """More than the server takes, at once or in chunks."""
    path = b"/v1/models/dense:predict"
    body = b"[" + b"0," * (BODY_LIMIT // 2 + r.randrange(1, 100_000))
    data = join("POST", path, body)
    if r.random() < 0.5:
        return data
    head = data.partition(b"\r\n\r\n")[0].replace(
        b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked"
    )
    return head + b"\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


def zipped(r: Random, bodies: Any) -> bytes:
    """gzip: whole, cut, changed, two members, or a bomb."""
    model, verb, body = r.choice(bodies[:7])
    data = gzip.compress(write(body).encode(), 1, mtime=0)
    change = r.randrange(6)
    if change == 0:
        data = data[: r.randrange(len(data))]
    elif change == 1:
        data = data[:10] + r.randbytes(len(data) - 10)
    elif change == 2:
        data += data
    elif change == 3:
        data += r.randbytes(9)
    elif change == 4 and r.random() < 0.2:
        data = BOMB
    path = f"/v1/models/{model}:{verb}".encode()
    return join("POST", path, data, [("Content-Encoding", "gzip")])


def long_head(r: Random, bodies: Any) -> bytes:
    """A path, a header, or many of them, without end."""
    size = r.choice((1000, 10_000, 70_000, 300_000))
    change = r.randrange(3)
    if change == 0:
        return join("GET", b"/v1/models/" + b"a" * size, b"")
    if change == 1:
        return join("GET", b"/v1/models/dense", b"", [("X", "y" * size)])
    return join("GET", b"/v1/models/dense", b"", [("X", "y")] * (size // 6))


OTHERS = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"GET /v1/models/dense HTTP/1.0\r\n\r\n",
    b"GET /v1/models/dense HTTP/0.9\r\n\r\n",
    b"GET /v1/models/dense HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET http://elsewhere.example/v1/models/dense HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/models/dense HTTP/1.1\r\n\r\n",
    b"GET /v1/models/dense HTTP/1.1\nHost: x\n\n",
    b"GET  /v1/models/dense  HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/models/d\x00nse HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/models/dense HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
    b"\r\n\r\n\r\n",
)


def other(r: Random, bodies: Any) -> bytes:
    """Another protocol, or an odd form of this one."""
    return r.choice(OTHERS)


# With how often each is taken.
KINDS: tuple[tuple[Callable[[Random, Any], bytes], int], ...] = (
    (noise, 15),
    (mutated, 30),
    (begun, 12),
    (pipelined, 12),
    (lying, 10),
    (chunked, 12),
    (too_large, 1),
    (zipped, 8),
    (long_head, 2),
    (other, 8),
)


def request(r: Random, bodies: Any) -> tuple[str, bytes]:
    """The kind and the bytes of one."""
    makers, weights = zip(*KINDS, strict=True)
    maker = r.choices(makers, weights)[0]
    return maker.__name__, maker(r, bodies)
