"""The structure of the data, and the shapes and types of its batches."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

Tensors = list[tf.Tensor]


class DataStructure:
    """The nested structure of the data of a step, packed from flat tensors.

    A leaf that is None stays None.

    Args:
        data: x, (x, y) or (x, y, sample_weight), each a tensor or a nested structure.
    """

    def __init__(self, data: Any) -> None:
        leaves = keras.tree.flatten(data)
        self.present = [leaf is not None for leaf in leaves]
        self.nest = keras.tree.pack_sequence_as(data, self.present)
        self.key = repr(self.nest)
        self.parts = self.nest if isinstance(self.nest, tuple) else (self.nest,)

    @staticmethod
    def flatten(data: Any) -> list[Any]:
        """Return the leaves that are not None."""
        return [leaf for leaf in keras.tree.flatten(data) if leaf is not None]

    def pack(self, leaves: Tensors) -> Any:
        """Return the nested data of these leaves."""
        given = iter(leaves)
        return keras.tree.pack_sequence_as(
            self.nest, [next(given) if here else None for here in self.present]
        )


class BatchSpec(NamedTuple):
    """The signature of a batch: everything but the number of rows.

    Attributes:
        structure: of the data of a step.
        tensors: shape without rows, and type, of each tensor.
        widths: rows of the batches in each block; all None if they differ.
    """

    structure: DataStructure
    tensors: tuple[tuple[tuple[int | None, ...], tf.DType], ...]
    widths: tuple[int | None, ...]

    @classmethod
    def of(cls, data: Any, sizes: list[int | None]) -> "BatchSpec":
        """Return the spec of nested data, cut into batches of these sizes.

        If sizes differ the graph must not know any: Keras weights the losses of several
        outputs by the size that the graph knows.
        """
        tensors = tuple(
            (tuple(leaf.shape[1:]), tf.as_dtype(leaf.dtype))
            for leaf in DataStructure.flatten(data)
        )
        same = len(sizes) == 1
        return cls(DataStructure(data), tensors, tuple(s if same else None for s in sizes))

    @property
    def fixed(self) -> bool:
        """True if every dimension but the rows is known: XLA compiles for each size."""
        return all(None not in shape for shape, _ in self.tensors)

    @property
    def key(self) -> tuple[Any, ...]:
        """A key that is equal for batches of the same graph."""
        return self.structure.key, self.tensors, self.widths

    @property
    def kind(self) -> tuple[Any, ...]:
        """A key that is equal for batches which differ only in sizes."""
        kinds = tuple((len(shape), dtype) for shape, dtype in self.tensors)
        return self.structure.key, kinds, len(self.widths)

    def relaxed_with(self, other: "BatchSpec") -> "BatchSpec":
        """Return a spec for both, which are of one kind; sizes that differ are None."""
        pairs = zip(self.tensors, other.tensors, strict=True)
        tensors = tuple((_common(a, b), dtype) for (a, dtype), (b, _) in pairs)
        return BatchSpec(self.structure, tensors, _common(self.widths, other.widths))

    def batch_specs(self) -> list[tf.TensorSpec]:
        """Return the specs of one batch."""
        return [tf.TensorSpec([self.widths[0], *s], dtype) for s, dtype in self.tensors]

    def row_specs(self) -> list[tf.TensorSpec]:
        """Return the specs of any number of rows."""
        return [tf.TensorSpec([None, *shape], dtype) for shape, dtype in self.tensors]

    def block_specs(self) -> list[tf.TensorSpec]:
        """Return the specs of the row numbers, for any number of epochs and steps."""
        return [tf.TensorSpec([None, None, width], tf.int32) for width in self.widths]


_Sizes = tuple[int | None, ...]


def _common(one: _Sizes, other: _Sizes) -> _Sizes:
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))
