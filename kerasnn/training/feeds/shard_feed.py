"""Rows from disk for the compiled loop: read ahead in a thread, gathered in the graph.

Each group of rows is copied once, into memory that its tensors share. Chunks gather their
batches from it, as from rows in memory, while a thread reads the next group.
"""

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.training.compiled.chunks import Budget, Chunk, FreshFeed
from kerasnn.training.compiled.specs import BatchSpec, Tensors
from kerasnn.training.feeds.plan import RowOrder
from kerasnn.training.feeds.row_source import Buffers, RowSource, row_groups, structure_of

# A chunk takes about this many rows; with fewer, the time between calls becomes visible.
ROWS_PER_CALL = 65_536
MAX_STEPS = 256
GROUPS_AHEAD = 1  # reading takes a fraction of the time of training
# Also in memory: the group in training, and the one before, which the caller holds until it
# gets the next chunk.
GROUPS_HELD = GROUPS_AHEAD + 2

_T = TypeVar("_T")


class ShardFeed(FreshFeed):
    """Rows from disk.

    Args:
        source: the rows.
        batch_size: rows of a batch; the last one of an epoch may be short.
        shuffle: False for the rows in their stored order.
    """

    def __init__(self, source: RowSource, batch_size: int, *, shuffle: bool) -> None:
        self.source = source
        self.batch_size = min(batch_size, source.n_rows)
        self.steps = math.ceil(source.n_rows / self.batch_size)
        self.steps_per_call = min(steps_per_call(self.batch_size), self.steps)
        self.shuffle = shuffle
        self._structure, row = structure_of(source)
        self.batch_spec = BatchSpec.of(row, [None])  # the last batch is shorter
        # One thread for all epochs: the C library may keep some MB for every new thread.
        self._reader = ThreadPoolExecutor(1, "kerasnn-read")
        self._buffers = Buffers.of(source, row, self.batch_size)

    @property
    def max_bytes(self) -> int:
        """Bytes of the groups in memory at one time, if nobody keeps chunks."""
        return GROUPS_HELD * self._buffers.nbytes

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """Cut one epoch into chunks; see `Feed`."""
        max_steps = 1 if by_batch else self.steps_per_call
        size = self.batch_size
        for rows, order in ahead(self._groups(epoch, done), GROUPS_AHEAD, self._reader):
            full = len(order) // size * size
            for start in range(0, full, max_steps * size):
                numbers = order[start : min(start + max_steps * size, full)]
                yield self._chunk(rows, numbers, max_steps, size, first_step=done)
                done += len(numbers) // size
            if len(order) > full:
                short = len(order) - full
                yield self._chunk(rows, order[full:], 1, short, first_step=done)
                done += 1

    def _groups(self, epoch: int, done: int) -> Iterator[tuple[Tensors, RowOrder]]:
        """Yield the groups as tensors of one shape, whatever the number of rows."""
        groups = row_groups(
            self.source,
            epoch if self.shuffle else None,
            self.batch_size,
            self._buffers,
            first=done * self.batch_size,
        )
        for group in groups:
            if self._check is not None:
                self._check(self._structure.pack(group.rows))
            yield [shared_tensor(leaf) for leaf in group.leaves], group.order

    def _chunk(
        self,
        rows: Tensors,
        numbers: RowOrder,
        max_steps: int,
        width: int,
        *,
        first_step: int,
    ) -> Chunk:
        """Return batches of one width; the row numbers are padded to `max_steps`."""
        block = np.zeros(max_steps * width, np.int32)
        block[: len(numbers)] = numbers
        return Chunk(
            self.batch_spec,
            rows,
            [tf.constant(block.reshape(1, max_steps, width))],
            0,
            len(numbers) // width,
            first_step=first_step,
            irregular_size=width != self.batch_size,
        )


def steps_per_call(batch_size: int) -> int:
    """Return the maximum number of steps of a chunk of rows from disk."""
    return max(1, min(MAX_STEPS, ROWS_PER_CALL // batch_size))


def shared_tensor(array: NDArray[Any]) -> tf.Tensor:
    """Return an array as a tensor that shares and keeps its memory, where possible.

    `tf.constant` would copy it twice: NumPy's memory is not aligned as TensorFlow's is.
    """
    if array.dtype.kind not in "biufc" or not array.size:
        return tf.constant(array)
    shared = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.identity(shared)  # moves it to the default device; no copy on the CPU


def ahead(
    items: Iterator[_T], count: int, reader: ThreadPoolExecutor | None = None
) -> Iterator[_T]:
    """Yield items that one thread makes in advance.

    Args:
        items: not None.
        count: number of items made in advance.
        reader: has the thread; None for a new one.
    """
    executor = reader or ThreadPoolExecutor(1, "kerasnn-read")
    waiting: deque[Future[_T | None]] = deque()
    try:
        waiting += (executor.submit(next, items, None) for _ in range(count))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(executor.submit(next, items, None))
            yield item
    finally:
        wait([future for future in waiting if not future.cancel()])
        if reader is None:
            executor.shutdown()
