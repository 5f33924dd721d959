"""Decoding of requests: an unreadable message ends its call with INVALID_ARGUMENT.

If a deserializer raises, grpc answers UNKNOWN and logs a traceback. Here the deserializer
returns the failure, and the call ends before it reaches a servicer.
"""

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError


@dataclass(frozen=True)
class _Unreadable:
    """A placeholder for a request that could not be decoded."""

    reason: str


class DecodingServer:
    """A stand-in for a server, on which generated code registers its handlers.

    Args:
        server: gets the wrapped handlers.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Register handlers with deserializers that do not raise."""
        self._server.add_generic_rpc_handlers(tuple(_Handlers(each) for each in handlers))

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Ignore them: they are the generic handlers again, and would be preferred."""


class _Handlers(grpc.GenericRpcHandler):
    """The handlers of one service, by the path of a method."""

    def __init__(self, handlers: grpc.GenericRpcHandler) -> None:
        self._handlers = handlers
        self._made: dict[str, grpc.RpcMethodHandler] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return the handler of a call; None if it belongs to another service."""
        made = self._made.get(details.method)
        if made is None:
            handler = self._handlers.service(details)
            if handler is None or handler.unary_unary is None:
                return handler
            made = self._made[details.method] = _reading(handler)
        return made


def _reading(handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    def read(data: bytes) -> Any:
        try:
            return handler.request_deserializer(data)
        except DecodeError as error:
            return _Unreadable(str(error))

    async def call(request: Any, context: Any) -> Any:
        if isinstance(request, _Unreadable):
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"The request cannot be read: {request.reason}",
            )
        return await handler.unary_unary(request, context)

    return grpc.unary_unary_rpc_method_handler(call, read, handler.response_serializer)
