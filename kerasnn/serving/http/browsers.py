"""Which pages in a browser may send requests: `Origin` and `Host` are checked.

A page of any site can make its visitor's browser send a request to a server that only the
visitor reaches, such as one on 127.0.0.1. The browser then names the page's origin. A page
can also give the server's address to a name of its own (DNS rebinding): then the browser
takes both for one site, and the name is in `Host`.

Clients that are not browsers send no `Origin`, and the `Host` that they were given.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from kerasnn.errors import InputError
from kerasnn.serving.ports import is_loopback

ANY = "*"
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # change nothing, compute nothing
_DEFAULT_PORTS = {"http": 80, "https": 443}

_ALLOW_ORIGIN = b"access-control-allow-origin"
_ALLOW_REQUESTS = (
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)

Header = tuple[bytes, bytes]  # name in lower case, and value
Site = tuple[str, int | None]  # name and port


@dataclass(frozen=True)
class BrowserPolicy:
    """The names of a server, and the other origins whose pages may use it.

    Attributes:
        names: hosts by which browsers may call the server, in lower case.
        checks_host: whether a request for any other host is refused, even if it names no
            origin; True for a server on a loopback address.
        origins: such as "https://shop.example.com"; "*" for all.
    """

    names: frozenset[str] = _LOOPBACK_NAMES
    checks_host: bool = True
    origins: frozenset[str] = frozenset()

    def refusal(self, method: str, headers: Iterable[Header]) -> str | None:
        """Return why a request is refused, with the way out; None if it is not.

        Args:
            method: of the request, such as "POST".
            headers: names in lower case, and values.
        """
        host = origin = None
        for name, value in headers:
            if name == b"host":
                host = value.decode("latin-1")
            elif name == b"origin":
                origin = value.decode("latin-1")
        if host is not None and self.checks_host and not self._is_own(_site(host)[0]):
            return (
                f"This server does not answer for the host {host!r}. If it is its name,"
                f" start it with --allow-host {_site(host)[0]}"
            )
        if origin is None or method in _SAFE_METHODS or self._may_ask(origin, host):
            return None
        return (
            f"Pages of the origin {origin!r} may not send requests to this server. If they"
            f" should, start it with --allow-origin {origin}"
        )

    def answer_headers(self, headers: Iterable[Header]) -> list[Header]:
        """Return the headers that let a page of another origin read the answer.

        Args:
            headers: of the request.
        """
        if not self.origins:
            return []
        if ANY in self.origins:
            return [(_ALLOW_ORIGIN, b"*"), *_ALLOW_REQUESTS]
        origin = next((value for name, value in headers if name == b"origin"), b"")
        vary = [(b"vary", b"Origin")]
        if not self._allows(origin.decode("latin-1")):
            return vary
        return [(_ALLOW_ORIGIN, origin), *_ALLOW_REQUESTS, *vary]

    def _allows(self, origin: str) -> bool:
        return ANY in self.origins or origin.lower() in self.origins

    def _may_ask(self, origin: str, host: str | None) -> bool:
        if self._allows(origin):
            return True
        try:
            parts = urlsplit(origin)
            page = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            return False
        name, port = _site(host or "")
        same = page == (name, port or _DEFAULT_PORTS.get(parts.scheme))
        return same and self._is_own(name)

    def _is_own(self, name: str) -> bool:
        """Return whether a host is this server: a site cannot make its name an address."""
        return name in self.names or _is_address(name)


def browser_policy(
    host: str, *, hosts: Iterable[str] = (), origins: Iterable[str] = ()
) -> BrowserPolicy:
    """Return the policy of a server.

    Args:
        host: on which it listens.
        hosts: further names of it, such as that of a proxy; `Host` is then checked on every
            address.
        origins: other origins whose pages may use it; "*" for all.

    Raises:
        InputError: an origin is not written as browsers write it.
    """
    named = frozenset(_site(name)[0] for name in hosts)
    own = {host.lower(), socket.gethostname().lower()} if not is_loopback(host) else set()
    return BrowserPolicy(
        _LOOPBACK_NAMES | named | own,
        checks_host=is_loopback(host) or bool(named),
        origins=frozenset(_checked_origin(origin) for origin in origins),
    )


def _checked_origin(origin: str) -> str:
    if origin == ANY:
        return origin
    parts = _split(origin)
    if (
        parts is None
        or parts.scheme not in _DEFAULT_PORTS
        or not parts.hostname
        or f"{parts.scheme}://{parts.netloc}" != origin
    ):
        raise InputError(
            "--allow-origin must be * or an origin such as https://shop.example.com,"
            f" without a path; got {origin}"
        )
    return origin.lower()


def _split(origin: str) -> SplitResult | None:
    try:
        return urlsplit(origin)
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _site(host: str) -> Site:
    """Return name and port of a `Host` header; name "" if it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        if parts.username is not None or parts.path:
            return "", None
        return (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
