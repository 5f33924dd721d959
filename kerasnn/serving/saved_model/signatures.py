"""The inputs and outputs of a SavedModel's signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.manifest import DEFAULT_SIGNATURE
from kerasnn.serving.errors import ServingError, invalid

PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

# Of an input. TensorFlow's Python binding ends in a segmentation fault if an array of
# strings that is fed or fetched has more than 32; a graph may add some.
MAX_DIMENSIONS = 24

_ENCODINGS = {
    "coo_sparse": "a sparse tensor",
    "composite_tensor": "a composite tensor, such as a ragged one",
}
_TYPES = {
    tf.resource.as_datatype_enum: "a resource",
    tf.variant.as_datatype_enum: "a variant",
}

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

    def admits(self, shape: tuple[int, ...]) -> bool:
        """Return whether an array of this shape has the rank and the fixed sizes."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            shape[place] == size for place, size in self._fixed_sizes
        )

    @cached_property
    def _fixed_sizes(self) -> tuple[tuple[int, int], ...]:
        return tuple((i, size) for i, size in enumerate(self.shape or ()) if size != -1)

    def shape_error(self, shape: tuple[int, ...]) -> ServingError:
        """Return the error for an array of a shape that the input does not take."""
        assert self.shape is not None
        sizes = ["any" if size == -1 else str(size) for size in self.shape]
        if self.has_rows:
            sizes[0] = "rows"
        return invalid(
            f"input {self.alias} must be [{', '.join(sizes)}];"
            f" got [{', '.join(map(str, shape))}]"
        )


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

    @cached_property
    def row_wise(self) -> bool:
        """True if every input and output is declared to have rows."""
        infos = [*self.inputs.values(), *self.outputs.values()]
        return bool(self.inputs) and all(info.has_rows for info in infos)

    def counts_rows(self, rank: int) -> bool:
        """Return whether the first size of an input of this rank is a number of rows.

        Not of a single list of numbers: it may be one signal, such as a second of audio.
        """
        if len(self.inputs) > 1 or rank != 1:
            return True
        return any(info.dtype == tf.string for info in self.inputs.values())


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


def find_unusable(meta_graph: Any) -> dict[str, list[tuple[str, str, str]]]:
    """Return the inputs and outputs of signatures that are no tensors of values.

    Returns:
        For each signature that has some: "input" or "output", its alias, and its kind.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for key, definition in meta_graph.signature_def.items():
        sides = (("input", definition.inputs), ("output", definition.outputs))
        for side, infos in sides:
            for alias, info in infos.items():
                kind = _ENCODINGS.get(info.WhichOneof("encoding")) or _TYPES.get(info.dtype)
                if kind is not None:
                    found.setdefault(key, []).append((side, alias, kind))
    return found


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
