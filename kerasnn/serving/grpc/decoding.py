"""Messages that cannot be read end their call as the client's mistake.

grpc itself tells the client UNKNOWN, and writes a traceback to the log, for whatever a
deserializer raises. Here the deserializer hands the failure on, and the call is ended
with INVALID_ARGUMENT before a servicer sees it.
"""

from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError


@dataclass(frozen=True)
class _Unreadable:
    """What stands for a request that could not be read."""

    reason: str


class DecodingServer:
    """Takes the place of a server where generated code registers its handlers.

    Args:
        server: where they are registered in the end.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Register them with readers that do not raise."""
        self._server.add_generic_rpc_handlers(tuple(_Handlers(each) for each in handlers))

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Nothing: these are the generic ones again, which would be preferred."""


class _Handlers(grpc.GenericRpcHandler):
    """The handlers of one service, by the path of a method."""

    def __init__(self, handlers: grpc.GenericRpcHandler) -> None:
        self._handlers = handlers
        self._made: dict[str, grpc.RpcMethodHandler] = {}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Who answers a call; None if it is not of this service."""
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
