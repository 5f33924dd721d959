"""Errors of requests, with the status codes that TensorFlow, gRPC and REST share."""

import enum
from collections.abc import Iterable
from typing import Any

import tensorflow as tf


class Code(enum.IntEnum):
    """The status codes of gRPC and TensorFlow."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


class ServingError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: the kind of error.
        message: for the client.
        retry_after_seconds: when the client may try again, if that can help.
    """

    def __init__(
        self, code: Code, message: str, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds


def invalid(message: str) -> ServingError:
    """Return an INVALID_ARGUMENT error."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def from_tensorflow(error: tf.errors.OpError) -> ServingError:
    """Convert the error of a graph's operation; its code stays."""
    return ServingError(Code(int(error.error_code)), str(error.message))


def as_serving_error(error: BaseException) -> ServingError:
    """Convert any exception that was raised while a request was answered."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return from_tensorflow(error)
    if isinstance(error, TimeoutError):
        return ServingError(Code.DEADLINE_EXCEEDED, "Deadline exceeded")
    return ServingError(Code.INTERNAL, f"{type(error).__name__}: {error}")


def name_set(items: Any) -> str:
    """Return names as TensorFlow Serving lists them: {a,b}."""
    return "{" + ",".join(sorted(items)) + "}"


def shape_text(shape: Iterable[int]) -> str:
    """Return a shape as TensorFlow prints it: [2,3]."""
    return "[" + ",".join(map(str, shape)) + "]"
