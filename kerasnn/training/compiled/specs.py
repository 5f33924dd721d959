"""The structure of the data and the shapes of a batch, as the graph knows them."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

Tensors = list[tf.Tensor]


class DataStructure:
    """How flat tensors make the nested data of a step; None stays where it is.

    Args:
        data: x, (x, y) or (x, y, sample_weight), each a tensor or a nested structure.
    """

    def __init__(self, data: Any) -> None:
        leaves = keras.tree.flatten(data)
        self.present = [leaf is not None for leaf in leaves]
        self.nest = keras.tree.pack_sequence_as(data, self.present)

    @staticmethod
    def flatten(data: Any) -> list[Any]:
        """The leaves that are not None."""
        return [leaf for leaf in keras.tree.flatten(data) if leaf is not None]

    def pack(self, leaves: Tensors) -> Any:
        """The nested data of these leaves."""
        given = iter(leaves)
        return keras.tree.pack_sequence_as(
            self.nest, [next(given) if here else None for here in self.present]
        )


class BatchSpec(NamedTuple):
    """What rows look like to the graph: everything but how many there are.

    Attributes:
        structure: how the tensors make the data of a step.
        tensors: shape without rows, and type, of each.
        widths: rows of the batches in each block; None in all where they differ.
    """

    structure: DataStructure
    tensors: tuple[tuple[tuple[int | None, ...], tf.DType], ...]
    widths: tuple[int | None, ...]

    @classmethod
    def of(cls, data: Any, sizes: list[int | None]) -> "BatchSpec":
        """Those of nested data, cut into batches of these sizes.

        Where batches differ in size the graph must not know any: Keras weights the losses
        of several outputs by the size that the graph knows.
        """
        tensors = tuple(
            (tuple(leaf.shape[1:]), tf.as_dtype(leaf.dtype))
            for leaf in DataStructure.flatten(data)
        )
        same = len(sizes) == 1
        return cls(DataStructure(data), tensors, tuple(s if same else None for s in sizes))

    @property
    def fixed(self) -> bool:
        """Whether every dimension but the rows is known: XLA compiles for each size."""
        return all(None not in shape for shape, _ in self.tensors)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for batches that the same graph can take."""
        return repr(self.structure.nest), self.tensors, self.widths

    def batch_specs(self) -> list[tf.TensorSpec]:
        """Of the tensors of one batch."""
        return [tf.TensorSpec([self.widths[0], *s], dtype) for s, dtype in self.tensors]

    def row_specs(self) -> list[tf.TensorSpec]:
        """Of the tensors of any number of rows."""
        return [tf.TensorSpec([None, *shape], dtype) for shape, dtype in self.tensors]

    def block_specs(self) -> list[tf.TensorSpec]:
        """Of the row numbers, for any number of epochs and steps."""
        return [tf.TensorSpec([None, None, width], tf.int32) for width in self.widths]
