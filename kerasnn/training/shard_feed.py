"""Rows from disk for the compiled loop: so many steps at a time, read while it runs.

What comes from disk are blocks of K batches; the loop takes them as it takes rows in
memory, and sees no difference. A thread reads the next block while a call runs.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.training.calls import Budget, Call
from kerasnn.training.loop import Layout
from kerasnn.training.programs import Batches
from kerasnn.training.row_source import RowSource

# A block is about so many rows: with fewer the calls show, with more the memory.
ROWS_PER_BLOCK = 65_536
MOST_STEPS = 64
BLOCKS_AHEAD = 2

T = TypeVar("T")


class ShardFeed:
    """Rows from disk.

    Args:
        source: of the rows.
        batch_size: the last batch of an epoch has what is left.
        shuffle: False: the rows in their own order.
    """

    def __init__(self, source: RowSource, batch_size: int, *, shuffle: bool) -> None:
        self.source = source
        self._shuffle = shuffle
        self.batch_size = min(batch_size, source.n_rows)
        self.steps = math.ceil(source.n_rows / self.batch_size)
        self.steps_per_block = max(
            1, min(MOST_STEPS, ROWS_PER_BLOCK // self.batch_size, self.steps)
        )
        sample = next(iter(source.data(None, 1)))
        self.batches = Batches.of(sample, [None])  # the last batch is shorter
        self._check: Callable[[Any], None] | None = None

    def look_at(self, check: Callable[[Any], None]) -> None:
        """Check each block, when it comes."""
        self._check = check

    def reset(self) -> None:
        """Every epoch begins anew."""

    @property
    def drawn(self) -> tuple[int, ...]:
        """Every epoch begins anew."""
        return ()

    def go_to(self, drawn: tuple[int, ...]) -> None:
        """Every epoch begins anew."""

    def calls(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Call]:
        """The calls of one epoch."""
        most = 1 if by_batch else self.steps_per_block
        blocks = self.source.data(
            epoch if self._shuffle else None,
            most * self.batch_size,
            first=done * self.batch_size,
        )
        for leaves in ahead(map(self._leaves, blocks), BLOCKS_AHEAD):
            for call in self._calls_of(leaves, most, begin=done):
                yield call
                done += call.stop - call.first

    def _calls_of(self, leaves: list[Any], most: int, begin: int) -> Iterator[Call]:
        """A call for the full batches of a block, and one for a short batch after them."""
        full, short = divmod(len(leaves[0]), self.batch_size)
        if full:
            yield self._call(leaves, full, most, self.batch_size, begin)
        if short:
            last = [leaf[full * self.batch_size :] for leaf in leaves]
            yield self._call(last, 1, 1, short, begin + full)

    def _call(
        self, leaves: list[Any], steps: int, most: int, width: int, begin: int
    ) -> Call:
        """Steps of one width; a block has the same shape each time, whatever is in it."""
        n_rows = most * width
        rows = [tf.constant(_filled_up(leaf[:n_rows], n_rows)) for leaf in leaves]
        numbers = np.arange(n_rows, dtype=np.int32).reshape(1, most, width)
        return Call(
            self.batches,
            rows,
            [tf.constant(numbers)],
            0,
            steps,
            begin=begin,
            odd=width != self.batch_size,
        )

    def _leaves(self, data: Any) -> list[NDArray[Any]]:
        if self._check is not None:
            self._check(data)
        return [np.asarray(leaf) for leaf in Layout.flatten(data)]


def _filled_up(array: NDArray[Any], n_rows: int) -> NDArray[Any]:
    """With rows of zeros at the end, which are never run."""
    missing = n_rows - len(array)
    if not missing:
        return array
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])


def ahead(things: Iterator[T], count: int) -> Iterator[T]:
    """The things, so many of them made before they are asked for, in a thread."""
    executor = ThreadPoolExecutor(1, "kerasnn-read")
    waiting: deque[Future[T | None]] = deque()
    try:
        waiting += (executor.submit(next, things, None) for _ in range(count))
        while (thing := waiting.popleft().result()) is not None:
            waiting.append(executor.submit(next, things, None))
            yield thing
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
