"""TensorFlow Serving's file of batching parameters.

tensorflow-serving-api has no class for its message, so it is declared here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from kerasnn.errors import InputError

_NAME = "kerasnn.BatchingParameters"
_FIELDS = {
    "max_batch_size": "Int64Value",
    "batch_timeout_micros": "Int64Value",
    "max_enqueued_batches": "Int64Value",
    "num_batch_threads": "Int64Value",
    "thread_pool_name": "StringValue",
    "allowed_batch_sizes": "repeated int64",
    "pad_variable_length_inputs": "bool",
    "enable_large_batch_splitting": "BoolValue",
    "max_execution_batch_size": "Int64Value",
}
_MINIMA = {
    "max_batch_size": 1,
    "batch_timeout_micros": 0,
    "max_enqueued_batches": 1,
    "num_batch_threads": 1,
    "max_execution_batch_size": 1,
}
DEFAULT_ROWS = 1000  # of a batch, in TensorFlow Serving as well


@dataclass(frozen=True)
class BatchingParameters:
    """The parameters that a file of batching sets; None for the others.

    Attributes:
        batch_rows: maximum of a joined call.
        request_rows: maximum of a request; None: any.
        batch_sizes: numbers of rows that joined calls are filled up to; any, if empty.
        wait_microseconds: how long a request waits for others.
        threads: number of parallel calls.
        waiting: number of requests that wait.
    """

    batch_rows: int = DEFAULT_ROWS
    request_rows: int | None = DEFAULT_ROWS
    batch_sizes: tuple[int, ...] = ()
    wait_microseconds: int | None = None
    threads: int | None = None
    waiting: int | None = None


def read_batching_file(path: Path) -> BatchingParameters:
    """Read a BatchingParameters message as protobuf text.

    Raises:
        InputError: it cannot be read, or sets what is not supported.
    """
    option = f"--batching-parameters-file {path}"
    try:
        return parse_batching_parameters(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{option}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{option}: is not text") from None
    except InputError as error:
        raise InputError(f"{option}: {error}") from None


def parse_batching_parameters(text: str) -> BatchingParameters:
    """Parse a BatchingParameters message.

    Raises:
        InputError: it is no such message, or sets what is not supported.
    """
    message = _message()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise InputError(
            f"Error parsing text-format tensorflow.serving.BatchingParameters: {error}"
        ) from None
    if message.pad_variable_length_inputs:
        raise InputError(
            "pad_variable_length_inputs must not be true: only requests of equal shapes are"
            " joined, since padding may change an answer; leave it out"
        )
    given = {name: _number(message, name) for name in _MINIMA}
    size = given["max_batch_size"] or DEFAULT_ROWS
    splits = message.enable_large_batch_splitting.value
    rows = _batch_rows(size, given["max_execution_batch_size"], splits=splits)
    sizes = tuple(message.allowed_batch_sizes)
    _check_sizes(sizes, rows)
    batches = given["max_enqueued_batches"]
    return BatchingParameters(
        batch_rows=rows,
        request_rows=None if splits else size,
        batch_sizes=sizes,
        wait_microseconds=given["batch_timeout_micros"],
        threads=given["num_batch_threads"],
        waiting=None if batches is None else batches * rows,
    )


def _number(message: Any, name: str) -> int | None:
    """Return the value of a field; None if it is not set."""
    if not message.HasField(name):
        return None
    value = int(getattr(message, name).value)
    if value < _MINIMA[name]:
        raise InputError(f"{name} must be at least {_MINIMA[name]}; got {value}")
    return value


def _batch_rows(size: int, execution: int | None, *, splits: bool) -> int:
    """Return the rows of a joined call."""
    if execution is None:
        return size
    if not splits:
        raise InputError(
            "max_execution_batch_size needs enable_large_batch_splitting { value: true }"
        )
    if execution > size:
        raise InputError(
            f"max_execution_batch_size must be at most max_batch_size, {size}; got"
            f" {execution}"
        )
    return execution


def _check_sizes(sizes: tuple[int, ...], rows: int) -> None:
    rising = all(a < b for a, b in zip((0, *sizes), sizes, strict=False))
    if sizes and not (rising and sizes[-1] == rows):
        raise InputError(
            "allowed_batch_sizes must rise, and end with the size of the largest batch,"
            f" {rows}; got {', '.join(map(str, sizes))}"
        )


def _message() -> Any:
    """Return an empty BatchingParameters message."""
    file = descriptor_pb2.FileDescriptorProto(
        name="kerasnn/batching_parameters.proto",
        package="kerasnn",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    message = file.message_type.add(name="BatchingParameters")
    for number, (name, kind) in enumerate(_FIELDS.items(), 1):
        field = message.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL)
        if kind == "bool":
            field.type = kinds.TYPE_BOOL
        elif kind == "repeated int64":
            field.type, field.label = kinds.TYPE_INT64, kinds.LABEL_REPEATED
        else:
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".google.protobuf.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(_NAME))()
