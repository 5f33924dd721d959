"""REST requests that are nearly right: a good one, spoilt in a few places."""

import json
import random
from dataclasses import dataclass
from typing import Any

Random = random.Random


@dataclass(frozen=True)
class Token:
    """Text that stands in the document as it is."""

    text: str


@dataclass(frozen=True)
class Pairs:
    """An object that may say a name twice."""

    pairs: tuple[tuple[str, Any], ...]


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


NUMBERS = words(
    "NaN Infinity -Infinity Inf -NaN 1e400 -1e400 1e-400 1e308 3.5e38 0.1 -0 -0.0"
    " 00 01 1. .5 +1 0x10 1e 127 128 -129 255 256 300 32768 65536 2147483647"
    " 2147483648 4294967296 9223372036854775807 9223372036854775808"
    " -9223372036854775809 18446744073709551615 18446744073709551616 1E+2 1_000"
    " 1e999999999999"
)
WORDS = words('null true false True None undefined {} [] [[]] [{}] {"b64":1} "" \' // ,')
TEXTS = (
    "",
    "abc",
    "red",
    "1.5",
    "NaN",
    "\u0000",
    "\ud800",
    "\U0001f600",
    "é" * 100,
    "x" * 10_000,
    "../../etc/passwd",
    "{{7*7}}",
    "\r\n\r\nHTTP/1.1 200 OK",
)
BASE64 = ("", "AAAA", "AAA", "A", "AA==", "=", "====", "A===", "é", "-_-_", "AA AA", "////")
NAMES = words(
    "x y b64 instances inputs examples context signature_name size colour count"
    " serving_default __saved_model_init_op classify inputs outputs predictions"
)
MODELS = [
    "dense",
    "columns",
    "types",
    "rows",
    "examples",
    "nobody",
    "..",
    "%2e%2e",
    "a%2Fb",
    "dense%00",
    "%ff%fe",
    "%zz",
    "DENSE",
    "é%F0%9F%98%80",
    "dense:predict",
]
VERSIONS = [
    "1",
    "01",
    "0",
    "2",
    "-1",
    "+1",
    "1.0",
    "99999",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999999999",
    "x",
    "%31",
    "\u0661",
]
VERBS = ["predict", "classify", "regress", "Predict", "multi", "predict:predict"]
TAILS = ("", "/", "?", "?x=1", "/metadata", "/metadata/", "#x", "%20", ":", "//", "\\", ";")
METHODS = words("GET PUT DELETE PATCH HEAD OPTIONS TRACE post POST")
OUTSIDE = words(
    "/ /v1 /v1/ /v1/models /v1/models/ /v2/models/dense /metrics /healthz /readyz"
    " /favicon.ico /monitoring/prometheus/metrics /../v1/models/dense"
    " /v1/models/dense/../dense //v1/models/dense /page/.."
    " /page/../../serving/server.py /page/%2e%2e/%2e%2e/server.py /V1/MODELS/dense"
    " /v1/models/dense/versions /v1/models/dense/labels /page/x /*"
)


def write(node: Any) -> str:
    """As JSON, but for what a Token says."""
    if isinstance(node, Token):
        return node.text
    if isinstance(node, Pairs):
        return "{" + ",".join(f"{json.dumps(k)}:{write(v)}" for k, v in node.pairs) + "}"
    if isinstance(node, dict):
        return write(Pairs(tuple(node.items())))
    if isinstance(node, list):
        return "[" + ",".join(map(write, node)) + "]"
    return json.dumps(node)


def leaf(r: Random) -> Any:
    """A value that may be of any kind."""
    kind = r.randrange(8)
    if kind < 2:
        return Token(r.choice(NUMBERS))
    if kind == 2:
        return Token(r.choice(WORDS))
    if kind == 3:
        return r.choice(TEXTS)
    if kind == 4:
        return {"b64": r.choice(BASE64)}
    if kind == 5:
        return {r.choice(NAMES): r.choice((1, 1.5, "a", None, [], True))}
    if kind == 6:
        return [r.choice((1, 1.5, "a", None, True, [])) for _ in range(r.randrange(4))]
    return deep(r)


def deep(r: Random) -> Token:
    """Lists or objects in each other, up to some hundred thousand, perhaps not closed."""
    depth = int(10 ** r.uniform(0, 3 if r.random() < 0.98 else 5.5))
    opening, closing = r.choice((("[", "]"), ('{"x":', "}"), ('[{"b64":', "}]")))
    inside = r.choice(("1", "", "null", '"a"'))
    return Token(opening * depth + inside + closing * (depth if r.random() < 0.8 else 0))


