"""The server's ports, bound before the models are loaded, so that a taken port fails early.

A bound port refuses clients until the server listens on it.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kerasnn.errors import InputError
from kerasnn.serving.options import ServerOptions


@dataclass(frozen=True)
class Ports:
    """Bound sockets, and the numbers of their ports.

    Attributes:
        rest: None: no REST.
        grpc: holds the port until gRPC has bound its own socket; None: no gRPC.
        rest_port: None: no REST.
        grpc_port: None: no gRPC.
    """

    rest: socket.socket | None
    grpc: socket.socket | None
    rest_port: int | None
    grpc_port: int | None


@contextmanager
def bound_ports(options: ServerOptions) -> Iterator[Ports]:
    """Context manager that binds the ports of a server, and frees them at its end.

    Raises:
        InputError: a port cannot be bound; the message names its option.
    """
    if options.rest_port is not None and options.rest_port == options.grpc_port != 0:
        raise InputError(
            f"--rest-port and --grpc-port must differ; got {options.rest_port} for both"
        )
    rest = _bound(options.host, options.rest_port, "--rest-port")
    try:
        grpc = _bound(options.host, options.grpc_port, "--grpc-port")
    except InputError:
        if rest is not None:
            rest.close()
        raise
    try:
        yield Ports(rest, grpc, _number(rest), _number(grpc))
    finally:
        for each in (rest, grpc):
            if each is not None:
                each.close()


def bound_port(host: str, port: int, option: str) -> socket.socket:
    """Bind a port, and return its socket.

    Args:
        host: a name or address of this machine.
        port: 0 for any free one.
        option: names the port in messages, such as "--port".

    Raises:
        InputError: the port cannot be bound.
    """
    family, where = _resolved(host, port)
    bound = socket.socket(family, socket.SOCK_STREAM)
    # A server that has just ended may leave connections behind; one that listens still
    # keeps its port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(where)
    except OSError as error:
        bound.close()
        raise InputError(_why(error, host, port, option)) from None
    return bound


def address(host: str, port: int | None) -> str:
    """Return host and port as URLs and gRPC write them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine can reach a host."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _bound(host: str, port: int | None, option: str) -> socket.socket | None:
    return None if port is None else bound_port(host, port, option)


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host must be a name or address of this machine; got {host!r}: {error}"
        ) from None
    return found[0][0], found[0][4]


def _why(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{option} {port}: another program listens on {address(host, port)};"
            " give another port, or 0 for any free one"
        )
    if error.errno == errno.EACCES:
        return f"{option} {port}: is not allowed for this user; give one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host must be a name or address of this machine; got {host!r}"
    return f"{option} {port}: {error.strerror}"


def _number(bound: socket.socket | None) -> int | None:
    return None if bound is None else int(bound.getsockname()[1])
