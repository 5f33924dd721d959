"""Common parts of gRPC calls: model, deadline, status and metrics."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, NoReturn, TypeVar

import grpc
import tensorflow as tf

from kerasnn.manifest import DEFAULT_SIGNATURE
from kerasnn.serving.errors import Code, ServingError, as_serving_error, invalid
from kerasnn.serving.models.model_version import ModelVersion
from kerasnn.serving.service import Service

_log = logging.getLogger("kerasnn.serving")

MAX_MESSAGE_CHARACTERS = 1024  # of an error's message, as in TensorFlow Serving
_STATUS_CODES = {status.value[0]: status for status in grpc.StatusCode}
# gRPC's deadline of calls without a deadline is in the year 292277026596.
_NO_DEADLINE_SECONDS = 1e9

Message = Any  # of protobuf: its classes are made while it is imported
Context = Any  # grpc.aio.ServicerContext, which is generic only for type checkers
Response = TypeVar("Response")
Answer = Callable[[Service, Message, float], Awaitable[Response]]


async def answer(
    service: Service,
    api: str,
    function: Answer[Response],
    request: Message,
    spec: Message,
    context: Context,
) -> Response:
    """Return a function's response to a request; an error ends the call with its status.

    Args:
        service: counts the call in its metrics.
        api: such as "Predict".
        function: takes the service, the request, and the deadline on the event loop's
            clock in seconds.
        request: of the client.
        spec: the ModelSpec in it.
        context: of the call.
    """
    start = perf_counter()
    failure = None
    try:
        response = await function(service, request, _deadline(service, context))
    except asyncio.CancelledError:
        service.observe_request(
            spec.name, api, "GRPC", Code.CANCELLED, perf_counter() - start
        )
        raise
    except Exception as error:
        failure = _failure(api, error)
    # Before the client gets the answer, so that it finds its call in the metrics.
    code = failure.code if failure else Code.OK
    service.observe_request(spec.name, api, "GRPC", code, perf_counter() - start)
    if failure:
        await _abort(context, failure)
    return response


def model_spec(request: Message) -> Message:
    """Return the ModelSpec of a request.

    Raises:
        ServingError: INVALID_ARGUMENT, there is none.
    """
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def use_model(service: Service, spec: Message) -> AbstractContextManager[ModelVersion]:
    """Return a context that holds the version of a ModelSpec.

    Raises:
        ServingError: there is no such version; raised here or on entering the context.
    """
    if not spec.name:
        raise invalid("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    if choice == "version":
        return service.models.use(spec.name, version=spec.version.value)
    if choice == "version_label":
        return service.models.use(spec.name, label=spec.version_label)
    return service.models.use(spec.name)


def write_model_spec(answered: Message, asked: Message, version: ModelVersion) -> None:
    """Write the model, version and signature that answered."""
    answered.name = asked.name
    answered.signature_name = asked.signature_name or DEFAULT_SIGNATURE
    answered.version.value = version.number


def _deadline(service: Service, context: Context) -> float:
    seconds = context.time_remaining()
    if seconds is None or seconds > _NO_DEADLINE_SECONDS:
        seconds = service.limits.timeout_seconds
    return asyncio.get_running_loop().time() + float(seconds)


def _failure(api: str, error: Exception) -> ServingError:
    if not isinstance(error, ServingError | tf.errors.OpError):
        _log.error("%s failed", api, exc_info=error)
    return as_serving_error(error)


async def _abort(context: Context, failure: ServingError) -> NoReturn:
    message = failure.message
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = message[:MAX_MESSAGE_CHARACTERS] + "...TRUNCATED"
    # A message that cannot be encoded would end the call without a status.
    message = message.encode("utf-8", "replace").decode()
    await context.abort(_STATUS_CODES[failure.code], message)
    raise AssertionError  # abort always raises