def spoil(node: Any, r: Random) -> Any:
    """The same with one place changed."""
    if isinstance(node, dict) and node and r.random() < 0.9:
        name = r.choice(list(node))
        change = r.randrange(8)
        if change == 0:
            return {k: v for k, v in node.items() if k != name}
        if change == 1:
            return node | {r.choice(NAMES): leaf(r)}
        if change == 2:
            return Pairs((*node.items(), (name, leaf(r))))
        if change == 3:
            return {(r.choice(TEXTS) if k == name else k): v for k, v in node.items()}
        return {k: spoil(v, r) if k == name else v for k, v in node.items()}
    if isinstance(node, list) and node and r.random() < 0.85:
        place = r.randrange(len(node))
        change = r.randrange(6)
        if change == 0:
            return [item for i, item in enumerate(node) if i != place]
        if change == 1:
            return [*node, leaf(r)]
        if change == 2:
            return [node]
        if change == 3:
            return node * r.choice((2, 10, 300))
        return [spoil(item, r) if i == place else item for i, item in enumerate(node)]
    return [node] if r.random() < 0.1 else leaf(r)


def spoil_text(text: bytes, r: Random) -> bytes:
    """The document's bytes cut, doubled or with some changed."""
    change = r.randrange(5)
    place = r.randrange(len(text) + 1)
    if change == 0:
        return text[:place]
    if change == 1:
        return text + r.choice((b" ", b"x", b"{}", b"\x00", b"]", b"}", text))
    if change == 2:
        return text[:place] + r.randbytes(r.randrange(1, 9)) + text[place:]
    if change == 3:
        return text[:place] + text[place + r.randrange(1, 9) :]
    marks = (b"\xef\xbb\xbf", b"\xff\xfe", b"\x1f\x8b", b" \t\r\n", b"")
    return r.choice(marks) + (text if r.random() < 0.9 else text.decode().encode("utf-16"))


def document(body: dict[str, Any], r: Random) -> bytes:
    """A good body, spoilt some times, or not."""
    node: Any = body
    for _ in range(r.choice((0, 1, 1, 1, 2, 3))):
        node = spoil(node, r)
    text = write(node).encode("utf-8", "surrogatepass")
    return spoil_text(text, r) if r.random() < 0.15 else text


def path_of(model: str, verb: str, r: Random) -> str:
    """Where a request goes: mostly right."""
    if r.random() < 0.75:
        return f"/v1/models/{model}:{verb}"
    if r.random() < 0.15:
        return r.choice(OUTSIDE)
    model = r.choice((model, *MODELS))
    which = r.choice(
        ("", "", f"/versions/{r.choice(VERSIONS)}", f"/labels/{r.choice(TEXTS[1:4])}")
    )
    more = r.choice(("", "", "", f"/labels/{r.choice(VERSIONS)}"))
    action = r.choice((f":{verb}", f":{r.choice(VERBS)}", ""))
    return f"/v1/models/{model}{which}{more}{action}{r.choice(TAILS)}"


HEADERS = (
    ("Content-Type", "application/json"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "multipart/form-data; boundary=x"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "br"),
    ("Content-Encoding", "gzip, gzip"),
    ("Accept-Encoding", "gzip, br"),
    ("Accept", "text/plain"),
    ("Origin", "http://elsewhere.example"),
    ("Origin", "null"),
    ("Expect", "100-continue"),
    ("X-Long", "x" * 2000),
    ("Host", "x:y:z"),
    ("Authorization", "Basic ///"),
    ("Range", "bytes=0-0,-1"),
    ("X-Bytes", "\xff\x80"),
)


def request(body: tuple[str, str, dict[str, Any]], r: Random) -> bytes:
    """A whole request of HTTP/1.1 that is well formed, whatever its body says."""
    model, verb, good = body
    method = "POST" if r.random() < 0.9 else r.choice(METHODS)
    path = path_of(model, verb, r).encode("utf-8", "surrogatepass")
    text = document(good, r)
    headers = [r.choice(HEADERS)] if r.random() < 0.2 else []
    return join(method, path, text, headers)


def join(
    method: str, path: bytes, body: bytes, headers: list[tuple[str, str]] | None = None
) -> bytes:
    """The bytes of a request."""
    lines = [b"Host: 127.0.0.1", b"Content-Length: %d" % len(body)]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers or []]
    head = b"%s %s HTTP/1.1\r\n" % (method.encode(), path)
    return head + b"\r\n".join(lines) + b"\r\n\r\n" + body
