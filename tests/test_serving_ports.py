import socket
from pathlib import Path

import pytest

from kerasnn.errors import InputError
from kerasnn.serving.options import ServerOptions
from kerasnn.serving.ports import address, bound_ports, is_loopback


def options(rest_port=0, grpc_port=0, host="127.0.0.1"):
    return ServerOptions(Path(), rest_port=rest_port, grpc_port=grpc_port, host=host)


def refused(**given):
    with pytest.raises(InputError) as caught, bound_ports(options(**given)):
        pass
    return str(caught.value)


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_any_free_ports_have_numbers():
    with bound_ports(options()) as ports:
        assert ports.rest.getsockname() == ("127.0.0.1", ports.rest_port)
        assert ports.grpc.getsockname() == ("127.0.0.1", ports.grpc_port)
        assert ports.rest_port != ports.grpc_port


def test_nobody_is_answered_before_the_server_listens():
    with (
        bound_ports(options()) as ports,
        pytest.raises(ConnectionRefusedError),
    ):
        socket.create_connection(("127.0.0.1", ports.rest_port))


def test_what_is_off_has_no_socket():
    with bound_ports(options(rest_port=None)) as ports:
        assert (ports.rest, ports.rest_port) == (None, None)
    with bound_ports(options(grpc_port=None)) as ports:
        assert (ports.grpc, ports.grpc_port) == (None, None)


def test_the_ports_are_free_again_in_the_end():
    with bound_ports(options()) as ports:
        pass
    with bound_ports(options(ports.rest_port, ports.grpc_port)):
        pass


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_taken_port_is_told_by_its_option(taken, way):
    assert refused(**{f"{way}_port": taken}) == (
        f"--{way}-port {taken}: another program listens on 127.0.0.1:{taken};"
        " give another port, or 0 for any free one"
    )


def test_the_two_ports_must_differ():
    told = "--rest-port and --grpc-port must differ; got 8123 for both"
    assert refused(rest_port=8123, grpc_port=8123) == told


@pytest.mark.parametrize("host", ["not a name", "192.0.2.1", "a" * 64 + ".example"])
def test_an_address_of_others_is_told(host):
    start = f"--host must be a name or address of this machine; got {host!r}"
    assert refused(host=host).startswith(start)


def test_ipv6_has_brackets_in_an_address():
    assert address("::1", 80) == "[::1]:80"
    assert address("localhost", 80) == "localhost:80"


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(host, only_here):
    assert is_loopback(host) is only_here
