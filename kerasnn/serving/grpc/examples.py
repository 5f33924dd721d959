"""Classify and Regress over gRPC: tf.Examples in, classes or values out."""

import numpy as np
from numpy.typing import NDArray
from tensorflow_serving.apis import classification_pb2, regression_pb2

from kerasnn.serving.examples import classify, regress
from kerasnn.serving.grpc.calls import Message, model_spec, use_model, write_model_spec
from kerasnn.serving.saved_model.examples import (
    Classes,
    find_examples_signature,
    serialized_examples,
)
from kerasnn.serving.service import Service


async def classify_examples(service: Service, request: Message, deadline: float) -> Message:
    """Return a ClassificationResponse."""
    spec = model_spec(request)
    with use_model(service, spec) as version:
        signature = find_examples_signature(version.graph, spec.signature_name)
        classes = await classify(
            service,
            version,
            signature,
            serialized_examples(request.input, version.feature_names(signature.key)),
            deadline=deadline,
        )
        response = classification_pb2.ClassificationResponse()
        write_model_spec(response.model_spec, spec, version)
    write_classes(response.result, classes)
    return response


async def regress_examples(service: Service, request: Message, deadline: float) -> Message:
    """Return a RegressionResponse."""
    spec = model_spec(request)
    with use_model(service, spec) as version:
        signature = find_examples_signature(version.graph, spec.signature_name)
        values = await regress(
            service,
            version,
            signature,
            serialized_examples(request.input, version.feature_names(signature.key)),
            deadline=deadline,
        )
        response = regression_pb2.RegressionResponse()
        write_model_spec(response.model_spec, spec, version)
    write_values(response.result, values)
    return response


def write_classes(result: Message, classes: Classes) -> None:
    """Write into an empty ClassificationResult."""
    labels, scores = classes.labels, classes.scores
    n_examples, n_classes = (scores if labels is None else labels).shape  # type: ignore[union-attr]
    rows = [result.classifications.add().classes for _ in range(n_examples)]
    for row in rows:
        for _ in range(n_classes):
            row.add()
    if labels is not None:
        for row, row_labels in zip(rows, labels.tolist(), strict=True):
            for one, label in zip(row, row_labels, strict=True):
                one.label = label.decode("utf-8", "replace")
    if scores is not None:
        for row, row_scores in zip(rows, scores.tolist(), strict=True):
            for one, score in zip(row, row_scores, strict=True):
                one.score = score


def write_values(result: Message, values: NDArray[np.float32]) -> None:
    """Write into an empty RegressionResult."""
    for value in values.tolist():
        result.regressions.add(value=value)
