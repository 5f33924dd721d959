"""Rows from disk for members that are trained side by side.

One group of rows is in memory at a time. Each member learns from all rows of the group, in
an order of its own, before the next group comes. The batches of a group differ by at most
one row, as with rows in memory (`plan`); a row without weight fills the free place. Each of
several workers reads its own shards, and contributes its part of every batch.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.ensembles.plan import BatchShape, spread
from kerasnn.training.compiled.chunks import Chunk
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.feeds.row_source import Buffers, RowSource
from kerasnn.training.feeds.shard_feed import GROUPS_AHEAD, ahead, shared_tensor

ROWS_PER_CHUNK = 65_536  # of all members, about

GroupArrays = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[Any]]  # x, codes, y


class GroupSource(RowSource, Protocol):
    """Rows in groups, whose sizes are known before they are read."""

    def group_sizes(self, epoch: int | None) -> list[int]:
        """Return the number of rows of each group, in the order of the epoch."""

    def part(self, worker: int, workers: int) -> Self:
        """Return the rows that one of several workers reads."""


class MemberGroups:
    """Chunks of the compiled loop over groups of rows.

    Args:
        source: source of the rows.
        seeds: seed of each member's row orders.
        batch_size: largest number of rows in a member's batch, over all workers.
        arrays_of: takes x, codes and targets from rows of the source.
        place: number of this worker, and number of workers.

    Attributes:
        width: this worker's rows in a member's batch; the same for every worker.
    """

    def __init__(
        self,
        source: GroupSource,
        seeds: Sequence[int],
        batch_size: int,
        arrays_of: Callable[[Any], GroupArrays],
        place: tuple[int, int] = (0, 1),
    ) -> None:
        worker, workers = place
        self._worker = worker
        self._parts = [source.part(number, workers) for number in range(workers)]
        self.source = self._parts[worker]
        self.seeds = seeds
        self._max_rows = max(part.max_rows for part in self._parts)
        self.width = BatchShape.of(self._max_rows, max(batch_size // workers, 1)).width
        self._arrays_of = arrays_of
        pieces, _ = next(iter(self.source.pieces(None)))
        row = [np.array(part[:1]) for part in arrays_of(next(pieces))]
        row.append(np.ones(1, np.float32))  # its weight
        # Room for one more row, which has no weight.
        self._buffers = Buffers(row, self._max_rows + 1)
        self._batch_spec = BatchSpec.of(tuple(row), [len(seeds) * self.width])
        self._reader = ThreadPoolExecutor(1, "kerasnn-read")

    def steps(self, epoch: int) -> int:
        """Return the number of steps of an epoch (from 0)."""
        return sum(self._steps_of_groups(epoch))

    def chunks(self, epoch: int, *, done: int = 0) -> Iterator[Chunk]:
        """Yield the chunks of an epoch, after the steps that are done."""
        sizes, steps = self.source.group_sizes(epoch), self._steps_of_groups(epoch)
        number = before = 0
        while number < len(steps) and before + steps[number] <= done:
            before += steps[number]
            number += 1
        if number == len(steps):
            return
        groups = self._tensors(epoch, sum(sizes[:number]), len(steps) - number)
        for tensors in ahead(groups, GROUPS_AHEAD, self._reader):
            size = sizes[number] if number < len(sizes) else 0
            slots = self._slots(epoch, number, size, steps[number])
            max_steps = max(1, ROWS_PER_CHUNK // slots.shape[1])
            for start in range(done - before, len(slots), max_steps):
                yield self._chunk(
                    tensors, slots[start : start + max_steps], max_steps, first_step=done
                )
                done = before + min(start + max_steps, len(slots))
            before, number = done, number + 1

    def _steps_of_groups(self, epoch: int) -> list[int]:
        """Return the steps of each group: enough for the rows of every worker."""
        sizes = [part.group_sizes(epoch) for part in self._parts]
        groups = max(map(len, sizes))
        padded = [own + [0] * (groups - len(own)) for own in sizes]
        return [-(-max(group) // self.width) for group in zip(*padded, strict=True)]

    def _slots(self, epoch: int, number: int, size: int, steps: int) -> NDArray[np.int32]:
        """Return a group's row numbers in batches, [steps, members * width]."""
        shape = BatchShape(steps, self.width)
        rows, padding = np.arange(size, dtype=np.int32), self._max_rows
        place = (epoch, number, self._worker)
        members = [spread(rows, (seed, *place), shape, padding) for seed in self.seeds]
        return np.concatenate(members, axis=1)

    def _tensors(self, epoch: int, first: int, groups: int) -> Iterator[list[tf.Tensor]]:
        """Yield x, codes, targets and weights of each group, in tensors of one shape."""
        for pieces, order in self.source.pieces(epoch, first=first):
            leaves, _ = self._buffers.take()
            begin = 0
            for piece in pieces:
                parts = self._arrays_of(piece)
                end = begin + len(parts[0])
                for leaf, part in zip(leaves, parts, strict=False):
                    np.copyto(leaf[begin:end], part)
                begin = end
            weights = leaves[-1]
            weights[: len(order)], weights[len(order) :] = 1.0, 0.0
            yield [shared_tensor(leaf) for leaf in leaves]
            groups -= 1
        for _ in range(groups):  # only other workers have rows in these
            leaves, _ = self._buffers.take()
            for leaf in leaves:
                leaf[:] = 0
            yield [shared_tensor(leaf) for leaf in leaves]

    def _chunk(
        self,
        tensors: list[tf.Tensor],
        slots: NDArray[np.int32],
        max_steps: int,
        *,
        first_step: int,
    ) -> Chunk:
        """Return steps of one group; the row numbers have one shape for any steps."""
        block = np.zeros((1, max_steps, slots.shape[1]), np.int32)
        block[0, : len(slots)] = slots
        return Chunk(
            self._batch_spec, tensors, [tf.constant(block)], 0, len(slots), first_step
        )
