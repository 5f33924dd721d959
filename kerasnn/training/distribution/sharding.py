"""How the rows of each step are dealt to the workers.

Of rows in memory and of streams every worker sees the whole batch and takes its share.
Of rows on disk each worker reads its own part, in batches of its own size, so that all
parts end together. Each row of an epoch is one worker's; what a step is divided by are the
rows of all.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.errors import InputError
from kerasnn.manifest import data_fingerprint
from kerasnn.training.compiled.chunks import Budget, Chunk, Feed, FreshFeed
from kerasnn.training.compiled.specs import BatchSpec, DataStructure, Tensors
from kerasnn.training.distribution.workers import SingleProcess, WorkerGroup
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.row_source import Leaves, RowSource, structure_of, whole_batches
from kerasnn.training.feeds.shard_feed import (
    GROUPS_AHEAD,
    MAX_STEPS,
    ROWS_PER_CALL,
    ShardFeed,
    ahead,
)
from kerasnn.training.feeds.stream_feed import StreamFeed


@dataclass(frozen=True)
class LocalSlice:
    """The rows that this worker takes in each step of a call.

    Attributes:
        rows: flat tensors, each [rows, ...].
        numbers: row numbers, step after step, [rows of all steps] int32.
        bounds: where each step begins in them, and the end, [steps + 1] int32.
        totals: rows of each step, those of all workers, [steps] int32.
        some_empty: whether a replica of any worker gets no row in one of the steps.
    """

    rows: Tensors
    numbers: NDArray[np.int32]
    bounds: NDArray[np.int32]
    totals: NDArray[np.int32]
    some_empty: bool


@dataclass(frozen=True)
class ShardedChunk(Chunk):
    """A call whose rows are this worker's only.

    Attributes:
        local_slice: its rows; `blocks` is empty.
    """

    local_slice: LocalSlice | None = None


def local_slice(chunk: Chunk, workers: WorkerGroup) -> LocalSlice:
    """What of a call this worker takes."""
    if isinstance(chunk, ShardedChunk):
        assert chunk.local_slice is not None
        return chunk.local_slice
    numbers, sizes, totals = [], [], []
    before = 0  # steps of the blocks before this one
    for block in chunk.blocks:
        steps, width = block.shape[1:]
        first = max(chunk.first - before, 0)
        stop = max(first, min(chunk.stop - before, steps))
        begin, end = split_points(width, workers.n_workers)[workers.worker :][:2]
        numbers.append(block[0, first:stop, begin:end].numpy().reshape(-1))
        sizes += [end - begin] * (stop - first)
        totals += [width] * (stop - first)
        before += steps
    return LocalSlice(
        chunk.rows,
        np.concatenate(numbers).astype(np.int32),
        np.cumsum([0, *sizes], dtype=np.int32),
        np.array(totals, np.int32),
        some_empty=min(totals, default=0) < workers.replicas,
    )


def split_points(n_rows: int, parts: int) -> list[int]:
    """Where each of so many parts begins, which differ by one row at most; and the end."""
    return [n_rows * part // parts for part in range(parts + 1)]


def batch_sizes(rows: list[int], batch_size: int) -> list[int]:
    """Rows of each worker in a batch, so that all come to their end together.

    Args:
        rows: of each worker.
        batch_size: of all workers.
    """
    ends = np.round(np.cumsum([0, *rows]) / sum(rows) * batch_size)
    return [max(1, int(size)) for size in np.diff(ends)]


@runtime_checkable
class ShardableSource(RowSource, Protocol):
    """A row source of which each worker can read a part."""

    def part(self, worker: int, workers: int) -> RowSource:
        """What a worker reads of it.

        Raises:
            InputError: there is nothing left for it.
        """


class ShardedFeed(FreshFeed):
    """Rows from disk, of which each worker reads its part.

    Args:
        source: of all rows.
        batch_size: rows of a step, those of all workers.
        shuffle: False: the rows in their own order.
        workers: the workers.

    Raises:
        InputError: the source has no parts, or not for so many workers.
    """

    def __init__(
        self, source: RowSource, batch_size: int, *, shuffle: bool, workers: WorkerGroup
    ) -> None:
        if not isinstance(source, ShardableSource):
            raise InputError(
                f"{type(source).__name__} has no parts for {workers.n_workers} workers:"
                " part(worker, workers) must give what a worker reads"
            )
        parts = [
            source.part(worker, workers.n_workers) for worker in range(workers.n_workers)
        ]
        self.n_rows = [part.n_rows for part in parts]
        if batch_size < workers.n_workers:
            raise InputError(
                f"batch_size must be at least 1 for each of {workers.n_workers} workers;"
                f" got {batch_size}"
            )
        self.sizes = batch_sizes(self.n_rows, min(batch_size, source.n_rows))
        pairs = zip(self.n_rows, self.sizes, strict=True)
        self.steps = max(math.ceil(n / size) for n, size in pairs)
        self.steps_per_call = max(1, min(MAX_STEPS, ROWS_PER_CALL // batch_size))
        self._workers = workers
        self._part = parts[workers.worker]
        self._size = self.sizes[workers.worker]
        self._shuffle = shuffle
        self._structure, row = structure_of(self._part)
        self._row: Leaves = DataStructure.flatten(row)
        self.batch_spec = BatchSpec.of(row, [None])

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """The calls of one epoch; all workers cut it at the same steps."""
        most = 1 if by_batch else self.steps_per_call
        for share in ahead(self._shares(epoch, done, most), GROUPS_AHEAD):
            steps = len(share.totals)
            yield ShardedChunk(
                self.batch_spec,
                share.rows,
                [],
                0,
                steps,
                first_step=done,
                local_slice=share,
            )
            done += steps

    def _shares(self, epoch: int, done: int, most: int) -> Iterator[LocalSlice]:
        batches = self._own_batches(epoch, done)
        for first in range(done, self.steps, most):
            steps = min(most, self.steps - first)
            some = [next(batches, None) for _ in range(steps)]
            read = [leaves for leaves in some if leaves is not None]
            sizes = [0 if leaves is None else len(leaves[0]) for leaves in some]
            # A worker that is at its end has a row to look at, which does not count.
            joined = [np.concatenate(leaves) for leaves in zip(*read, strict=True)]
            present = self._present(first, steps)
            yield LocalSlice(
                [tf.constant(leaf) for leaf in joined or self._row],
                np.arange(sum(sizes), dtype=np.int32),
                np.cumsum([0, *sizes], dtype=np.int32),
                present.sum(axis=0, dtype=np.int32),
                some_empty=bool((present < self._workers.local_replicas).any()),
            )

    def _present(self, first: int, steps: int) -> NDArray[np.int64]:
        """Rows of each worker in each of these steps, [workers, steps]."""
        sizes = np.array(self.sizes)[:, None]
        before = np.arange(first, first + steps) * sizes
        return np.clip(np.array(self.n_rows)[:, None] - before, 0, sizes)

    def _own_batches(self, epoch: int, done: int) -> Iterator[Leaves]:
        """The batches of this worker, until its rows are at their end."""
        first = done * self._size
        if first >= self._part.n_rows:
            return
        groups = whole_batches(
            self._part, epoch if self._shuffle else None, self._size, first=first
        )
        for leaves, order in groups:
            if self._check is not None:
                self._check(self._structure.pack(leaves))
            for start in range(0, len(order), self._size):
                rows = order[start : start + self._size]
                yield [leaf[rows] for leaf in leaves]


class BatchByBatch:
    """A stream of which each call takes one batch: all workers cut it at the same steps.

    Args:
        feed: the stream; every worker draws the same batches from it.

    Raises:
        InputError: nobody knows how many batches an epoch has.
    """

    def __init__(self, feed: StreamFeed) -> None:
        if feed.steps is None:
            raise InputError(
                "several workers must know how many batches an epoch has, to end it"
                " together: give steps_per_epoch"
            )
        self._feed = feed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """The calls of one epoch."""
        return self._feed.chunks(epoch, budget, by_batch=True, done=done)


def sharded_feed(workers: SingleProcess, feed: Feed, **settings: object) -> Feed:
    """A feed whose calls are the same steps in every worker.

    Args:
        workers: the workers; None: the feed stays as it is.
        feed: of all rows.
        settings: others that every worker must have been given alike.

    Raises:
        InputError: the rows cannot be dealt to them, or are not the same.
    """
    if not isinstance(workers, WorkerGroup):
        return feed
    if isinstance(feed, ShardFeed):
        feed = ShardedFeed(
            feed.source, feed.batch_size, shuffle=feed.shuffle, workers=workers
        )
        settings["rows"] = feed.n_rows
    elif isinstance(feed, StreamFeed):
        feed = BatchByBatch(feed)
    elif isinstance(feed, ArrayFeed) and workers.n_workers > 1:
        settings["data"] = data_fingerprint(*(tensor.numpy() for tensor in feed.rows))
    workers.assert_same_on_all(**settings, steps=feed.steps)
    return feed
