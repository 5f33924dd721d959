"""A connection to a model server, which exchanges JSON and retries; `model` uses it."""

import contextlib
import http.client
import json
import ssl
import time
import urllib.parse
from types import TracebackType
from typing import Any

from kerasnn.errors import InputError, ServerError

MAX_TRIES = 6  # for a request that a busy server turns away
MAX_WAIT_SECONDS = 30.0  # between two of them, whatever the server asks for
BUSY_STATUSES = (429, 503)


class RestClient:
    """A connection to the REST port of a model server.

    Args:
        url: such as "http://127.0.0.1:8501"; a path, as behind a proxy, may follow.
        ca_cert: a PEM file of trusted certificates for https; the system's by default.
        timeout_seconds: for a connection or an answer.

    Raises:
        InputError: the URL is not http or https, or ca_cert cannot be used.
    """

    def __init__(
        self, url: str, *, ca_cert: str | None = None, timeout_seconds: float = 60.0
    ) -> None:
        parts = _parts(url)
        self.url = url.rstrip("/")
        self._host, self._port = parts.hostname or "", parts.port
        self._path = parts.path.rstrip("/")
        self._timeout = timeout_seconds
        self._tls = _tls(ca_cert) if parts.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> "RestClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str) -> Any:
        """Return the JSON at a path, such as "/v1/models/digits/metadata".

        Raises:
            ServerError: there is no answer, or it is an error or no JSON.
        """
        return self._asked("GET", path, None)

    def post(self, path: str, content: Any) -> Any:
        """Post a JSON value, and return the JSON of the answer.

        Raises:
            ServerError: as `get`.
        """
        return self._asked("POST", path, json.dumps(content).encode())

    def _asked(self, method: str, path: str, body: bytes | None) -> Any:
        for attempt in range(MAX_TRIES):
            status, retry_after, content = self._exchanged(method, path, body)
            if status not in BUSY_STATUSES or attempt == MAX_TRIES - 1:
                break
            time.sleep(_wait_seconds(retry_after, attempt))
        if status != 200:
            raise ServerError(
                f"{self.url} answered with {status}: {_reason(content)}", status=status
            )
        try:
            return json.loads(content)
        except ValueError:
            raise ServerError(
                f"{self.url}{path}: the answer is not JSON, but {_reason(content)!r};"
                " is this the REST port of a model server?",
                status=status,
            ) from None

    def _exchanged(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, str | None, bytes]:
        """Return status, Retry-After and content of any answer."""
        kept = self._connection is not None
        try:
            return self._sent(method, path, body)
        except ConnectionError as error:
            self.close()
            # A server closes what was idle; asking twice changes nothing there.
            if kept:
                return self._exchanged(method, path, body)
            raise ServerError(self._no_answer(error)) from None
        except TimeoutError:
            self.close()
            raise ServerError(
                f"{self.url} did not answer within {self._timeout:g} seconds"
            ) from None
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise ServerError(
                f"{self.url}: the server's certificate is not trusted:"
                f" {error.verify_message}. Name the authority that signed it (--ca-cert)"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ServerError(self._no_answer(error)) from None

    def _sent(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, str | None, bytes]:
        if self._connection is None:
            self._connection = self._connected()
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        with contextlib.suppress(BrokenPipeError):
            # A body that is too large is refused before it is read: the answer is there.
            self._connection.request(method, self._path + path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read()

    def _connected(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=self._tls
        )

    def _no_answer(self, error: Exception) -> str:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return (
            f"{self.url} gives no answer: {why}. Is a server running there, and is this its"
            " REST port?"
        )


def _parts(url: str) -> urllib.parse.SplitResult:
    wanted = "the server's address is http://HOST:PORT or https://HOST:PORT"
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port  # raises where it is no number
    except ValueError as error:
        raise InputError(f"{wanted}; got {url!r}: {error}") from None
    more = parts.query or parts.fragment or parts.username or port == 0
    if parts.scheme not in ("http", "https") or not parts.hostname or more:
        raise InputError(f"{wanted}; got {url!r}")
    return parts


def _tls(ca_cert: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_cert)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or error
        raise InputError(f"{ca_cert}: cannot be used as certificates: {why}") from None


def _wait_seconds(retry_after: str | None, attempt: int) -> float:
    """Return the server's Retry-After in seconds; else a time that doubles."""
    if retry_after is not None and retry_after.strip().isdecimal():
        return min(float(retry_after), MAX_WAIT_SECONDS)
    return min(0.25 * 2**attempt, MAX_WAIT_SECONDS)


def _reason(content: bytes) -> str:
    """Return the error in an answer, or the beginning of the answer."""
    text = content.decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return " ".join(text[:200].split()) or "nothing more"
