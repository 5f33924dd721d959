"""Rows from disk for members that are trained side by side.

A group of rows is in memory at a time, and each member meets all of them, in an order of
its own, before the next group comes. As with rows in memory (`member_plan`) the batches of
a group differ by one row at the most, and the room that is left holds a row that weighs
nothing. Of several workers each has shards of its own, and brings its part of every batch.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerasnn.training.compiled.chunks import Chunk
from kerasnn.training.compiled.specs import BatchSpec
from kerasnn.training.feeds.row_source import Buffers, RowSource
from kerasnn.training.feeds.shard_feed import ahead, shared_tensor
from kerasnn.training.member_plan import BatchShape, spread

ROWS_PER_CALL = 65_536  # of all members, about
GROUPS_AHEAD = 1

Rows = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[Any]]  # x, codes, targets


class GroupSource(RowSource, Protocol):
    """Rows in groups, of which the sizes are known before they are read."""

    def group_sizes(self, epoch: int | None) -> list[int]:
        """Rows of each group, in the order in which they come."""

    def part(self, worker: int, workers: int) -> Self:
        """What one of several workers reads."""


class MemberGroups:
    """The calls of the loop over groups of rows.

    Args:
        source: of the rows.
        seeds: of each member's row orders.
        batch_size: rows of a member's batch, at most, of all workers together.
        rows_of: takes rows of the source apart.
        place: the number of this worker, and how many there are.

    Attributes:
        width: this worker's rows of a member's batch; every worker has as many.
    """

    def __init__(
        self,
        source: GroupSource,
        seeds: Sequence[int],
        batch_size: int,
        rows_of: Callable[[Any], Rows],
        place: tuple[int, int] = (0, 1),
    ) -> None:
        worker, workers = place
        self._worker = worker
        self._parts = [source.part(number, workers) for number in range(workers)]
        self.source = self._parts[worker]
        self.seeds = seeds
        self.max_rows = max(part.max_rows for part in self._parts)
        self.width = BatchShape.of(self.max_rows, max(batch_size // workers, 1)).width
        self._rows_of = rows_of
        pieces, _ = next(iter(self.source.pieces(None)))
        row = [np.array(part[:1]) for part in rows_of(next(pieces))]
        row.append(np.ones(1, np.float32))  # how much it weighs
        # A row more than there are, which weighs nothing.
        self._buffers = Buffers(row, self.max_rows + 1)
        self._batches = BatchSpec.of(tuple(row), [len(seeds) * self.width])
        self._reader = ThreadPoolExecutor(1, "kerasnn-read")

    def steps(self, epoch: int) -> int:
        """Of an epoch (from 0)."""
        return sum(self._steps(epoch))

    def chunks(self, epoch: int, *, done: int = 0) -> Iterator[Chunk]:
        """The calls of an epoch, from a step on."""
        sizes, steps = self.source.group_sizes(epoch), self._steps(epoch)
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
            most = max(1, ROWS_PER_CALL // slots.shape[1])
            for start in range(done - before, len(slots), most):
                yield self._chunk(
                    tensors, slots[start : start + most], most, first_step=done
                )
                done = before + min(start + most, len(slots))
            before, number = done, number + 1

    def _steps(self, epoch: int) -> list[int]:
        """Of each group: so many that the rows of every worker have room."""
        sizes = [part.group_sizes(epoch) for part in self._parts]
        groups = max(map(len, sizes))
        padded = [own + [0] * (groups - len(own)) for own in sizes]
        return [-(-max(group) // self.width) for group in zip(*padded, strict=True)]

    def _slots(self, epoch: int, number: int, size: int, steps: int) -> NDArray[np.int32]:
        """The rows of a group in batches: [steps, members * width] row numbers."""
        shape = BatchShape(steps, self.width)
        rows, padding = np.arange(size, dtype=np.int32), self.max_rows
        place = (epoch, number, self._worker)
        members = [spread(rows, (seed, *place), shape, padding) for seed in self.seeds]
        return np.concatenate(members, axis=1)

    def _tensors(self, epoch: int, first: int, groups: int) -> Iterator[list[tf.Tensor]]:
        """x, codes, targets and weights, of one shape whatever is in them."""
        for pieces, order in self.source.pieces(epoch, first=first):
            leaves, _ = self._buffers.take()
            begin = 0
            for piece in pieces:
                parts = self._rows_of(piece)
                end = begin + len(parts[0])
                for leaf, part in zip(leaves, parts, strict=False):
                    np.copyto(leaf[begin:end], part)
                begin = end
            weights = leaves[-1]
            weights[: len(order)], weights[len(order) :] = 1.0, 0.0
            yield [shared_tensor(leaf) for leaf in leaves]
            groups -= 1
        for _ in range(groups):  # in which only others have rows
            leaves, _ = self._buffers.take()
            for leaf in leaves:
                leaf[:] = 0
            yield [shared_tensor(leaf) for leaf in leaves]

    def _chunk(
        self,
        tensors: list[tf.Tensor],
        slots: NDArray[np.int32],
        most: int,
        *,
        first_step: int,
    ) -> Chunk:
        """Steps of one group; the row numbers have the same shape for any steps."""
        block = np.zeros((1, most, slots.shape[1]), np.int32)
        block[0, : len(slots)] = slots
        return Chunk(
            self._batches, tensors, [tf.constant(block)], 0, len(slots), first_step
        )
