"""Rows from disk for the compiled loop: read ahead in a thread, gathered inside the graph.

What comes from disk are groups of rows with an order. A group is copied once, into memory
that its tensors share, and calls of K steps gather their batches from it, as they do from
rows in memory; the step sees no difference. Meanwhile the next group is read.
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
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.feeds.row_source import (
    Buffers,
    RowOrder,
    RowSource,
    row_groups,
    structure_of,
)

# A call takes about so many rows: with fewer it shows that they are calls.
ROWS_PER_CALL = 65_536
MAX_STEPS = 256
GROUPS_AHEAD = 1  # is read in a fraction of the time that training on a group takes
# Beside those: the one that is trained on, and the one before, which the caller has in hand
# until it is given the next call.
GROUPS_HELD = GROUPS_AHEAD + 2

T = TypeVar("T")


class ShardFeed(FreshFeed):
    """Rows from disk.

    Args:
        source: of the rows.
        batch_size: the last batch of an epoch has what is left.
        shuffle: False: the rows in their own order.
    """

    def __init__(self, source: RowSource, batch_size: int, *, shuffle: bool) -> None:
        self.source = source
        self.batch_size = min(batch_size, source.n_rows)
        self.steps = math.ceil(source.n_rows / self.batch_size)
        self.steps_per_call = max(
            1, min(MAX_STEPS, ROWS_PER_CALL // self.batch_size, self.steps)
        )
        self.shuffle = shuffle
        self._structure, row = structure_of(source)
        self.batch_spec = BatchSpec.of(row, [None])  # the last batch is shorter
        # Kept from epoch to epoch. Every new thread may get an arena of its own from the C
        # library, which keeps some MB in each.
        self._reader = ThreadPoolExecutor(1, "kerasnn-read")
        self._buffers = Buffers.of(source, row, self.batch_size)

    @property
    def most_bytes(self) -> int:
        """Of the groups that are in memory at once, if nobody keeps calls."""
        return GROUPS_HELD * self._buffers.nbytes

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """The calls of one epoch."""
        most = 1 if by_batch else self.steps_per_call
        groups = self._groups(epoch, done)
        for rows, order in ahead(groups, GROUPS_AHEAD, self._reader):
            full, short = divmod(len(order), self.batch_size)
            for start in range(0, full, most):
                steps = min(most, full - start)
                numbers = order[start * self.batch_size :][: steps * self.batch_size]
                yield self._chunk(
                    rows, numbers, steps, most, self.batch_size, first_step=done
                )
                done += steps
            if short:
                yield self._chunk(rows, order[-short:], 1, 1, short, first_step=done)
                done += 1

    def _groups(self, epoch: int, done: int) -> Iterator[tuple[list[tf.Tensor], RowOrder]]:
        """The groups as tensors; all have the same shape, whatever is in them."""
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
        rows: list[tf.Tensor],
        numbers: RowOrder,
        steps: int,
        most: int,
        width: int,
        first_step: int,
    ) -> Chunk:
        """Steps of one width; the row numbers have the same shape for any steps."""
        block = np.zeros(most * width, np.int32)
        block[: len(numbers)] = numbers
        return Chunk(
            self.batch_spec,
            rows,
            [tf.constant(block.reshape(1, most, width))],
            0,
            steps,
            first_step=first_step,
            irregular_size=width != self.batch_size,
        )


def shared_tensor(array: NDArray[Any]) -> tf.Tensor:
    """An array as a tensor that shares its memory and keeps it, where that is possible.

    `tf.constant` would copy it twice: NumPy's memory is not aligned as TensorFlow's is.
    """
    if array.dtype.kind not in "biufc" or not array.size:
        return tf.constant(array)
    shared = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    return tf.identity(shared)  # to the device that is the default; on the CPU no copy


def ahead(
    things: Iterator[T], count: int, reader: ThreadPoolExecutor | None = None
) -> Iterator[T]:
    """The things, so many of them made before they are asked for, in a thread.

    Args:
        things: made by one thread.
        count: how many.
        reader: has that thread; None: a new one.
    """
    executor = reader or ThreadPoolExecutor(1, "kerasnn-read")
    waiting: deque[Future[T | None]] = deque()
    try:
        waiting += (executor.submit(next, things, None) for _ in range(count))
        while (thing := waiting.popleft().result()) is not None:
            waiting.append(executor.submit(next, things, None))
            yield thing
    finally:
        wait([future for future in waiting if not future.cancel()])
        if reader is None:
            executor.shutdown()
