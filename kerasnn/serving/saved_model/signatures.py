"""The inputs and outputs of a SavedModel's signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.manifest import DEFAULT_SIGNATURE
from kerasnn.serving.errors import invalid

PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

# Of an input. TensorFlow's Python binding ends in a segmentation fault if an array of
# strings that is fed or fetched has more than 32; a graph may add some.
MAX_DIMENSIONS = 24

NamedArrays = Mapping[str, NDArray[Any]]  # of a signature's inputs or outputs, by alias


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a signature.

    Attributes:
        alias: the name that clients use.
        tensor: the name in the graph, such as "serving_default_x:0".
        dtype: of its values; a string is bytes.
        shape: sizes, -1 for any size; None if the rank is unknown.
    """

    alias: str
    tensor: str
    dtype: tf.DType
    shape: tuple[int, ...] | None

    @property
    def has_rows(self) -> bool:
        """True if the first dimension is open: a row for each row of a request."""
        return bool(self.shape) and self.shape[0] == -1  # type: ignore[index]


@dataclass(frozen=True)
class Signature:
    """A function of a SavedModel, by the names of its inputs and outputs.

    Attributes:
        key: its name, such as "serving_default".
        method_name: such as "tensorflow/serving/predict".
        inputs: by alias.
        outputs: by alias.
    """

    key: str
    method_name: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]

    @property
    def row_wise(self) -> bool:
        """True if every input and output is declared to have rows."""
        infos = [*self.inputs.values(), *self.outputs.values()]
        return bool(self.inputs) and all(info.has_rows for info in infos)


def read_signatures(meta_graph: Any) -> dict[str, Signature]:
    """Return the signatures of a MetaGraphDef by their keys, with the init op's."""
    return {
        key: Signature(
            key,
            definition.method_name,
            _infos(definition.inputs),
            _infos(definition.outputs),
        )
        for key, definition in meta_graph.signature_def.items()
    }


def find_signature(signatures: Mapping[str, Signature], name: str) -> Signature:
    """Return the signature of a name; "" means the default.

    Raises:
        ServingError: INVALID_ARGUMENT, there is none, with TensorFlow Serving's text.
    """
    signature = signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid(
            f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature'
            " def"
        )
    return signature


def _infos(infos: Any) -> dict[str, TensorInfo]:
    return {
        alias: TensorInfo(alias, info.name, tf.as_dtype(info.dtype), _sizes(info))
        for alias, info in infos.items()
        if info.dtype  # the init op's "output" is an operation
    }


def _sizes(info: Any) -> tuple[int, ...] | None:
    if info.tensor_shape.unknown_rank:
        return None
    return tuple(int(dim.size) for dim in info.tensor_shape.dim)
