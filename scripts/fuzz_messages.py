"""gRPC messages whose tensors disagree with themselves, and bytes that are no message."""

import random
from typing import Any

import grpc
from fuzz_json import words
from tensorflow.core.framework import tensor_pb2, types_pb2

Random = random.Random
METHODS = words(
    "PredictionService/Predict PredictionService/Classify"
    " PredictionService/Regress PredictionService/MultiInference"
    " PredictionService/GetModelMetadata ModelService/GetModelStatus"
    " ModelService/HandleReloadConfigRequest PredictionService/Nothing"
    " SessionService/SessionRun"
)
SIZES = (-(2**63), -2, -1, 0, 1, 2, 3, 5, 1000, 2**20, 2**31, 2**40, 2**62, 2**63 - 1)
NAMES = ("x", "", "y", "size", "colour", "count", "inputs", "é", "x" * 3000, "\x00")
MODELS = ("dense", "columns", "types", "rows", "examples", "", "nobody", "../dense", "é")
FIELDS = {
    "float_val": 1.5,
    "double_val": 1.5,
    "int_val": 2**31 - 1,
    "string_val": b"\xff",
    "scomplex_val": 1.5,
    "int64_val": -(2**63),
    "bool_val": True,
    "half_val": 2**31 - 1,
    "dcomplex_val": 1.5,
    "uint32_val": 2**32 - 1,
    "uint64_val": 2**64 - 1,
}


def spoil_tensor(tensor: Any, r: Random) -> None:
    """One thing about it changed."""
    change = r.randrange(9)
    if change == 0:
        tensor.dtype = r.choice((*types_pb2.DataType.values(), 999, -1))
    elif change == 1:
        del tensor.tensor_shape.dim[:]
        for _ in range(r.choice((0, 1, 1, 2, 3, 8, 254, 300))):
            tensor.tensor_shape.dim.add(size=r.choice(SIZES))
    elif change == 2:
        tensor.tensor_shape.unknown_rank = True
    elif change == 3:
        tensor.tensor_content = r.randbytes(r.choice((1, 3, 8, 12, 24, 1000)))
    elif change == 4:
        tensor.ClearField("tensor_content")
    elif change == 5:
        name = r.choice(list(FIELDS))
        getattr(tensor, name).extend([FIELDS[name]] * r.choice((1, 2, 7, 1000)))
    elif change == 6:
        for name in FIELDS:
            tensor.ClearField(name)
    elif change == 7:
        tensor.version_number = r.choice((-1, 1, 2**31 - 1))
    else:
        handle = tensor.resource_handle_val.add()
        handle.name, handle.container = r.choice(NAMES), "localhost"
        variant = tensor.variant_val.add()
        variant.type_name, variant.metadata = "tensorflow::Tensor", r.randbytes(9)


def spoil_spec(spec: Any, r: Random) -> None:
    """Another model, version, label or signature."""
    change = r.randrange(4)
    if change == 0:
        spec.name = r.choice(MODELS)
    elif change == 1:
        spec.version.value = r.choice((1, 0, -1, 2, 2**63 - 1))
    elif change == 2:
        spec.version_label = r.choice(NAMES)
    else:
        spec.signature_name = r.choice((*NAMES, "float32", "serving_default", "classify"))


def spoil_input(message: Any, r: Random) -> None:
    """The examples of Classify, Regress and MultiInference."""
    change = r.randrange(5)
    if change == 0:
        message.ClearField("input")
        return
    several = message.input.example_list_with_context
    if change == 1:
        several.context.features.feature[r.choice(NAMES)].bytes_list.value.append(b"\xff")
    elif change == 2:
        for _ in range(r.choice((1, 3, 500))):
            several.examples.add().features.feature["size"].int64_list.value.append(1)
    elif change == 3:
        example = message.input.example_list.examples.add()
        example.features.feature[r.choice(NAMES)].SetInParent()
    else:
        example = message.input.example_list.examples.add()
        values = [r.choice((1.5, float("nan"), float("inf")))] * r.choice((0, 1, 2))
        example.features.feature["size"].float_list.value.extend(values)


def spoil(method: str, message: Any, r: Random) -> None:
    """One place of a good message changed."""
    fields = message.DESCRIPTOR.fields_by_name
    choice = r.randrange(10)
    if "inputs" in fields and choice < 7:
        if choice == 0:
            message.inputs[r.choice(NAMES)].CopyFrom(tensor_pb2.TensorProto(dtype=1))
        elif choice == 1:
            message.inputs.clear()
        else:
            spoil_tensor(message.inputs["x"], r)
    elif "output_filter" in fields and choice == 7:
        message.output_filter.append(r.choice(NAMES))
    elif "tasks" in fields and choice < 5:
        task = message.tasks.add() if r.random() < 0.5 else message.tasks[0]
        task.method_name = r.choice(("", "tensorflow/serving/predict", "x"))
        spoil_spec(task.model_spec, r)
    elif "input" in fields and choice < 8:
        spoil_input(message, r)
    elif "metadata_field" in fields and choice < 5:
        message.metadata_field.append(r.choice(("signature_def", "", "x")))
    elif "model_spec" in fields:
        spoil_spec(message.model_spec, r)


def spoil_bytes(data: bytes, r: Random) -> bytes:
    """Cut, some changed, unknown fields behind, or nothing of it left."""
    change = r.randrange(4)
    if change == 0:
        return data[: r.randrange(len(data) + 1)]
    if change == 1:
        return data + r.choice((b"\xf8\x07\x01", b"\xfa\x07\x03abc", b"\x0f", b"\xff" * 11))
    if change == 2:
        return r.randbytes(r.choice((8, 30, 300, 5000)))
    changed = bytearray(data or b"x")
    for _ in range(r.randrange(1, 5)):
        changed[r.randrange(len(changed))] = r.randrange(256)
    return bytes(changed)


def request(messages: list[tuple[str, Any]], r: Random) -> tuple[str, bytes]:
    """The method and the bytes of one request.

    Random bytes, not a changed message, go to HandleReloadConfigRequest: a good one
    would rightly take the models away.
    """
    if r.random() < 0.03:
        return r.choice(METHODS), r.randbytes(r.randrange(8, 200))
    method, good = r.choice(messages)
    message = type(good)()
    message.CopyFrom(good)
    for _ in range(r.choice((0, 1, 1, 1, 2, 3))):
        spoil(method, message, r)
    data = message.SerializeToString(deterministic=True)
    return method, spoil_bytes(data, r) if r.random() < 0.2 else data


# Not DEADLINE_EXCEEDED: none of the models takes long.
ALLOWED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
