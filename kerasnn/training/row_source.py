"""Rows that lie outside of memory, and Keras's view of them."""

import math
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import keras
import tensorflow as tf

from kerasnn.errors import InputError
from kerasnn.training import keras_names


@runtime_checkable
class RowSource(Protocol):
    """Rows in an order that a seed and the epoch decide: `kerasnn.datasets` has one."""

    @property
    def n_rows(self) -> int:
        """Of an epoch."""

    def data(self, epoch: int | None, rows: int, *, first: int = 0) -> Iterator[Any]:
        """x, (x, y) or (x, y, sample_weight) of so many rows at a time.

        From the row `first` of the epoch on; epoch None: in their own order.
        """


class RowsFromDisk(keras_names.DataAdapter):
    """A row source as one of Keras's data adapters.

    Args:
        source: of the rows.
        batch_size: rows of a batch.
        shuffle: False: the rows in their own order.
    """

    def __init__(self, source: RowSource, batch_size: int, *, shuffle: bool) -> None:
        self.source = source
        self._batch_size = batch_size
        self.epoch = 0 if shuffle else None

    def get_numpy_iterator(self) -> Iterator[Any]:
        """The batches of the next epoch."""
        epoch = self.epoch
        if epoch is not None:
            self.epoch = epoch + 1
        return self.source.data(epoch, self._batch_size)

    def get_tf_dataset(self) -> tf.data.Dataset:
        """The same for Keras's own loop, which begins it anew with each epoch."""
        specs = keras.tree.map_structure(
            lambda array: tf.TensorSpec([None, *array.shape[1:]], array.dtype),
            keras.tree.lists_to_tuples(next(iter(self.source.data(None, 1)))),
        )
        return tf.data.Dataset.from_generator(
            self.get_numpy_iterator, output_signature=specs
        )

    @property
    def batch_size(self) -> int:
        """Rows of a batch."""
        return self._batch_size

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self.source.n_rows / self._batch_size)


def adapted(
    source: RowSource, batch_size: int | None, *, shuffle: bool, **others: Any
) -> RowsFromDisk:
    """The adapter of a source, which brings its own targets and weights.

    Raises:
        InputError: other arguments that go with arrays are given.
    """
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"rows from disk bring their targets and weights; got {', '.join(given)}"
        )
    return RowsFromDisk(source, batch_size or 32, shuffle=shuffle)
