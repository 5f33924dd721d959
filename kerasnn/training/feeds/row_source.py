"""Rows that lie outside of memory: what the loop asks of them, and Keras's view of them.

The rows of a source come in pieces. They are laid side by side, once, in memory that is
used again: `Buffers`. Where the pieces come from is left to the source.
"""

import math
import mmap
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.training import keras_names
from kerasnn.training.compiled.specs import DataStructure

RowOrder = NDArray[np.int32]  # [rows]
Leaves = list[NDArray[Any]]  # each [rows, ...]

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # the default is shared with forks


@runtime_checkable
class RowSource(Protocol):
    """Rows in an order that a seed and the epoch decide: `kerasnn.datasets` has one."""

    @property
    def n_rows(self) -> int:
        """Of an epoch."""

    @property
    def max_rows(self) -> int:
        """Of a group."""

    def pieces(
        self, epoch: int | None, *, first: int = 0
    ) -> Iterator[tuple[Iterator[Any], RowOrder]]:
        """Groups of rows: x, (x, y) or (x, y, sample_weight) piece by piece; their order.

        From the row `first` of the epoch on; epoch None: in their own order.
        """


def structure_of(source: RowSource) -> tuple[DataStructure, Any]:
    """How the leaves of a source make its data, and a row of it."""
    pieces, _ = next(iter(source.pieces(None)))
    # Copied: a view would keep the whole piece.
    row = keras.tree.map_structure(
        lambda leaf: np.array(leaf[:1], leaf.dtype.newbyteorder("=")), next(pieces)
    )
    return DataStructure(row), row


class Buffers:
    """CallbackState for groups of rows, used again once nobody holds what lies in it.

    Each array has pages of its own. From the C library large arrays of changing sizes
    would come out of what it keeps of earlier ones, or not, and the peak would be any.
    An array is free when it, its views and the tensors that share its memory are gone: who
    still looks at a group sees it unchanged, and the next one goes elsewhere.

    Args:
        row: the leaves of a row, each [1, ...].
        n_rows: of each array.
    """

    def __init__(self, row: Leaves, n_rows: int) -> None:
        self.n_rows = n_rows
        self._row = [*row, np.zeros(1, np.int32)]  # and its number
        self._free: list[list[mmap.mmap]] = [[] for _ in self._row]

    @classmethod
    def of(cls, source: RowSource, row: Any, batch_size: int) -> "Buffers":
        """For the groups of a source, and what is left over of the one before."""
        n_rows = min(source.max_rows, source.n_rows) + batch_size
        return cls(DataStructure.flatten(row), n_rows)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays for one group."""
        return self.n_rows * sum(leaf.nbytes for leaf in self._row)

    def take(self) -> tuple[Leaves, RowOrder]:
        """Arrays for a group and its order, each [n_rows, ...]; they are not cleared."""
        pairs = zip(self._row, self._free, strict=True)
        *leaves, order = (self._array(*pair) for pair in pairs)
        return leaves, order

    def _array(self, row: NDArray[Any], free: list[mmap.mmap]) -> NDArray[Any]:
        try:
            memory = free.pop()
        except IndexError:
            memory = mmap.mmap(-1, max(1, self.n_rows * row.nbytes), flags=PRIVATE)
        array = np.ndarray((self.n_rows, *row.shape[1:]), row.dtype, buffer=memory)
        # Views and tensors hold the array, not only its memory: NumPy's `base` is the
        # array that was made from the buffer.
        weakref.finalize(array, free.append, memory).atexit = False
        return array


@dataclass(frozen=True)
class RowGroup:
    """Some rows in memory.

    Attributes:
        leaves: each [rows and more, ...]; the rest is room that means nothing.
        n_rows: in the leaves.
        order: row numbers, int32.
    """

    leaves: Leaves
    n_rows: int
    order: RowOrder

    @property
    def rows(self) -> Leaves:
        """Each [rows, ...], of the same memory."""
        return [leaf[: self.n_rows] for leaf in self.leaves]


def row_groups(
    source: RowSource,
    epoch: int | None,
    batch_size: int,
    buffers: Buffers,
    *,
    first: int = 0,
) -> Iterator[RowGroup]:
    """The groups of an epoch, each with an order that ends with a whole batch.

    What is left over of a group comes before the next one; of the last the last batch may
    be short.
    """
    left = source.n_rows - first
    before: Leaves = []
    over = np.zeros(0, np.int32)  # row numbers in `before` that are left over
    for pieces, drawn in source.pieces(epoch, first=first):
        left -= len(drawn)
        leaves, order = buffers.take()
        carried = len(over)
        for leaf, earlier in zip(leaves, before, strict=bool(before)):
            # mode="raise" would make a copy first.
            np.take(earlier, over, axis=0, out=leaf[:carried], mode="clip")
        n_rows = _lay_down(pieces, leaves, begin=carried)
        order = order[: carried + len(drawn)]
        order[:carried] = np.arange(carried)
        np.add(drawn, carried, out=order[carried:])
        whole = len(order) - len(order) % batch_size if left else len(order)
        if whole:
            yield RowGroup(leaves, n_rows, order[:whole])
        before, over = leaves, order[whole:]


def _lay_down(pieces: Iterator[Any], leaves: Leaves, begin: int) -> int:
    """Copy pieces side by side, from a row on; the row after the last."""
    for piece in pieces:
        parts = DataStructure.flatten(piece)
        end = begin + len(parts[0])
        for leaf, part in zip(leaves, parts, strict=True):
            np.copyto(leaf[begin:end], part)
        begin = end
    return begin


def whole_batches(
    source: RowSource, epoch: int | None, batch_size: int, *, first: int = 0
) -> Iterator[tuple[Leaves, RowOrder]]:
    """The rows and order of each of `row_groups`."""
    _, row = structure_of(source)
    buffers = Buffers.of(source, row, batch_size)
    for group in row_groups(source, epoch, batch_size, buffers, first=first):
        yield group.rows, group.order


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
        structure, _ = structure_of(self.source)
        for leaves, order in whole_batches(self.source, epoch, self._batch_size):
            for start in range(0, len(order), self._batch_size):
                rows = order[start : start + self._batch_size]
                yield structure.pack([leaf[rows] for leaf in leaves])

    def get_tf_dataset(self) -> tf.data.Dataset:
        """The same for Keras's own loop, which begins it anew with each epoch."""
        _, row = structure_of(self.source)
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
