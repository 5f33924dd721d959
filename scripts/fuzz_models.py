"""The models that the fuzz asks, and the good requests that it spoils."""

import base64
from pathlib import Path
from typing import Any

import tensorflow as tf
from fuzz_json import words

# Signatures of the model "types", each y = x of one dtype.
NUMBERS = words("float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64")
UNREADABLE = ("float16", "bfloat16", "complex64")  # by REST: 501
DTYPES = ("float32", "bool", "string", *NUMBERS, *UNREADABLE)
VALUES: dict[str, Any] = {"bool": True, "string": "abc"}
ROWS_OF_3 = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def _identity(dtype: str, shape: list[int | None] | None) -> Any:
    def same(x: tf.Tensor) -> dict[str, tf.Tensor]:
        # A string may be any bytes, which only such a name lets JSON tell.
        return {"y_bytes" if dtype == "string" else "y": tf.identity(x)}

    return tf.function(same, input_signature=[tf.TensorSpec(shape, dtype, name="x")])


def _dense() -> Any:
    kernel = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def dense(x: tf.Tensor) -> dict[str, tf.Tensor]:
        y = x @ kernel
        return {"y": y, "class": tf.argmax(y, 1)}

    return dense


def _columns() -> Any:
    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.float32, name="size"),
            tf.TensorSpec([None], tf.string, name="colour"),
            tf.TensorSpec([None], tf.int64, name="count"),
        ]
    )
    def columns(size: tf.Tensor, colour: tf.Tensor, count: tf.Tensor) -> Any:
        total = size * tf.cast(count, tf.float32) + tf.cast(colour == "red", tf.float32)
        return {"total": total, "colour_bytes": colour}

    return columns


def _parse(serialized: tf.Tensor) -> tf.Tensor:
    features = {
        "size": tf.io.FixedLenFeature([], tf.float32),
        "count": tf.io.FixedLenFeature([], tf.int64, 1),
    }
    parsed = tf.io.parse_example(serialized, features)
    return parsed["size"] * tf.cast(parsed["count"], tf.float32)


EXAMPLES = [tf.TensorSpec([None], tf.string, name="inputs")]


@tf.function(input_signature=EXAMPLES)
def _classify(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    scores = tf.stack([_parse(inputs), -_parse(inputs)], axis=1)
    classes = tf.tile(tf.constant([["yes", "no"]]), [tf.shape(scores)[0], 1])
    return {"scores": scores, "classes": classes}


@tf.function(input_signature=EXAMPLES)
def _regress(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"outputs": _parse(inputs)}


def write_models(folder: Path) -> None:
    """All of them, as version 1."""
    models = {
        "dense": {"serving_default": _dense()},
        "columns": {"serving_default": _columns()},
        "types": {name: _identity(name, None) for name in DTYPES},
        "rows": {name: _identity(name, [None]) for name in DTYPES},
        "examples": {"serving_default": _regress, "classify": _classify},
    }
    for name, signatures in models.items():
        module = tf.Module()
        module.functions = list(signatures.values())
        tf.saved_model.save(module, folder / name / "1", signatures=signatures)


def good_bodies() -> list[tuple[str, str, dict[str, Any]]]:
    """Model, verb and body of requests that are answered, but for the unreadable."""
    text = base64.b64encode(b"\xff\x00bytes").decode()
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("dense", "predict", {"instances": ROWS_OF_3}),
        ("dense", "predict", {"inputs": {"x": ROWS_OF_3}}),
        ("dense", "predict", {"instances": [{"x": row} for row in ROWS_OF_3]}),
        (
            "columns",
            "predict",
            {
                "signature_name": "serving_default",
                "instances": [
                    {"size": 1.5, "colour": "red", "count": 2},
                    {"size": 2.5, "colour": {"b64": text}, "count": 3},
                ],
            },
        ),
        (
            "columns",
            "predict",
            {"inputs": {"size": [1.5], "colour": ["red"], "count": [2]}},
        ),
        ("examples", "regress", {"examples": [{"size": 1.5, "count": 2}, {"size": 2.5}]}),
        (
            "examples",
            "classify",
            {
                "signature_name": "classify",
                "context": {"count": [3]},
                "examples": [{"size": [1.5]}],
            },
        ),
    ]
    for dtype in DTYPES:
        value = VALUES.get(dtype, 1.5 if "float" in dtype else 1)
        bodies += [
            ("types", "predict", {"signature_name": dtype, "inputs": [[value], [value]]}),
            ("rows", "predict", {"signature_name": dtype, "instances": [value, value]}),
        ]
    return bodies


def good_messages() -> list[tuple[str, Any]]:
    """GRPC method and message of requests that are answered."""
    from tensorflow_serving.apis import (
        classification_pb2,
        get_model_metadata_pb2,
        get_model_status_pb2,
        inference_pb2,
        predict_pb2,
        regression_pb2,
    )

    messages: list[tuple[str, Any]] = []
    for dtype in DTYPES:
        for model in ("types", "rows"):
            predict = predict_pb2.PredictRequest()
            predict.model_spec.name, predict.model_spec.signature_name = model, dtype
            values = tf.constant([VALUES.get(dtype, 1)] * 2, dtype)
            predict.inputs["x"].CopyFrom(tf.make_tensor_proto(values.numpy()))
            messages.append(("PredictionService/Predict", predict))
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = "dense"
    predict.inputs["x"].CopyFrom(tf.make_tensor_proto(ROWS_OF_3, tf.float32))
    predict.output_filter.append("y")
    messages += [("PredictionService/Predict", predict)] * 10
    columns = predict_pb2.PredictRequest()
    columns.model_spec.name = "columns"
    for alias, value in (("size", 1.5), ("colour", "red"), ("count", 2)):
        dtype = {"size": tf.float32, "colour": tf.string, "count": tf.int64}[alias]
        columns.inputs[alias].CopyFrom(tf.make_tensor_proto([value] * 2, dtype))
    messages += [("PredictionService/Predict", columns)] * 10
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "examples"
    classify.model_spec.signature_name = "classify"
    example = classify.input.example_list.examples.add()
    example.features.feature["size"].float_list.value.append(1.5)
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name = "examples"
    regress.input.example_list_with_context.examples.add().CopyFrom(example)
    regress.input.example_list_with_context.context.features.feature[
        "count"
    ].int64_list.value.append(2)
    both = inference_pb2.MultiInferenceRequest()
    for method, signature in (("classify", "classify"), ("regress", "serving_default")):
        task = both.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = "examples", signature
    both.input.CopyFrom(classify.input)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest()
    metadata.model_spec.name = "dense"
    metadata.metadata_field.append("signature_def")
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "dense"
    messages += [
        ("PredictionService/Classify", classify),
        ("PredictionService/Regress", regress),
        ("PredictionService/MultiInference", both),
        ("PredictionService/GetModelMetadata", metadata),
        ("ModelService/GetModelStatus", status),
    ] * 4
    return messages
