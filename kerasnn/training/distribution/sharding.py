"""Data-parallel sharding: which rows of each step belong to which worker.

If rows are in memory or come from a stream, every worker has the whole batch and takes its
slice. If they are on disk, each worker reads its own part, in batches of its own size, so
that all parts end together. Each row of an epoch belongs to one worker. Gradients are
divided by the rows of all workers.
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
from kerasnn.training.distribution.workers import WorkerGroup
from kerasnn.training.feeds.array_feed import ArrayFeed
from kerasnn.training.feeds.row_source import (
    RowArrays,
    RowSource,
    row_batches,
    structure_of,
)
from kerasnn.training.feeds.shard_feed import (
    GROUPS_AHEAD,
    ShardFeed,
    ahead,
    steps_per_call,
)
from kerasnn.training.feeds.stream_feed import StreamFeed


@dataclass(frozen=True)
class LocalSlice:
    """This worker's rows in the steps of a chunk.

    Attributes:
        rows: flat tensors, each [rows, ...].
        numbers: row numbers, step after step, [rows of all steps] int32.
        bounds: where each step begins in `numbers`, and the end, [steps + 1] int32.
        totals: rows of each step over all workers, [steps] int32.
        some_empty: whether a replica of any worker has no row in one of the steps.
    """

    rows: Tensors
    numbers: NDArray[np.int32]
    bounds: NDArray[np.int32]
    totals: NDArray[np.int32]
    some_empty: bool


@dataclass(frozen=True)
class ShardedChunk(Chunk):
    """A chunk that holds only this worker's rows.

    Attributes:
        local_slice: its rows; `blocks` is empty.
    """

    local_slice: LocalSlice | None = None


def local_slice(chunk: Chunk, workers: WorkerGroup) -> LocalSlice:
    """Return this worker's slice of a chunk."""
    if isinstance(chunk, ShardedChunk):
        assert chunk.local_slice is not None
        return chunk.local_slice
    numbers, sizes, totals = [], [], []
    before = 0  # steps of earlier blocks
    for block in chunk.blocks:
        steps, width = block.shape[1:]
        first = max(chunk.first - before, 0)
        stop = max(first, min(chunk.stop - before, steps))
        begin = width * workers.worker // workers.n_workers
        end = width * (workers.worker + 1) // workers.n_workers
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


def batch_sizes(rows: list[int], batch_size: int) -> list[int]:
    """Return each worker's rows in a batch, so that all workers end together.

    Args:
        rows: rows of each worker.
        batch_size: rows of a batch over all workers.
    """
    ends = np.round(np.cumsum([0, *rows]) / sum(rows) * batch_size)
    return [max(1, int(size)) for size in np.diff(ends)]


@runtime_checkable
class ShardableSource(RowSource, Protocol):
    """A row source of which each worker can read a part."""

    def part(self, worker: int, workers: int) -> RowSource:
        """Return the part of a worker.

        Raises:
            InputError: there are fewer parts than workers.
        """


class ShardedFeed(FreshFeed):
    """Rows from disk, of which each worker reads its part.

    Args:
        source: all rows.
        batch_size: rows of a step over all workers.
        shuffle: False for the rows in their stored order.
        workers: the workers.

    Raises:
        InputError: the source does not have a part for each worker.
    """

    def __init__(
        self, source: RowSource, batch_size: int, *, shuffle: bool, workers: WorkerGroup
    ) -> None:
        if not isinstance(source, ShardableSource):
            raise InputError(
                f"{type(source).__name__} has no parts for {workers.n_workers} workers:"
                " part(worker, workers) must return the rows of one worker"
            )
        parts = [
            source.part(worker, workers.n_workers) for worker in range(workers.n_workers)
        ]
        if batch_size < workers.n_workers:
            raise InputError(
                f"batch_size must be at least 1 for each of {workers.n_workers} workers;"
                f" got {batch_size}"
            )
        self.n_rows = [part.n_rows for part in parts]
        self.sizes = batch_sizes(self.n_rows, min(batch_size, source.n_rows))
        pairs = zip(self.n_rows, self.sizes, strict=True)
        self.steps = max(math.ceil(n / size) for n, size in pairs)
        self.steps_per_call = steps_per_call(batch_size)
        self._workers = workers
        self._part = parts[workers.worker]
        self._size = self.sizes[workers.worker]
        self._shuffle = shuffle
        self._structure, row = structure_of(self._part)
        self._row: RowArrays = DataStructure.flatten(row)
        self.batch_spec = BatchSpec.of(row, [None])

    def chunks(
        self, epoch: int, budget: Budget, *, by_batch: bool = False, done: int = 0
    ) -> Iterator[Chunk]:
        """Cut one epoch into chunks, at the same steps in all workers; see `Feed`."""
        max_steps = 1 if by_batch else self.steps_per_call
        for local in ahead(self._slices(epoch, done, max_steps), GROUPS_AHEAD):
            steps = len(local.totals)
            yield ShardedChunk(
                self.batch_spec,
                local.rows,
                [],
                0,
                steps,
                first_step=done,
                local_slice=local,
            )
            done += steps

    def _slices(self, epoch: int, done: int, max_steps: int) -> Iterator[LocalSlice]:
        batches = self._local_batches(epoch, done)
        for first in range(done, self.steps, max_steps):
            steps = min(max_steps, self.steps - first)
            maybe = [next(batches, None) for _ in range(steps)]
            read = [leaves for leaves in maybe if leaves is not None]
            sizes = [0 if leaves is None else len(leaves[0]) for leaves in maybe]
            # A worker that has read its part gets one row, which no step uses.
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
        """Return the rows of each worker in each of these steps, [workers, steps]."""
        sizes = np.array(self.sizes)[:, None]
        before = np.arange(first, first + steps) * sizes
        return np.clip(np.array(self.n_rows)[:, None] - before, 0, sizes)

    def _local_batches(self, epoch: int, done: int) -> Iterator[RowArrays]:
        first = done * self._size
        if first >= self._part.n_rows:
            return
        shuffled = epoch if self._shuffle else None
        for leaves in row_batches(self._part, shuffled, self._size, first=first):
            if self._check is not None:
                self._check(self._structure.pack(leaves))
            yield leaves


class BatchByBatch:
    """A stream in chunks of one batch, so that all workers cut it at the same steps.

    Args:
        feed: the stream; every worker reads the same batches from it.

    Raises:
        InputError: the number of batches of an epoch is unknown.
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
        """Cut one epoch into chunks; see `Feed`."""
        return self._feed.chunks(epoch, budget, by_batch=True, done=done)


def sharded_feed(workers: WorkerGroup, feed: Feed, **settings: object) -> Feed:
    """Return a feed whose chunks are the same steps in every worker.

    Args:
        workers: the workers.
        feed: all rows.
        settings: other values that must be equal on all workers.

    Raises:
        InputError: the rows cannot be sharded, or the workers were given different ones.
    """
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
