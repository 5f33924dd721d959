"""Classify and Regress: which signatures and outputs have their form.

A signature's form decides, whatever its method name. The messages are TensorFlow
Serving's.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import types_pb2

from kerasnn.manifest import DEFAULT_SIGNATURE, EXAMPLES_INPUT
from kerasnn.serving.errors import invalid, shape_text
from kerasnn.serving.saved_model.graph import Graph
from kerasnn.serving.saved_model.signatures import Signature

CLASSES_OUTPUT = "classes"
SCORES_OUTPUT = "scores"
VALUES_OUTPUT = "outputs"

# From the features of an example, and its row, to the inputs of those that are read.
FeatureNames = Callable[[Collection[str], int], Mapping[str, str]]


@dataclass(frozen=True)
class Classes:
    """Labels and scores of each example; at least one of them is not None.

    Attributes:
        labels: [n, k] object of bytes, or None.
        scores: [n, k] float32, or None.
    """

    labels: NDArray[Any] | None
    scores: NDArray[np.float32] | None


def find_examples_signature(graph: Graph, name: str) -> Signature:
    """Return the signature of a Classify or Regress request; "" means the default.

    Raises:
        ServingError: INVALID_ARGUMENT, there is no such signature.
    """
    name = name or DEFAULT_SIGNATURE
    signature = graph.signatures.get(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name}")
    return signature


def classify_outputs(graph: Graph, signature: Signature) -> list[str]:
    """Return the outputs that a classification fetches.

    Raises:
        ServingError: INVALID_ARGUMENT, the signature is no classification.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if EXAMPLES_INPUT not in signature.inputs:
        raise invalid(
            "No classification inputs found in SignatureDef:"
            f" {_definition(graph, signature)}"
        )
    outputs = [
        alias for alias in (CLASSES_OUTPUT, SCORES_OUTPUT) if alias in signature.outputs
    ]
    if not outputs:
        raise invalid(
            "Expected classification signature outputs to contain at least one of"
            f' "{CLASSES_OUTPUT}" or "{SCORES_OUTPUT}". Signature was:'
            f" {_definition(graph, signature)}"
        )
    return outputs


def regress_outputs(graph: Graph, signature: Signature) -> list[str]:
    """Return the outputs that a regression fetches.

    Raises:
        ServingError: INVALID_ARGUMENT, the signature is no regression.
    """
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    for alias, infos, side in (
        (EXAMPLES_INPUT, signature.inputs, "inputs"),
        (VALUES_OUTPUT, signature.outputs, "outputs"),
    ):
        if alias not in infos:
            raise invalid(
                f"No regression {side} found in SignatureDef:"
                f" {_definition(graph, signature)}"
            )
    return [VALUES_OUTPUT]


def serialized_examples(given: Any, names: FeatureNames | None = None) -> NDArray[Any]:
    """Return the serialized examples of an Input, [n] object of bytes; [0] if unset.

    The context goes before each example: if both have a feature, the last one counts.

    Args:
        given: the Input.
        names: for a table's network, returns the input of each feature; see
            `TableInputs.feature_names`.

    Raises:
        ServingError: as `names`.
    """
    kind = given.WhichOneof("kind")
    context = example_pb2.Example()
    if kind == "example_list":
        examples = given.example_list.examples
    elif kind == "example_list_with_context":
        context = given.example_list_with_context.context
        examples = given.example_list_with_context.examples
    else:
        return np.empty(0, object)
    array = np.empty(len(examples), object)
    if names is None:
        start = context.SerializeToString()
        array[:] = [start + example.SerializeToString() for example in examples]
        return array
    for row, example in enumerate(examples):
        array[row] = _renamed(context, example, names, row).SerializeToString()
    return array


def feature_columns(
    examples: NDArray[Any], numbers: Collection[str], texts: Collection[str]
) -> dict[str, NDArray[Any]]:
    """Return the first values of features, [n] each; NaN or b"" where there is none.

    Args:
        examples: [n] object, serialized tf.Examples.
        numbers: names of the features that are numbers.
        texts: names of the features that are texts.
    """
    columns = {name: np.full(len(examples), np.nan) for name in numbers}
    columns |= {name: np.full(len(examples), b"", object) for name in texts}
    for row, serialized in enumerate(examples):
        features = example_pb2.Example.FromString(serialized).features.feature
        for name in features.keys() & columns.keys():
            kind = features[name].WhichOneof("kind")
            values = getattr(features[name], kind).value if kind else ()
            if values:
                columns[name][row] = values[0]
    return columns


def _renamed(context: Any, example: Any, names: FeatureNames, row: int) -> Any:
    """Return an example with the features of its context, named as the inputs."""
    features = {**context.features.feature, **example.features.feature}
    renamed = example_pb2.Example()
    for name, alias in names(features, row).items():
        renamed.features.feature[alias].CopyFrom(features[name])
    return renamed


def as_classes(
    labels: NDArray[Any] | None, scores: NDArray[Any] | None, n_examples: int
) -> Classes:
    """Check the outputs of a classification.

    Args:
        labels: the output "classes", if the signature has it.
        scores: the output "scores", if the signature has it.
        n_examples: number of inputs.

    Raises:
        ServingError: INVALID_ARGUMENT, with the property that does not fit.
    """
    for name, array, dtype in (
        (CLASSES_OUTPUT, labels, types_pb2.DT_STRING),
        (SCORES_OUTPUT, scores, types_pb2.DT_FLOAT),
    ):
        if array is not None:
            _check_classes(name, array, dtype, n_examples)
    if labels is not None and scores is not None and labels.shape != scores.shape:
        raise invalid(
            "Tensors class and score should match in dim_size(1)."
            f" Got {labels.shape[1]} vs. {scores.shape[1]}"
        )
    return Classes(labels, scores)


def as_values(values: NDArray[Any], n_examples: int) -> NDArray[np.float32]:
    """Check the output of a regression, and return it as [n] float32.

    Raises:
        ServingError: INVALID_ARGUMENT, with the property that does not fit.
    """
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1]"
            f" but got {shape_text(values.shape)}"
        )
    if len(values) != n_examples:
        raise invalid(
            "Input batch size did not match output batch size:"
            f" {n_examples} vs. {len(values)}"
        )
    if _dtype(values) != types_pb2.DT_FLOAT:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_dtype_name(values)}")
    return values.reshape(-1)


def _check_classes(name: str, array: NDArray[Any], dtype: int, n_examples: int) -> None:
    if array.ndim != 2:
        raise invalid(
            "Expected Tensor shape: [batch_size num_classes] but got"
            f" {shape_text(array.shape)}"
        )
    if _dtype(array) != dtype:
        raise invalid(
            f"Expected {name} Tensor of {types_pb2.DataType.Name(dtype)}."
            f" Got: {_dtype_name(array)}"
        )
    if len(array) != n_examples:
        raise invalid(
            f"Expected {name} output batch size of {n_examples}. Got: {len(array)}"
        )


def _definition(graph: Graph, signature: Signature) -> str:
    return str(graph.signature_defs[signature.key])


def _dtype(array: NDArray[Any]) -> int:
    return int(tf.as_dtype(array.dtype).as_datatype_enum)


def _dtype_name(array: NDArray[Any]) -> str:
    return types_pb2.DataType.Name(_dtype(array))
