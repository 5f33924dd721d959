"""Rows that lie outside of memory: what the loop asks of them, and Keras's view of them."""

import math
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.training import keras_names
from kerasnn.training.loop import Layout

RowOrder = NDArray[np.int32]  # [rows]
Leaves = list[NDArray[Any]]  # each [rows, ...]


@runtime_checkable
class RowSource(Protocol):
    """Rows in an order that a seed and the epoch decide: `kerasnn.datasets` has one."""

    @property
    def n_rows(self) -> int:
        """Of an epoch."""

    @property
    def most_rows(self) -> int:
        """Of a group."""

    def groups(
        self, epoch: int | None, *, first: int = 0
    ) -> Iterator[tuple[Any, RowOrder]]:
        """Some rows at a time, x, (x, y) or (x, y, sample_weight), and their order.

        From the row `first` of the epoch on; epoch None: in their own order.
        """


def layout_of(source: RowSource) -> tuple[Layout, Any]:
    """How the leaves of a source make its data, and a row of it."""
    data, _ = next(iter(source.groups(None)))
    row = keras.tree.map_structure(lambda leaf: np.asarray(leaf[:1]), data)
    return Layout(row), row


def whole_batches(
    source: RowSource, epoch: int | None, batch_size: int, *, first: int = 0
) -> Iterator[tuple[Leaves, RowOrder]]:
    """The groups of an epoch, each with an order that ends with a whole batch.

    What is left over of a group comes before the next one; the last may be short.
    """
    rest: Leaves | None = None
    for data, order in source.groups(epoch, first=first):
        leaves = Layout.flatten(data)
        if rest is not None and len(rest[0]):
            carried = len(rest[0])
            pairs = zip(rest, leaves, strict=True)
            leaves = [np.concatenate(pair) for pair in pairs]
            order = np.concatenate([np.arange(carried, dtype=np.int32), order + carried])
        full = len(order) - len(order) % batch_size
        if full:
            yield leaves, order[:full]
        rest = [leaf[order[full:]] for leaf in leaves]
    if rest is not None and len(rest[0]):
        yield rest, np.arange(len(rest[0]), dtype=np.int32)


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
        layout, _ = layout_of(self.source)
        for leaves, order in whole_batches(self.source, epoch, self._batch_size):
            for start in range(0, len(order), self._batch_size):
                rows = order[start : start + self._batch_size]
                yield layout.pack([leaf[rows] for leaf in leaves])

    def get_tf_dataset(self) -> tf.data.Dataset:
        """The same for Keras's own loop, which begins it anew with each epoch."""
        _, row = layout_of(self.source)
        specs = keras.tree.map_structure(
            lambda array: tf.TensorSpec([None, *array.shape[1:]], array.dtype), row
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
