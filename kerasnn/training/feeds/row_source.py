"""Rows outside of memory: the protocol of their source, and its adapter for Keras.

A source delivers its rows in groups, and each group in pieces. The pieces of a group are
copied into `Buffers`, one after the other, and the memory is reused for later groups.
"""

import math
import mmap
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.training import keras_names
from kerasnn.training.compiled.specs import DataStructure
from kerasnn.training.feeds.plan import RowOrder

RowArrays = list[NDArray[Any]]  # the leaves of nested data, each [rows, ...]

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS  # the default is shared with forks


@runtime_checkable
class RowSource(Protocol):
    """Rows in an order that seed and epoch decide; `kerasnn.datasets` has one."""

    @property
    def n_rows(self) -> int:
        """Number of rows of an epoch."""

    @property
    def max_rows(self) -> int:
        """Number of rows of the largest group."""

    def pieces(
        self, epoch: int | None, *, first: int = 0
    ) -> Iterator[tuple[Iterator[Any], RowOrder]]:
        """Yield the pieces of each group, and the order of its rows.

        Args:
            epoch: from 0; None for the rows in their stored order.
            first: number of the first row, in the order of the epoch.

        Yields:
            x, (x, y) or (x, y, sample_weight) of each piece; row numbers in the group.
        """


def structure_of(source: RowSource) -> tuple[DataStructure, Any]:
    """Return the structure of a source's data, and one row of it."""
    pieces, _ = next(iter(source.pieces(None)))
    # Copied: a view would keep the whole piece.
    row = keras.tree.map_structure(
        lambda leaf: np.array(leaf[:1], leaf.dtype.newbyteorder("=")), next(pieces)
    )
    return DataStructure(row), row


