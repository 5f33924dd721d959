"""Reading the answers to odd requests, and judging them."""

import asyncio
import json
import re
from dataclasses import dataclass

ANSWER_LIMIT_SECONDS = 20
STATED_5XX = (501, 503, 504)
PLAIN_PATH = re.compile(r"/v1/[!-~]*", re.IGNORECASE)
TOO_LARGE_VERSION = re.compile(r".*/versions/\d{19,}", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """One response of HTTP/1.1."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the server ends the connection after it."""
        return self.headers.get("connection", "").lower() == "close"


async def read_answer(reader: asyncio.StreamReader, method: str = "POST") -> Answer:
    """The next answer that is final.

    Raises:
        OSError, EOFError: the connection ended before or within it.
    """
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        if status >= 200:
            break
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    if method == "HEAD" or status in (204, 304):
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status, headers, await _read_chunks(reader))
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
        return Answer(status, headers, body)
    return Answer(status, headers, await reader.read())


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return body


def judge_status(answer: Answer) -> str | None:
    """What is wrong with it, whatever was asked."""
    if answer.status >= 500 and answer.status not in STATED_5XX:
        return f"{answer.status} {answer.body[:200]!r}"
    if answer.status == 503 and "retry-after" not in answer.headers:
        return "503 without Retry-After"
    if "json" in answer.headers.get("content-type", "") and answer.body:
        return judge_json(answer)
    return None


def judge_json(answer: Answer) -> str | None:
    """What is wrong with its body."""
    try:
        body = json.loads(answer.body)
    except ValueError as error:
        return f"{answer.status} is no JSON: {error}"
    if not isinstance(body, dict):
        return f"{answer.status} with JSON that is no object"
    if answer.status >= 400 and not isinstance(body.get("error"), str):
        return f"{answer.status} without an error: {answer.body[:200]!r}"
    return None


def judge(answer: Answer, method: str, path: str) -> str | None:
    """What is wrong with the answer to a request that was well-formed HTTP."""
    if (problem := judge_status(answer)) is not None:
        return problem
    if answer.status < 400 or not PLAIN_PATH.fullmatch(path) or "#" in path:
        return None
    if method == "HEAD" or not method.isupper():
        return None
    if not answer.body and TOO_LARGE_VERSION.match(path):
        return None  # the one error without a body
    if "json" not in answer.headers.get("content-type", ""):
        return f"{answer.status} is no JSON: {answer.body[:200]!r}"
    return None
