"""Decoding of requests: an unreadable message ends its call with INVALID_ARGUMENT.

If a deserializer raises, grpc answers UNKNOWN and logs a traceback. Here the deserializer
returns the failure, and the call ends before it reaches a servicer.
"""

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from kerasnn.serving.errors import ServingError
from kerasnn.serving.in_flight import BytesInFlight


@dataclass(frozen=True)
class _Received:
    """A request as it came.

    Attributes:
        message: None if it could not be decoded.
        bytes: its size.
        problem: why it could not.
    """

    message: Any
    bytes: int
    problem: str = ""


class DecodingServer:
    """A stand-in for a server, on which generated code registers its handlers.

    Args:
        server: gets the wrapped handlers.
        in_flight: counts the bytes of the requests.
    """

    def __init__(self, server: grpc.aio.Server, in_flight: BytesInFlight) -> None:
        self._server = server
        self._in_flight = in_flight

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Register handlers with deserializers that do not raise."""
        self._server.add_generic_rpc_handlers(
            tuple(_Handlers(each, self._in_flight) for each in handlers)
        )

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Ignore them: they are the generic handlers again, and would be preferred."""


class _Handlers(grpc.GenericRpcHandler):
    """The handlers of one service, by the path of a method."""

    def __init__(self, handlers: grpc.GenericRpcHandler, in_flight: BytesInFlight) -> None:
        self._handlers = handlers
        self._in_flight = in_flight
        self._made: dict[str, grpc.RpcMethodHandler] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return the handler of a call; None if it belongs to another service."""
        made = self._made.get(details.method)
        if made is None:
            handler = self._handlers.service(details)
            if handler is None or handler.unary_unary is None:
                return handler
            made = self._made[details.method] = _reading(handler, self._in_flight)
        return made


def _reading(
    handler: grpc.RpcMethodHandler, in_flight: BytesInFlight
) -> grpc.RpcMethodHandler:
    def read(data: bytes) -> _Received:
        try:
            return _Received(handler.request_deserializer(data), len(data))
        except DecodeError as error:
            return _Received(None, len(data), str(error))

    async def call(received: _Received, context: Any) -> Any:
        if received.message is None:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"The request cannot be read: {received.problem}",
            )
        with in_flight.request() as held:
            try:
                held.grow(received.bytes)
            except ServingError as error:
                await context.abort(grpc.StatusCode.UNAVAILABLE, error.message)
            return await handler.unary_unary(received.message, context)

    return grpc.unary_unary_rpc_method_handler(call, read, handler.response_serializer)
