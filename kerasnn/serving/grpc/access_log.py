"""The access log of gRPC calls."""

from time import perf_counter
from typing import Any

import grpc
import grpc.aio

from kerasnn.serving.access_log import AccessLog, milliseconds_since
from kerasnn.serving.errors import Code
from kerasnn.serving.grpc.decoding import message_of

_CODES = {code.value: code.name for code in Code}


class AccessLogInterceptor(grpc.aio.ServerInterceptor):
    """An interceptor that logs each unary call.

    Args:
        log: gets a line for each call.
    """

    def __init__(self, log: AccessLog) -> None:
        self._log = log

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Wrap a method's handler with the log."""
        handler = await continuation(details)
        if handler is None or handler.unary_unary is None:
            return handler

        async def logged(request: Any, context: Any) -> Any:
            start = perf_counter()
            response = None
            try:
                response = await handler.unary_unary(request, context)
                return response
            finally:
                self._log.write(
                    {
                        "protocol": "gRPC",
                        "client": context.peer(),
                        "path": details.method,
                        **_facts(message_of(request), response),
                        "code": _code(context, response),
                        "bytes_in": _size(message_of(request)),
                        "bytes_out": _size(response),
                        "milliseconds": milliseconds_since(start),
                    }
                )

        return grpc.unary_unary_rpc_method_handler(
            logged, handler.request_deserializer, handler.response_serializer
        )


def _facts(request: Any, response: Any) -> dict[str, Any]:
    spec = getattr(request, "model_spec", None)
    if spec is None:
        return {}
    answered = getattr(response, "model_spec", None)
    version = answered if answered is not None else spec
    return {
        "model": spec.name,
        "version": version.version.value if version.HasField("version") else None,
        "rows": _rows(request),
    }


def _rows(request: Any) -> int | None:
    """Return the number of rows of the first tensor, or of examples."""
    for tensor in getattr(request, "inputs", {}).values():
        return tensor.tensor_shape.dim[0].size if tensor.tensor_shape.dim else None
    examples = getattr(request, "input", None)
    kind = examples.WhichOneof("kind") if examples is not None else None
    return len(getattr(examples, kind).examples) if kind else None


def _code(context: Any, response: Any) -> str:
    code = context.code()
    if code is None or (code == 0 and response is None):
        return "OK" if response is not None else "CANCELLED"
    return _CODES[code.value[0] if isinstance(code, grpc.StatusCode) else int(code)]


def _size(message: Any) -> int:
    return int(message.ByteSize()) if hasattr(message, "ByteSize") else 0