class Buffers:
    """Memory for groups of rows, reused once nothing refers to it.

    Each array has its own pages. The C library would sometimes take large arrays of
    changing sizes from its heap, and peak memory would vary. An array is free when it, its
    views and the tensors that share its memory are gone: a group in use never changes.

    Args:
        row: the leaves of a row, each [1, ...].
        n_rows: rows of each array.
    """

    def __init__(self, row: RowArrays, n_rows: int) -> None:
        self.n_rows = n_rows
        self._row = [*row, np.zeros(1, np.int32)]  # and the row's number
        self._free: list[list[mmap.mmap]] = [[] for _ in self._row]

    @classmethod
    def of(cls, source: RowSource, row: Any, batch_size: int) -> "Buffers":
        """Return buffers for any group of a source plus the rest of the one before."""
        n_rows = min(source.max_rows, source.n_rows) + batch_size
        return cls(DataStructure.flatten(row), n_rows)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays of one group."""
        return self.n_rows * sum(leaf.nbytes for leaf in self._row)

    def take(self) -> tuple[RowArrays, RowOrder]:
        """Return arrays for a group and its order, each [n_rows, ...], not cleared."""
        pairs = zip(self._row, self._free, strict=True)
        *leaves, order = (self._array(*pair) for pair in pairs)
        return leaves, order

    def _array(self, row: NDArray[Any], free: list[mmap.mmap]) -> NDArray[Any]:
        try:
            memory = free.pop()
        except IndexError:
            memory = mmap.mmap(-1, max(1, self.n_rows * row.nbytes), flags=PRIVATE)
        array = np.ndarray((self.n_rows, *row.shape[1:]), row.dtype, buffer=memory)
        # Views and tensors refer to the array, not only to its memory: NumPy's `base` is
        # the array that was made from the buffer.
        weakref.finalize(array, free.append, memory).atexit = False
        return array


def copy_pieces(pieces: Iterable[RowArrays], leaves: RowArrays, *, begin: int = 0) -> int:
    """Copy pieces, one after the other, into arrays.

    Args:
        pieces: the leaves of each piece.
        leaves: the arrays; those beyond the leaves of a piece stay as they are.
        begin: number of the first row.

    Returns:
        Number of the row after the last one.
    """
    for piece in pieces:
        end = begin + len(piece[0])
        for leaf, part in zip(leaves, piece, strict=False):
            np.copyto(leaf[begin:end], part)
        begin = end
    return begin


@dataclass(frozen=True)
class RowGroup:
    """Rows in memory.

    Attributes:
        leaves: each [n_rows or more, ...]; the surplus has no meaning.
        n_rows: number of rows.
        order: row numbers, int32.
    """

    leaves: RowArrays
    n_rows: int
    order: RowOrder

    @property
    def rows(self) -> RowArrays:
        """Views of the leaves, each [n_rows, ...]."""
        return [leaf[: self.n_rows] for leaf in self.leaves]


def row_groups(
    source: RowSource,
    epoch: int | None,
    batch_size: int,
    buffers: Buffers,
    *,
    first: int = 0,
) -> Iterator[RowGroup]:
    """Yield the groups of an epoch, each with an order of complete batches.

    The rest of a group is moved to the front of the next one. The last batch of the last
    group may be short.
    """
    unread = source.n_rows - first
    before: RowArrays = []
    rest = np.zeros(0, np.int32)  # row numbers in `before`
    for pieces, group_order in source.pieces(epoch, first=first):
        unread -= len(group_order)
        leaves, order = buffers.take()
        carried = len(rest)
        for leaf, earlier in zip(leaves, before, strict=bool(before)):
            # mode="raise" would make a copy first.
            np.take(earlier, rest, axis=0, out=leaf[:carried], mode="clip")
        n_rows = copy_pieces(map(DataStructure.flatten, pieces), leaves, begin=carried)
        order = order[: carried + len(group_order)]
        order[:carried] = np.arange(carried)
        np.add(group_order, carried, out=order[carried:])
        complete = len(order) - len(order) % batch_size if unread else len(order)
        if complete:
            yield RowGroup(leaves, n_rows, order[:complete])
        before, rest = leaves, order[complete:]


def row_batches(
    source: RowSource, epoch: int | None, batch_size: int, *, first: int = 0
) -> Iterator[RowArrays]:
    """Yield the leaves of each batch of an epoch, each [batch, ...]."""
    _, row = structure_of(source)
    buffers = Buffers.of(source, row, batch_size)
    for group in row_groups(source, epoch, batch_size, buffers, first=first):
        for start in range(0, len(group.order), batch_size):
            numbers = group.order[start : start + batch_size]
            yield [leaf[numbers] for leaf in group.leaves]


class RowsFromDisk(keras_names.DataAdapter):
    """A row source as one of Keras's data adapters.

    Args:
        source: the rows.
        batch_size: rows of a batch.
        shuffle: False for the rows in their stored order.
    """

    def __init__(self, source: RowSource, batch_size: int, *, shuffle: bool) -> None:
        self.source = source
        self._batch_size = batch_size
        self.epoch = 0 if shuffle else None

    def get_numpy_iterator(self) -> Iterator[Any]:
        """Yield the batches of the next epoch."""
        epoch = self.epoch
        if epoch is not None:
            self.epoch = epoch + 1
        structure, _ = structure_of(self.source)
        for leaves in row_batches(self.source, epoch, self._batch_size):
            yield structure.pack(leaves)

    def get_tf_dataset(self) -> tf.data.Dataset:
        """Return the batches as a dataset, which Keras's own loop restarts every epoch."""
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
        """Number of batches of an epoch."""
        return math.ceil(self.source.n_rows / self._batch_size)


def adapted(
    source: RowSource, batch_size: int | None, *, shuffle: bool, **others: object
) -> RowsFromDisk:
    """Return the adapter of a source, which has its own targets and weights.

    Raises:
        InputError: arguments are given that only arrays can have.
    """
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"rows from disk bring their targets and weights; got {', '.join(given)}"
        )
    return RowsFromDisk(source, batch_size or 32, shuffle=shuffle)
