"""Bytes that are no message are the client's mistake, not the server's."""

import asyncio

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from kerasnn.serving.grpc.decoding import DecodingServer
from kerasnn.serving.in_flight import BytesInFlight


async def shout(request, context):
    return StringValue(value=request.value.upper())


def register(server):
    """As generated code does."""
    handler = grpc.unary_unary_rpc_method_handler(
        shout, StringValue.FromString, StringValue.SerializeToString
    )
    handlers = {"Shout": handler}
    generic = grpc.method_handlers_generic_handler("test.Shouting", handlers)
    server.add_generic_rpc_handlers((generic,))
    server.add_registered_method_handlers("test.Shouting", handlers)


async def call(method, data, in_flight=None):
    """Status code, and text or details."""
    server = grpc.aio.server()
    register(DecodingServer(server, in_flight or BytesInFlight(2**20)))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = await channel.unary_unary(f"/test.Shouting/{method}")(data)
            return grpc.StatusCode.OK, StringValue.FromString(answer).value
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details()
    finally:
        await server.stop(None)


def test_a_message_that_can_be_read_is_answered():
    data = StringValue(value="abc").SerializeToString()
    assert asyncio.run(call("Shout", data)) == (grpc.StatusCode.OK, "ABC")


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff"])
def test_bytes_that_are_no_message_are_an_invalid_argument(data, caplog):
    code, details = asyncio.run(call("Shout", data))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("The request cannot be read: Error parsing message")
    # gRPC's poller may wake the event loop of an earlier call, which is closed.
    told = [record.getMessage() for record in caplog.records]
    assert [text for text in told if "PollerCompletionQueue" not in text] == []


def test_other_methods_are_not_there():
    code, _ = asyncio.run(call("Whisper", b""))
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_beyond_the_bytes_in_flight_a_large_message_is_unavailable():
    small, large = (StringValue(value="a" * n).SerializeToString() for n in (9, 70_000))
    in_flight = BytesInFlight(80_000)
    in_flight.bytes = 20_000
    code, details = asyncio.run(call("Shout", large, in_flight))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert "(--max-bytes-in-flight)" in details
    assert asyncio.run(call("Shout", small, in_flight))[0] is grpc.StatusCode.OK
    assert in_flight.bytes == 20_000
